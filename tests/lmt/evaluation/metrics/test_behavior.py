"""Rates of misbehavior and means over groups, by hand-made cases in several scripts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hf_lmt.directions import DIRECTIONS, Direction, parse_direction
from hf_lmt.evaluation.metrics.aggregation import aggregate, groups_of
from hf_lmt.evaluation.metrics.behavior import behavior_rates
from hf_lmt.evaluation.metrics.fan_in import fan_in
from hf_lmt.evaluation.metrics.text_measures import is_repetitive
from hf_miwv.common.errors import InputError

RIVER = {
    "en": "The river rose over its banks after three days of rain.",
    "de": "Der Fluss trat nach drei Tagen Regen über die Ufer.",
    "zh": "下了三天雨之后，河水漫过了堤岸。",
    "ja": "三日間の雨のあと、川は堤防を越えた。",
    "th": "หลังจากฝนตกสามวัน แม่น้ำก็ล้นตลิ่ง",
    "kk": "Үш күн жаңбырдан кейін өзен арнасынан асты.",
    "mvf": "ᠭᠤᠷᠪᠠᠨ ᠡᠳᠦᠷ ᠪᠣᠷᠣᠭᠠ ᠣᠷᠣᠭᠰᠠᠨ",
}


@pytest.mark.parametrize(
    ("direction", "source", "hypothesis", "reference", "expected"),
    [
        *(("en-" + code, RIVER["en"], RIVER[code], RIVER[code], []) for code in list(RIVER)[1:]),
        ("en-kk", RIVER["en"], RIVER["zh"], RIVER["kk"], ["off_target_script"]),
        ("en-zh", RIVER["en"], RIVER["en"], RIVER["zh"], ["off_target_script", "copy"]),
        ("en-th", RIVER["en"], "RIVER  ROSE quickly over " + RIVER["th"], RIVER["th"], []),
        ("en-ja", RIVER["en"], RIVER["zh"], RIVER["ja"], []),  # kanji
        ("en-zh", "Peter Jones", "Peter Jones", "彼得·琼斯", ["off_target_script", "copy"]),
        ("en-de", RIVER["en"], RIVER["en"].upper() + " ", RIVER["de"], ["copy"]),
        ("en-de", "Peter Jones", "Peter Jones", "Peter Jones", []),
        ("en-de", RIVER["en"], " \u200b\n", RIVER["de"], ["blank"]),
        ("en-de", "", "", "", []),
        ("en-de", "Yes.", "Ja, und dann ging er.", "Ja.", []),
        ("en-de", "Yes.", "Ja, und dann ging er nach Hause.", "Ja.", ["over_length"]),
        ("en-zh", "No.", "不" * 25, "不。", ["over_length", "repetition"]),
        ("en-de", "Ha ha ha ha ha ha ha ha ha", "Ha ha ha ha ha ha ha ha ha!", "Hahaha!", []),
    ],
)
def test_rates_of_one_row(direction: str, source: str, hypothesis: str, reference: str, expected: list[str]) -> None:
    rates = behavior_rates([source], [hypothesis], parse_direction(direction), [reference])
    found = [name for name, rate in rates.items() if rate.count]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "repetitive"),
    [
        *((text, False) for text in RIVER.values()),
        ("no, no, no, no", False),  # under 20 characters
        ("la la la la la la la", True),
        ("比赛" * 10, True),
        ("比赛" * 9, False),
        ("Er ging. " + "und dann " * 4 + "nach Hause.", True),
        ("und dann " * 3 + "nach Hause.", False),
        (RIVER["de"] * 4, True),
        ((RIVER["th"] + " ") * 4, True),
        (RIVER["zh"] * 3, False),
        ("." * 25, True),
        ("ནི་ནི་ནི་ནི་ནི་ནི་ནི་ནི་", True),
        ("aaaabcaaaabcaaaabcaaaabc", True),
        ("", False),
    ],
)
def test_loops(text: str, repetitive: bool) -> None:
    assert is_repetitive(text) == repetitive


def test_counts_are_kept() -> None:
    sources = [RIVER["en"], "Two.", "", "2019", "Four of them"]
    hypotheses = [RIVER["zh"], "", "", "2019", "Vier von ihnen"]
    rates = behavior_rates(sources, hypotheses, Direction("en", "de"), [*hypotheses[:4], "Vier"])
    script, blank = rates["off_target_script"], rates["blank"]
    assert (script.value, script.count, script.rows, script.unjudged) == (0.25, 1, 4, 2)
    assert script.flags.tolist() == [True, False, False, False, False]
    assert script.signature.startswith("script_share:0.2|letters:10|version:hf_lmt.")
    assert (blank.value, blank.count, blank.rows) == (0.25, 1, 4)
    assert behavior_rates([""], [""], Direction("en", "de"))["blank"].value is None


def test_a_language_identifier_sees_what_scripts_cannot() -> None:
    def identify(texts: Sequence[str]) -> list[str]:
        return ["__label__eng_Latn" if "the" in text.lower() else "dan_Latn" for text in texts]

    given = [RIVER["en"]] * 3, [RIVER["en"], "Floden steg efter tre dages regn.", ""]
    rates = behavior_rates(*given, Direction("en", "nb"), identify=identify)
    rate = rates["off_target_language"]
    assert (rate.count, rate.rows, rate.unjudged) == (1, 3, 1)  # Danish counts as Bokmål
    assert "identifier:identify" in rate.signature
    assert rates["off_target_script"].count == 0
    with pytest.raises(InputError, match="1 labels for 3 texts"):
        behavior_rates(*given, Direction("en", "nb"), identify=lambda texts: ["en"])


@pytest.mark.parametrize(
    ("sources", "hypotheses", "references", "shared", "largest"),
    [
        (["a", "b", "c"], ["x", "X ", "y"], None, [1, 1, 0], 2),
        (["a", "A", "c"], ["x", "x", "y"], None, [0, 0, 0], 1),
        (["a", "b", "c"], ["", "", "x"], None, [0, 0, 0], 1),
        (["Hi!", "Hello!", "c"], ["你好", "你好", "x"], ["你好！", "你好！", "z"], [0, 0, 0], 1),
        (["Hi!", "Hello!", "c"], ["你好", "你好", "你好"], ["你好！", "你好！", "z"], [1, 1, 1], 2),
        (["a", "b", "c", "d"], ["x"] * 4, ["1", "2", "3", "4"], [1, 1, 1, 1], 4),
    ],
)
def test_fan_in(
    sources: list[str],
    hypotheses: list[str],
    references: list[str] | None,
    shared: list[int],
    largest: int,
) -> None:
    found = fan_in(sources, hypotheses, references)
    assert found.shared.tolist() == [bool(one) for one in shared]
    assert found.largest == largest
    assert bool(found.examples) == any(shared)


@pytest.mark.parametrize(
    ("direction", "groups"),
    [
        ("en-kk", ["overall", "en2x", "en2x/low"]),
        ("cs-zh", ["overall", "x2zh", "x2zh/medium"]),
        ("en-zh", ["overall", "en2x", "en2x/high", "x2zh", "x2zh/high"]),
        ("ru-kk", ["zero_shot"]),
    ],
)
def test_groups(direction: str, groups: list[str]) -> None:
    assert groups_of(parse_direction(direction)) == groups


def test_means_name_what_is_missing() -> None:
    values = {one: {"chrf++": float(index)} for index, one in enumerate(DIRECTIONS)}
    means = {name: found["chrf++"] for name, found in aggregate(values).items()}
    sizes = {name: mean.count for name, mean in means.items()}
    assert [sizes[name] for name in ("en2x", "x2en", "zh2x", "x2zh", "overall")] == [59] * 4 + [234]
    assert [sizes[f"en2x/{tier}"] for tier in ("high", "medium", "low")] == [12, 18, 29]
    assert means["overall"].mean == np.mean(range(234))
    gone = parse_direction("en-mvf")
    values[gone] = {"chrf++": float("nan")}
    del values[gone.opposite]
    means = {name: found["chrf++"] for name, found in aggregate(values).items()}
    assert (means["en2x"].missing, means["en2x"].count) == ((gone,), 58)
    assert means["overall"].missing == (gone, gone.opposite)
    assert "zero_shot" not in means


def test_unreliable_comet_stands_apart() -> None:
    values = {
        Direction("en", code): {"comet-22": number, "bleu": number}
        for code, number in (("de", 0.9), ("fr", 0.8), ("bo", 0.4))
    }
    found = aggregate(values, expected=values)["en2x"]
    assert found["comet-22"].mean == pytest.approx(0.85)
    assert found["comet-22"].apart == (Direction("en", "bo"),)
    assert found["comet-22"].mean_with_apart == pytest.approx(0.7)
    assert found["bleu"].mean == pytest.approx(0.7)
    assert found["bleu"].apart == ()
    only = aggregate({Direction("en", "bo"): {"comet-22": 0.4}}, expected=[])
    assert only["overall"]["comet-22"].mean is None
