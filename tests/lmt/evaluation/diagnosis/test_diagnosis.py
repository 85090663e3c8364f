"""`hf-lmt diagnose` on real text: perfect, degenerate, off-target and copied output."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset

from hf_lmt.commands.diagnose import diagnose_command
from hf_lmt.evaluation.diagnosis.diagnose import Diagnosis, diagnose
from hf_lmt.evaluation.diagnosis.evaluation_changes import compare
from hf_lmt.evaluation.diagnosis.thresholds import (
    THRESHOLDS,
    counts_alone,
    counts_as_change,
    margin_for,
)
from hf_lmt.evaluation.diagnosis.unrelated import chance_level, unrelated
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.evaluation_folder import read_evaluation
from hf_lmt.evaluation.metrics.confidence import Comparison, Interval, paired_bootstrap
from hf_miwv.common.errors import InputError

SAMPLE = files("hf_lmt") / "sample" / "sentences.csv"
TABLE = list(csv.DictReader(SAMPLE.read_text("utf-8").splitlines()))
DIRECTIONS = ("en-kk", "kk-en", "zh-de", "de-zh")
Texts = Callable[[str, str], list[str]]
SAMPLES = 60


def column(code: str) -> list[str]:
    return [row[code] for row in TABLE]


def shuffled(texts: list[str]) -> list[str]:
    return texts[7:] + texts[:7]


DAMAGE: dict[str, tuple[tuple[str, ...], Texts]] = {
    "repeated": (("de-zh",), lambda _, target: [column(target)[i // 40] for i in range(120)]),
    "shuffled": (("de-zh",), lambda _, target: shuffled(column(target))),
    "everywhere": (DIRECTIONS[2:], lambda _, target: [column(target)[0]] * 120),
    "off_target": (("en-kk",), lambda *_: column("ar")),
    "copied": (("en-kk",), lambda source, _: column(source)),
    "blank": (("kk-en",), lambda _, target: ["" if i % 4 == 0 else text for i, text in enumerate(column(target))]),
    "long": (("kk-en",), lambda _, target: [text * 6 for text in column(target)]),
    "words_lost": (("zh-de",), lambda _, target: [text[: len(text) // 2] for text in column(target)]),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """An evaluation by name: "perfect", or with one kind of damage; made when first asked for."""
    parent = tmp_path_factory.mktemp("evaluations")

    def folder(name: str) -> Path:
        made = parent / name
        if not made.exists():
            where, damage = DAMAGE.get(name, ((), lambda *_: []))
            texts = {one: damage(*one.split("-")) if one in where else column(one.split("-")[1]) for one in DIRECTIONS}
            evaluate(str(SAMPLE), made, hypotheses=texts, metrics=["chrf++"], progress=False)
        return made

    return folder


def change(difference: float, low: float, high: float) -> Comparison:
    return Comparison(0, difference, difference, Interval(low, high), 0, 100, 1)


@pytest.mark.parametrize(
    ("name", "kind", "where", "words"),
    [
        ("perfect", "no_change", "overall", "stayed at 100.0 chrF++; nothing passed"),
        ("repeated", "directional_degeneration", "x2zh", "rose from 0 % to 100 %"),
        ("shuffled", "directional_degeneration", "x2zh", "unrelated to their reference rose"),
        ("everywhere", "degeneration", "x2zh", "identical outputs"),
        ("off_target", "off_target", "en2x", "outputs in another script rose from 0 % to 100 %"),
        ("copied", "copying", "en2x", "copies of the source rose from 0 % to 100 %"),
        ("blank", "empty_output", "x2en", "empty outputs rose from 0 % to 25 %"),
        ("long", "over_generation", "x2en", "far too long rose"),
        ("words_lost", "loss", "zh2x", "zh->X fell"),
    ],
)
def test_the_verdict(name: str, kind: str, where: str, words: str, folders: Callable[[str], Path]) -> None:
    found = diagnose(folders("perfect"), folders(name), samples=SAMPLES)
    by_scope = {finding.where[0]: finding for finding in found.findings}
    assert by_scope[where].kind == kind
    assert words in by_scope[where].evidence
    assert found.alarm == (kind != "no_change")
    untouched = {"en2x", "x2en", "zh2x", "x2zh"} - {finding.where[0] for finding in found.findings}
    assert len(untouched) >= 2
    if kind not in ("no_change", "degeneration"):
        assert len(found.findings) == 1  # said once, not again of tier and direction


def test_the_way_back_is_an_improvement(folders: Callable[[str], Path]) -> None:
    found = diagnose(folders("repeated"), folders("perfect"), samples=SAMPLES)
    assert {finding.kind for finding in found.findings} == {"improvement"}
    assert not found.alarm


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("perfect", "no_change"),
        ("repeated", "directional_degeneration"),
        ("shuffled", "directional_degeneration"),
        ("off_target", "off_target"),
        ("copied", "copying"),
        ("words_lost", "no_change"),
    ],
)
def test_one_alone(name: str, kind: str, folders: Callable[[str], Path]) -> None:
    found = diagnose(None, folders(name), samples=SAMPLES)
    assert [finding.kind for finding in found.findings] == [kind]
    assert found.alarm == (kind != "no_change")


def test_changes_equal_the_paired_bootstrap(folders: Callable[[str], Path]) -> None:
    before, after = (read_evaluation(folders(name)) for name in ("perfect", "words_lost"))
    found = compare(before, after, SAMPLES)
    statistics = [one.counts("zh-de").statistics["chrf++"] for one in (before, after)]
    expected = paired_bootstrap(*statistics, samples=SAMPLES)
    assert found.directions["zh-de"]["chrf++"] == expected
    overall = found.groups["overall"]
    assert overall.count["chrf++"] == 4
    assert overall.changes["chrf++"].difference == pytest.approx(expected.difference / 4)
    assert overall.changes["chrf++"].interval.low == pytest.approx(expected.interval.low / 4)


@pytest.mark.parametrize(
    ("measure", "size", "single", "expected"),
    [
        ("quality", (-1.1, -1.5, -0.7), False, True),
        ("quality", (-1.1, -1.7, -0.5), False, False),  # too wide
        ("quality", (-0.9, -1.0, -0.8), False, False),  # too small
        ("quality", (-1.1, -1.5, -0.7), True, False),  # one direction needs more
        ("fan_in", (0.31, 0.28, 0.34), False, True),
    ],
)
def test_what_counts(measure: str, size: tuple[float, float, float], single: bool, expected: bool) -> None:
    assert counts_as_change(measure, change(*size), single, margin_for(50)) == expected


def test_many_comparisons_need_more() -> None:
    assert [round(margin_for(count), 2) for count in (0, 1, 150, 2200)] == [2.0, 2.0, 2.0, 2.26]
    fall = change(-4.5, -6.6, -2.4)  # 2.14 half-widths
    assert counts_as_change("quality", fall, True, margin_for(150))
    assert not counts_as_change("quality", fall, True, margin_for(2200))


def test_what_counts_alone() -> None:
    assert counts_alone("copy", change(0.2, 0.1, 0.3))
    assert not counts_alone("copy", change(0.2, 0.01, 0.3))
    assert not counts_alone("quality", change(2, 1, 3))
    assert all(one.reason and one.group <= one.direction for one in THRESHOLDS.values())


def test_unrelated_lines_are_told_from_poor_ones(folders: Callable[[str], Path]) -> None:
    level = chance_level(column("zh"), "zh")
    assert level is not None
    assert chance_level(["a"], "en") is None
    found = {}
    for name, direction in (("shuffled", "de-zh"), ("words_lost", "zh-de")):
        counts = read_evaluation(folders(name)).counts(direction)
        flags = unrelated(counts.statistics["chrf++"], counts.flags, level)
        found[name] = float(np.mean(flags))
    assert found["shuffled"] > 0.85
    assert found["words_lost"] < 0.1


def test_sources_behind_targets_of_the_training_rows(folders: Callable[[str], Path], tmp_path: Path) -> None:
    rows = [
        {"source_lang": code, "target_lang": "zh", "source": row[code], "target": row["zh"]}
        for row in TABLE
        for code in row
        if code not in ("zh", "en")
    ]
    Dataset.from_list(rows).to_parquet(str(tmp_path / "rows.parquet"))
    found = diagnose(folders("perfect"), folders("repeated"), tmp_path / "rows.parquet", samples=SAMPLES)
    (finding,) = found.findings
    assert "12 sources per target in the training rows" in finding.evidence
    assert finding.mend == "set downsampling: {rate: 0.05}"


def spoiled(folder: Path, target: Path, name: str, edit: Callable[[Any], None]) -> Path:
    shutil.copytree(folder, target)
    content = json.loads((target / name).read_text("utf-8"))
    edit(content)
    (target / name).write_text(json.dumps(content), "utf-8")
    return target


def test_other_sets_lines_and_signatures_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    perfect = folders("perfect")
    other = spoiled(perfect, tmp_path / "set", "run.json", lambda run: run["data"].update(name="x"))
    with pytest.raises(InputError, match="is of the set 'x'"):
        diagnose(other, perfect)
    rate = spoiled(
        perfect,
        tmp_path / "rate",
        "scores.json",
        lambda scores: scores["directions"]["en-kk"]["behavior"]["copy"].update(signature="y"),
    )
    with pytest.raises(InputError, match="the rate copy has different signatures: y and"):
        diagnose(rate, perfect)
    lines = tmp_path / "lines"
    shutil.copytree(perfect, lines)
    path = lines / "hypotheses" / "en-kk.jsonl"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")
    with pytest.raises(InputError, match=r"en-kk: different lines: 120 in .*, 119 in .*line 120"):
        diagnose(perfect, lines)
    few = spoiled(
        perfect,
        tmp_path / "few",
        "scores.json",
        lambda scores: scores.update(directions={"de-zh": scores["directions"]["de-zh"]}),
    )
    none = spoiled(
        perfect,
        tmp_path / "none",
        "scores.json",
        lambda scores: scores.update(directions={"en-kk": scores["directions"]["en-kk"]}),
    )
    with pytest.raises(InputError, match=r"no direction in common: .* has de-zh"):
        diagnose(few, none)
    found: Diagnosis = diagnose(perfect, few, samples=SAMPLES)
    assert found.measured.only_before == ["en-kk", "kk-en", "zh-de"]


def test_the_command(folders: Callable[[str], Path], tmp_path: Path) -> None:
    output, numbers = tmp_path / "out", tmp_path / "found.json"
    arguments = [str(folders("perfect")), str(folders("shuffled")), "--samples", str(SAMPLES)]
    result = CliRunner().invoke(diagnose_command, [*arguments, "--json", str(numbers), "--output", str(output)])
    assert result.exit_code == 1, result.output
    assert "directional degeneration" in result.output
    found = json.loads(numbers.read_text("utf-8"))
    assert found == json.loads((output / "diagnosis.json").read_text("utf-8"))
    assert found["findings"][0]["kind"] == "directional_degeneration"
    assert found["thresholds"]["fan_in"]["group"] == 0.02
    names = {"diagnosis.json", "diagnosis.png", "diagnosis.svg", "index.html", "run.json"}
    assert {path.name for path in output.iterdir()} == names
    assert "unrelated to their reference" in (output / "index.html").read_text("utf-8")
    assert not list(tmp_path.glob("*.work"))
    quiet = CliRunner().invoke(diagnose_command, [str(folders("perfect"))])
    assert quiet.exit_code == 0, quiet.output
