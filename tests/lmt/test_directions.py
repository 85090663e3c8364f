"""The 234 directions, how they are written, and which pattern applies to which."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest

from hf_lmt.directions import (
    DIRECTIONS,
    PAIRS,
    Direction,
    check_globs,
    is_reverse,
    match_directions,
    most_specific,
    parse_direction,
)
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError


def test_there_are_117_pairs_and_234_directions() -> None:
    assert len(PAIRS) == 117
    assert len(set(DIRECTIONS)) == len(DIRECTIONS) == 234
    expected = {
        (source, target)
        for source in LANGUAGES
        for target in LANGUAGES
        if source != target and {source, target} & {"en", "zh"}
    }
    assert set(DIRECTIONS) == expected
    assert DIRECTIONS[:4] == (("en", "zh"), ("zh", "en"), ("en", "ar"), ("ar", "en"))


def test_each_language_but_the_pivots_has_four_directions() -> None:
    sides = Counter(code for direction in DIRECTIONS for code in direction)
    assert sides.pop("en") == 2 * 59
    assert sides.pop("zh") == 2 * 59
    assert set(sides.values()) == {4}


def test_a_direction_is_written_and_read_alike() -> None:
    direction = Direction("en", "kk")
    assert (direction.source, direction.target) == ("en", "kk")
    assert str(direction) == f"{direction}" == "en-kk"
    assert direction.opposite == Direction("kk", "en")
    assert pickle.loads(pickle.dumps(direction)) == direction  # noqa: S301
    assert all(parse_direction(str(one)) == one for one in DIRECTIONS)
    assert parse_direction("mvf-yue") == Direction("mvf", "yue")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("en_kk", "'en_kk' is not a direction: write source and target as in en-kk"),
        ("en", "'en' is not a direction"),
        ("en-zh-CN", "'en-zh-CN' is not a direction"),
        ("", "'' is not a direction"),
        (False, "False is not a direction"),
        ("en-kaz_Cyrl", "no language 'kaz_Cyrl': it is called 'kk' here"),
        ("en-mfv", "did you mean 'mvf'?"),
        ("en-en", "en-en: source and target are the same"),
        ("en-", "no language ''"),
        ("en-*", "en-*: stands for several directions"),
    ],
)
def test_what_is_no_direction_is_told_why(given: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_direction(given)
    assert message in str(error.value)


def test_a_direction_made_by_hand_is_checked_as_well() -> None:
    with pytest.raises(InputError, match="no language 'no'"):
        Direction("en", "no")
    with pytest.raises(InputError, match="the same"):
        Direction("zh", "zh")


@pytest.mark.parametrize(
    ("direction", "reverse"),
    [
        ("kk-en", True),
        ("kk-zh", True),
        ("yue-zh", True),
        ("en-kk", False),
        ("zh-kk", False),
        ("en-zh", False),
        ("zh-en", False),
        ("de-fr", False),
    ],
)
def test_reverse_leads_from_another_language_into_a_pivot(direction: str, reverse: bool) -> None:
    assert is_reverse(parse_direction(direction)) is reverse


def test_116_of_the_directions_are_reverse() -> None:
    assert sum(map(is_reverse, DIRECTIONS)) == 2 * 58


@pytest.mark.parametrize(
    ("globs", "count"),
    [
        ([], 0),
        (["en-*"], 59),
        (["*-en"], 59),
        (["*-zh"], 59),
        (["*-*"], 234),
        (["en-*", "*-zh"], 117),
        (["*-en", "*-zh"], 118),
        (["kk-*"], 2),
        (["*-kk", "en-kk"], 2),
        (["de-fr"], 1),
    ],
)
def test_patterns_stand_for_so_many_directions(globs: list[str], count: int) -> None:
    found = match_directions(globs)
    assert len(set(found)) == len(found) == count


def test_matches_stand_in_the_order_of_the_directions() -> None:
    found = match_directions(["de-fr", "zh-kk", "*-kk", "kk-en"])
    assert [str(one) for one in found] == ["en-kk", "kk-en", "zh-kk", "de-fr"]
    assert match_directions(["kk-en", "*-kk"]) == match_directions(["*-kk", "kk-en"])


@pytest.mark.parametrize(
    ("globs", "message"),
    [
        (["en-*", "*-jp"], "no language 'jp'"),
        (["e*-kk"], "no language 'e*'"),
        (["*"], "'*' is not a direction"),
        ("en-*", "'e' is not a direction"),
        (["en-en"], "the same"),
    ],
)
def test_what_is_no_pattern_is_refused(globs: list[str], message: str) -> None:
    with pytest.raises(InputError) as error:
        match_directions(globs)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("direction", "pattern"),
    [
        ("kk-en", "kk-en"),
        ("de-en", "*-en"),
        ("zh-en", "*-en"),
        ("en-kk", "*-*"),
        ("kk-zh", "*-*"),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_the_pattern_with_the_fewest_stars_applies(direction: str, pattern: str, backwards: bool) -> None:
    globs = ["*-*", "*-en", "kk-en"]
    globs = globs[::-1] if backwards else globs
    assert most_specific(globs, parse_direction(direction)) == pattern


def test_none_applies_where_none_fits() -> None:
    assert most_specific(["*-en", "*-zh"], Direction("en", "kk")) is None
    assert most_specific([], Direction("en", "kk")) is None


@pytest.mark.parametrize(
    "globs",
    [["*-en", "*-zh"], ["*-en", "*-zh", "*-*"], ["zh-*", "*-en", "zh-en"], ["en-*", "en-*"], []],
)
def test_patterns_that_leave_no_doubt_pass(globs: list[str]) -> None:
    check_globs(globs)


@pytest.mark.parametrize(("globs", "doubtful"), [(["zh-*", "*-en"], "zh-en"), (["en-*", "*-kk", "*-*"], "en-kk")])
def test_a_tie_names_both_patterns_and_the_way_out(globs: list[str], doubtful: str) -> None:
    with pytest.raises(InputError) as error:
        check_globs(globs)
    message = str(error.value)
    assert message.startswith(f"{doubtful}: ")
    assert globs[0] in message
    assert globs[1] in message
    assert f"give {doubtful} itself" in message
