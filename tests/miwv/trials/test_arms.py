"""Which rows are held out, which arms there are, and with which each is compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from tiny import make_rows

from hf_miwv.common.errors import InputError
from hf_miwv.trials.arms import arms_of, steps_of_arms
from hf_miwv.trials.held_out import divide_by_prompt, length_groups, question_rows


def test_each_method_is_compared_with_random_rows_of_its_own_lengths() -> None:
    arms = arms_of(["miwv", "length", "random", "random_by_length"], "0.1")
    assert {arm.name: arm.control for arm in arms} == {
        "miwv": "random_by_length:miwv",
        "length": "random_by_length:length",
        "random": None,
        "random_by_length:miwv": None,
        "random_by_length:length": None,
    }
    assert [arm.control for arm in arms_of(["miwv", "random"], "0.1")] == ["random", None]
    assert arms[3].folder(2) == "random_by_length-miwv-2"


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (["miwv"], "nothing to compare with; add random, or random_by_length"),
        (["random"], "only random rows; add a method, such as miwv"),
        (["miwv", "miwv", "random"], "miwv is named 2 times"),
        (["mivw", "random"], "did you mean 'miwv'"),
    ],
)
def test_methods_that_make_no_trial_are_refused(methods: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        arms_of(methods, "0.1")


def test_steps_are_those_of_the_epochs_and_fewer_rows_than_a_step_are_refused() -> None:
    assert steps_of_arms(1000, "0.05", 3, 8) == 19
    with pytest.raises(InputError, match=r"0.05 of 100 rows is 5, fewer than the 8 of one step"):
        steps_of_arms(100, "0.05", 3, 8)


def test_rows_of_one_prompt_fall_on_one_side_whatever_their_order() -> None:
    rows = [{"instruction": f"Do {index // 2}.", "output": f"answer {index}"} for index in range(200)]
    dataset = Dataset.from_list(rows)
    pool, held = divide_by_prompt(dataset, 0.25, 0)
    assert sorted([*pool, *held]) == list(range(200))
    assert {index // 2 for index in pool.tolist()}.isdisjoint(index // 2 for index in held.tolist())
    assert 30 <= len(held) <= 70
    order = np.random.default_rng(0).permutation(200)
    _, shuffled = divide_by_prompt(dataset.select(order), 0.25, 0)
    assert sorted(order[shuffled].tolist()) == held.tolist()
    assert divide_by_prompt(dataset, 0.25, 1)[1].tolist() != held.tolist()


@pytest.mark.parametrize(
    ("share", "count", "message"),
    [
        (0.0, 20, "give a share between 0 and 1"),
        (1.0, 20, "give a share between 0 and 1"),
        (0.01, 4, "of 4 rows would"),
    ],
)
def test_a_share_that_leaves_nothing_on_one_side_is_refused(share: float, count: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        divide_by_prompt(Dataset.from_list(make_rows(count)), share, 0)


def test_lengths_are_cut_into_thirds() -> None:
    groups = length_groups(np.array([1, 2, 3, 4, 5, 6, 7, 8, 9]))
    assert [groups.count(group) for group in dict.fromkeys(groups)] == [3, 3, 3]
    assert groups[0] == "short (to 3 tokens)"


def test_questions_are_the_same_in_any_order_of_the_rows() -> None:
    rows: list[dict[str, Any]] = make_rows(20)
    questions = question_rows(Dataset.from_list(rows), 5, 0)
    assert questions.column_names == ["id", "instruction", "input"]
    assert len(questions) == 5
    assert [rows[int(row["id"])]["instruction"] for row in questions] == questions["instruction"]
