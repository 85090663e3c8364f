"""Values of YAML beside the annotations that they are to fit; YAML that cannot be meant."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hf_miwv import InputError
from hf_miwv.common.recipes.values import MISFIT, fault_of, fit
from hf_miwv.common.recipes.yaml_file import load_mapping
from hf_miwv.training.train_recipe import read_recipe

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in ("trl", "peft")), reason="trl and peft are not installed"
)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (True, bool, True),
        (1, bool, MISFIT),
        (True, int, MISFIT),
        (True, float, MISFIT),
        (3, float, 3),
        ("2e-5", float, 2e-5),
        ("nan", float, MISFIT),
        ("3", int, MISFIT),
        ("2e-5", float | str, "2e-5"),
        (None, int | None, None),
        (None, int, MISFIT),
        (["a"], str | list[str] | None, ["a"]),
        ([1], list[str], MISFIT),
        ({"a": 1}, dict, {"a": 1}),
        ({1: 1}, dict[str, Any], MISFIT),
    ],
)
def test_values_and_annotations(value: Any, hint: Any, expected: Any) -> None:
    assert fit(value, hint) is expected or fit(value, hint) == expected
    assert (fault_of("key", value, hint) is None) == (expected is not MISFIT)


def test_all_defaults_of_the_libraries_fit_their_own_annotations() -> None:
    from dataclasses import MISSING, fields

    from trl import SFTConfig

    from hf_lmt.recipes.training_keys import TRL_REFUSED as REFUSED_BY_LMT
    from hf_miwv.common.recipes.trl_keys import DATASETS, NO_EFFECT, PUSHING, REFUSED, sft_hints, trl_hints
    from hf_miwv.training.recipe_keys import SECTION_REFUSED, TRL_REFUSED, section_hints

    known = trl_hints()
    for field in fields(SFTConfig):
        if field.init and field.default is not MISSING:
            value = getattr(field.default, "value", field.default)
            assert fault_of(field.name, value, sft_hints()[field.name]) is None
    for refused in (REFUSED, TRL_REFUSED, REFUSED_BY_LMT):
        assert {name for names in refused.values() for name in names} <= set(known)
    assert {*DATASETS, *NO_EFFECT, *PUSHING} <= set(known)
    for section, reasons in SECTION_REFUSED.items():
        hints = section_hints()[section]
        assert {name for names in reasons.values() for name in names} <= set(hints)


def test_an_unknown_key_is_told_the_nearest_of_many(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "model_name_or_path: m\ndata: {source: d}\noutput_dir: o\nselection: {fraction: 0.1}\nqzzz_steqz: 1\n"
    )
    with pytest.raises(InputError, match="unknown key 'qzzz_steqz'; the nearest of") as told:
        read_recipe(path)
    listed = str(told.value).rpartition("ones: ")[2].split(", ")
    assert len(listed) == 12
    assert "max_steps" in listed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 2024-13-45\n", r"'2024-13-45' cannot be: month must be in 1..12.*\n.*line 1, column 4"),
        ("a: 2024-01-01T25:00:00Z\n", r"cannot be: hour must be in 0..23"),
        ("a: " + "1" * 5000, r"cannot be: Exceeds the limit"),
        ("a: " + "[" * 3000 + "]" * 3000, r"nested deeper than 50 levels"),
        ("a: " + "{b: " * 3000 + "1" + "}" * 3000, r"nested deeper than 50 levels"),
        ("a: &x [1, {b: *x}]\n", r"\*x stands inside what it names"),
        ("a: 1\nb: 2\na: 3\n", r"the key 'a' stands twice in this mapping\n.*line 3, column 1"),
        ("a: {b: 1, 'b': 2}\n", r"the key 'b' stands twice"),
        ("? [a, b]\n: 1\n", r"found unhashable key"),
        ("? {a: b}\n: 1\n", r"found unhashable key"),
    ],
)
def test_yaml_that_cannot_be_meant_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as told:
        load_mapping(path)
    assert str(told.value).startswith(f"{path} is not YAML: ")


def test_yaml_may_merge_and_nest(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    deep = "[" * 49 + "]" * 49  # the mapping of the file is a level, too
    path.write_text(f"a: &x {{b: 1, c: 2}}\nd:\n  <<: *x\n  b: 3\ne: *x\nf: {deep}\n")
    content = load_mapping(path)
    assert content["d"] == {"b": 3, "c": 2}
    assert content["e"] == {"b": 1, "c": 2}
    path.write_text(f"f: [{deep}]\n")
    with pytest.raises(InputError, match="nested deeper"):
        load_mapping(path)
