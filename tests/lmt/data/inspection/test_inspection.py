"""Inspection: what is counted equals a plain count, and each fault is found with its remedy."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from hf_lmt.data.corpora.multiway import expand
from hf_lmt.data.curation.identification import LanguageIdentification
from hf_lmt.data.inspection.inspect import Inspection, inspect_rows
from hf_lmt.data.inspection.inspection_table import as_text, worst_directions
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.directions import match_directions
from hf_miwv.common.errors import InputError

Row = dict[str, Any]
WORDS = {
    "en": ["house", "river", "winter", "garden", "letter", "morning", "window", "bridge", "day"],
    "de": ["Haus", "Fluss", "Winter", "Garten", "Brief", "Morgen", "Fenster", "Brücke", "Tag"],
    "nl": ["huis", "rivier", "winter", "tuin", "brief", "ochtend", "venster", "brug", "dag"],
}
LATIN = (
    "es",
    "de",
    "fr",
    "it",
    "nl",
    "pl",
    "pt",
    "tr",
    "cs",
    "da",
    "fi",
    "hu",
    "id",
    "nb",
    "ro",
    "sk",
    "sv",
    "vi",
    "az",
    "hr",
    "is",
    "jv",
    "ms",
    "sw",
    "tl",
    "uz",
)


def sentence(code: str, number: int) -> str:
    """The same words in each language, 6 to 20 of them, and no two numbers alike."""
    words = [WORDS[code][(number + place * place) % 9] for place in range(6 + number * 7 % 15)]
    return " ".join([*words, str(number)])


def make_row(source_lang: str, target_lang: str, number: int) -> Row:
    return {
        "source_lang": source_lang,
        "target_lang": target_lang,
        "source": sentence(source_lang, number),
        "target": sentence(target_lang, number),
        "auxiliary_lang": "nl",
        "auxiliary": sentence("nl", number),
        "corpus": "news",
    }


CLEAN = [make_row(*two, number) for two in (("en", "de"), ("de", "en")) for number in range(3000)]


def looked_at(rows: list[Row], **settings: Any) -> Inspection:
    return inspect_rows(Dataset.from_list(rows), progress=False, **settings)


def multiway(lines: int = 60) -> Dataset:
    """`lines` sentences in 27 languages, in all directions."""
    columns = {code: [f"{code} {sentence('en', number)}" for number in range(lines)] for code in ("en", *LATIN)}
    return expand(Dataset.from_dict(columns), match_directions(["en-*", "*-en"]))


def plain_fan_in(rows: list[Row]) -> dict[str, Any]:
    """One row at a time, with sets."""
    sources: dict[Any, set[Any]] = defaultdict(set)
    times: Counter[Any] = Counter()
    for row in rows:
        target = (row["target_lang"], row["target"])
        sources[target].add((row["source_lang"], row["source"]))
        times[target] += 1
    behind = {target: len(found) for target, found in sources.items()}
    shared = [target for target, count in behind.items() if count >= 8]
    return {
        "unique_sources": len({(row["source_lang"], row["source"]) for row in rows}),
        "unique_targets": len(behind),
        "pairs": sum(behind.values()),
        "many_to_one": len(rows) / len(behind),
        "sources_per_target": sum(behind.values()) / len(behind),
        "largest": max(behind.values()),
        "shared_rows": sum(times[one] for one in shared),
        "shared_sources": sum(behind[one] for one in shared) / len(shared) if shared else 0,
    }


def random_rows() -> list[Row]:
    """Few texts in few languages, so that much of everything repeats."""
    draw = np.random.default_rng(3)
    pairs = [("de", "en"), ("nl", "en"), ("en", "de"), ("de", "nl")]
    rows = []
    for _ in range(900):
        source_lang, target_lang = pairs[draw.integers(4)]
        row = make_row(source_lang, target_lang, int(draw.integers(40)))
        rows.append({**row, "target": sentence(target_lang, int(draw.integers(12)))})
    return rows


def test_counts_equal_the_plain_ones() -> None:
    rows = random_rows()
    found = looked_at(rows)
    assert set(found.directions) == {"de-en", "nl-en", "en-de", "de-nl"}
    kept = StrategicDownsampling()(Dataset.from_list(rows)).to_list()
    for name, measured in found.directions.items():
        own, left = (
            [row for row in part if f"{row['source_lang']}-{row['target_lang']}" == name] for part in (rows, kept)
        )
        distinct = {(row["source"], row["target"]) for row in own}
        expected = {**plain_fan_in(own), "rows": len(own), "duplicates": len(own) - len(distinct)}
        assert expected.items() <= measured.items()
        assert measured["after"]["rows"] == len(left)
    into = [row for row in rows if row["target_lang"] == "en"]
    assert plain_fan_in(into).items() <= found.targets["en"].items()
    behind = plain_fan_in([row for row in into if row["target"] == into[0]["target"]])
    assert behind["largest"] > found.directions["nl-en"]["largest"]
    assert found.groups["x2en high"]["rows"] == len(into)
    assert found.groups["other high"]["directions"] == 1


def test_clean_rows_leave_nothing_to_mend() -> None:
    found = looked_at(CLEAN)
    assert found.findings == []
    assert "nothing to mend" in as_text(found)
    assert "not checked: overlap with evaluation sets" in as_text(found)


def of_each(faulty: int, change: Callable[[Row], Row], name: str = "en") -> list[Row]:
    """The clean rows, the first `faulty` of a source language changed."""
    first = 0 if name == "en" else 3000
    changed = [change(row) for row in CLEAN[first : first + faulty]]
    return [*CLEAN[:first], *changed, *CLEAN[first + faulty :]]


def shifted(rows: list[Row], corpus: str) -> list[Row]:
    targets = [row["target"] for row in rows]
    return [
        {**row, "target": target, "corpus": corpus}
        for row, target in zip(rows, targets[1:] + targets[:1], strict=True)
    ]


CASES: dict[str, tuple[Callable[[], list[Row]], str, str, str, str]] = {
    "copies": (
        lambda: of_each(60, lambda row: {**row, "target": row["source"]}),
        "copies",
        "warning",
        "en-de",
        "copy",
    ),
    "many copies": (
        lambda: of_each(400, lambda row: {**row, "target": row["source"].upper()}),
        "copies",
        "severe",
        "en-de",
        "copy",
    ),
    "untranslated": (
        lambda: of_each(90, lambda row: {**row, "target": sentence("en", 1500)}),
        "source_language",
        "warning",
        "en-de",
        "identification",
    ),
    "script": (
        lambda: of_each(60, lambda row: {**row, "target": "Привет, как твои дела сегодня?"}),
        "wrong_script",
        "warning",
        "en-de",
        "script",
    ),
    "blank": (
        lambda: of_each(1, lambda row: {**row, "target": " \u200b"}),
        "blank",
        "warning",
        "en-de",
        "empty",
    ),
    "null": (
        lambda: of_each(60, lambda row: {**row, "source": None}),
        "blank",
        "severe",
        "en-de",
        "empty",
    ),
    "duplicates": (
        lambda: [*CLEAN, *CLEAN[:100]],
        "duplicates",
        "warning",
        "en-de",
        "duplicates",
    ),
    "repeated targets": (
        lambda: of_each(1500, lambda row: {**row, "target": sentence("de", 5)}),
        "repeated_targets",
        "warning",
        "en-de",
        "per_target",
    ),
    "misaligned corpus among others": (
        lambda: [*CLEAN, *shifted(CLEAN[:300], "crawl")],
        "misaligned",
        "warning",
        "en-de",
        "length_ratio",
    ),
    "tiny": (lambda: CLEAN[100:3000], "tiny", "note", "en-de", "synthesize"),
    "missing opposite": (lambda: CLEAN[:3000], "missing", "note", "de-en", "source"),
    "no auxiliary": (
        lambda: of_each(3000, lambda row: {**row, "auxiliary": " "}),
        "no_auxiliary",
        "note",
        "en-de",
        "AuxiliarySentences",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_found_with_its_remedy(case: str) -> None:
    make, kind, severity, where, mend = CASES[case]
    found = {finding.kind: finding for finding in looked_at(make()).findings}
    finding = found[kind]
    assert (finding.severity, finding.where[0]) == (severity, where)
    assert mend in finding.mend
    assert where in finding.evidence
    assert set(found) <= {kind, "missing", "source_language", "repeated_targets", "tiny"}


def test_one_row_in_a_small_direction_is_no_fault() -> None:
    rows = of_each(1, lambda row: {**row, "target": row["source"]})[:50]
    assert "copies" not in {finding.kind for finding in looked_at(rows).findings}


def test_degeneration_is_seen_before_and_not_after_downsampling() -> None:
    rows = multiway()
    found, kept = inspect_rows(rows, progress=False), StrategicDownsampling()(rows)
    finding = found.findings[0]
    assert (finding.kind, finding.severity, finding.where) == ("degeneration", "severe", ("*-en",))
    assert "100 % of X->en: one English sentence stands behind 26 sources" in finding.evidence
    left = sum(name == "en" for name in kept["target_lang"])
    assert f"{{rate: 0.05}}, which leaves {left:,} of these rows" in finding.mend
    assert found.directions["de-en"]["largest"] == 1
    assert found.directions["de-en"]["sources_behind"] == 26
    after = inspect_rows(kept, progress=False)
    assert "degeneration" not in {one.kind for one in after.findings}
    assert after.targets["en"]["rows"] == left
    assert after.targets["en"]["largest"] == found.targets["en"]["after"]["largest"]


def test_a_rule_that_leaves_too_much_is_told() -> None:
    found = inspect_rows(multiway(), downsampling=StrategicDownsampling(0.9), progress=False)
    assert "a lower rate than {rate: 0.9}" in found.findings[0].mend
    without = inspect_rows(multiway(), downsampling=None, progress=False)
    assert without.findings[0].mend == "set downsampling: {rate: 0.05}"
    assert without.targets["en"]["after"]["rows"] == without.targets["en"]["rows"]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = Dataset.from_list(random_rows())
    one, other = (inspect_rows(part, progress=False).as_dict() for part in (rows, rows.shuffle(1)))
    assert json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def test_asked_directions_that_are_not_there() -> None:
    found = looked_at(CLEAN, directions=match_directions(["en-de", "en-fr", "kk-en"]))
    assert [(one.kind, one.severity, one.where) for one in found.findings] == [
        ("missing", "warning", ("en-fr", "kk-en"))
    ]


def test_overlap_with_an_evaluation_set(tmp_path: Path) -> None:
    (tmp_path / "test.de").write_text(sentence("de", 7) + "\n", "utf-8")
    found = looked_at(CLEAN, evaluation_sets=[str(tmp_path / "test.de")])
    overlap = found.findings[0]
    assert (overlap.kind, overlap.severity) == ("overlaps", "warning")
    assert found.directions["en-de"]["overlaps"] == found.directions["de-en"]["overlaps"] == 1
    assert found.checked["evaluation_sets"][str(tmp_path / "test.de")]["texts"] == 1


def test_other_languages_where_an_identifier_is_asked_for() -> None:
    pytest.importorskip("py3langid")
    text = "Das ist ein ganz gewöhnlicher deutscher Satz über das Wetter und den Winter."
    english = "This is quite an ordinary English sentence about the weather and the winter."
    row = make_row("en", "de", 1)
    rows = [{**row, "source": english, "target": text}] * 8 + [{**row, "source": text}] * 6
    found = looked_at(rows, identification=LanguageIdentification())
    assert found.directions["en-de"]["other_language"] == 6
    assert "other_language" in {one.kind for one in found.findings}
    assert looked_at(rows).directions["en-de"]["other_language"] == 0


@pytest.mark.parametrize(
    ("rows", "settings", "words"),
    [
        ([], {}, "no rows"),
        ([{**CLEAN[0], "target_lang": "dee"}], {}, "no language 'dee'"),
        ([{"source_lang": "en", "target_lang": "de", "source": "Good day"}], {}, "'target'"),
        (CLEAN[:1], {"downsampling": StrategicDownsampling(counts={"*-en": 5})}, "counts"),
        (CLEAN[:1], {"evaluation_sets": ["no-such-set"]}, "no-such-set"),
    ],
    ids=["empty", "language", "column", "counts", "evaluation set"],
)
def test_what_cannot_be_inspected(rows: list[Row], settings: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        looked_at(rows, **settings)


def test_the_worst_directions_come_first() -> None:
    rows = of_each(400, lambda row: {**row, "target": row["source"]})
    assert worst_directions(looked_at(rows)) == ["en-de"]
    assert worst_directions(looked_at(CLEAN)) == []
