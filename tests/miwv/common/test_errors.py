"""Errors that carry all their faults, through pickles too."""

from __future__ import annotations

import pickle

from hf_miwv.common.errors import InputError, error_chain


def test_an_error_has_its_message_as_its_fault() -> None:
    assert InputError("rows.jsonl: row 3 is null").faults == ["rows.jsonl: row 3 is null"]


def test_faults_are_told_together_each_once() -> None:
    error = InputError.of_faults("recipe.yaml", ["no data", "no model", "no data"])
    assert error.faults == ["no data", "no model"]
    assert str(error) == "recipe.yaml: \n  no data\n  no model"
    assert str(InputError.of_faults("recipe.yaml", ["no data"])) == "recipe.yaml: no data"


def test_faults_come_back_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(InputError.of_faults("recipe.yaml", ["no data", "no model"])))  # noqa: S301
    assert error.faults == ["no data", "no model"]


def test_a_chain_goes_through_hidden_contexts() -> None:
    error = ValueError("second")
    error.__context__, error.__suppress_context__ = KeyError("first"), True
    assert [type(link) for link in error_chain(error)] == [ValueError, KeyError]
