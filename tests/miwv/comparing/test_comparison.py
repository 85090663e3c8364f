"""Methods compared: overlaps by hand and by enumeration, rows matched, what is refused, the CLI."""

from __future__ import annotations

import json
from io import StringIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset
from rich.console import Console
from sample_run import NAN
from scored_folder import write_scored
from tiny import make_rows

from hf_miwv import InputError, score, select
from hf_miwv.commands.compare import compare_command
from hf_miwv.comparing.comparison import compare, compare_choices
from hf_miwv.comparing.comparison_folder import write_comparison
from hf_miwv.comparing.comparison_tables import show_comparison
from hf_miwv.comparing.matched_rows import MAX_CHARACTERS, folder_names, shorten
from hf_miwv.rows.schema import FURTHER_COLUMNS, INFLUENCE_COLUMNS

DEFAULT = ["miwv", "prompt_loss", "perplexity", "length", "random", "random_by_length", "miwv_low"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 rows with random scores, one row without a score, and a column of sources."""
    random = np.random.default_rng(3)
    rows = [{**row, "source": "ab"[index % 2]} for index, row in enumerate(make_rows(24))]
    miwv = random.normal(0, 1, 24).tolist()
    miwv[5] = NAN
    return write_scored(tmp_path_factory.mktemp("made") / "scored", rows, miwv, random.integers(1, 50, 24).tolist())


def test_overlap_and_chance_by_hand() -> None:
    scores = {
        "one": np.array([5.0, 4.0, 3.0, 2.0, 1.0]),
        "two": np.array([NAN, 1.0, 2.0, 3.0, 4.0]),
    }
    found = compare_choices(scores, {"one": np.array([0, 1]), "two": np.array([4, 3, 1])})
    assert found["overlap"]["one"] == {"one": 1, "two": 1 / 2}
    assert found["overlap"]["two"] == {"one": 1 / 3, "two": 1}
    # of one's rows 0 and 1 only the latter can be drawn, as three of the four that two scores
    assert found["expected"]["one"]["two"] == pytest.approx(1 / 2 * 3 / 4)
    assert found["expected"]["two"]["one"] == pytest.approx(2 / 5)


def test_chance_is_the_mean_over_every_choice_that_could_be_drawn() -> None:
    scores = {"one": np.arange(7.0), "two": np.array([1, NAN, 2, 3, NAN, 4, 5])}
    kept = {"one": np.array([6, 5, 4]), "two": np.array([6, 5])}
    drawn = [np.isin(kept["one"], rows).mean() for rows in combinations([0, 2, 3, 5, 6], 2)]
    expected = compare_choices(scores, kept)["expected"]
    assert expected["one"]["two"] == pytest.approx(np.mean(drawn))


def test_the_choices_are_those_of_select(scored: Path) -> None:
    report = compare([scored], fractions=["0.25", "0.5"], seed=7)
    assert list(report["rankings"]) == DEFAULT
    for share, part in report["fractions"].items():
        rows = {method: set(select(scored, fraction=share, method=method, seed=7)["row"]) for method in DEFAULT}
        for one in DEFAULT:
            others = set.union(*(rows[other] for other in DEFAULT if other != one))
            assert part["choices"][one]["kept"] == len(rows[one]) == int(24 * float(share))
            assert part["choices"][one]["only"] == len(rows[one] - others)
            for other in DEFAULT:
                shared = len(rows[one] & rows[other]) / len(rows[one])
                assert part["overlap"][one][other] == pytest.approx(shared)


def test_correlations_count_the_rows_that_both_score(scored: Path) -> None:
    spearman = compare([scored])["spearman"]
    assert spearman["correlation"]["miwv"]["miwv_low"] == pytest.approx(-1)
    assert spearman["rows"]["miwv"]["length"] == 23
    assert spearman["correlation"]["miwv"]["perplexity"] is None  # made-up losses: all the same


def test_lengths_sources_and_examples(tmp_path: Path) -> None:
    texts = [("p0", "r0"), ("p1", "x" * 2000), ("p2", "r2"), ("p3", "r3")]
    rows = [{"prompt": x, "completion": y, "origin": "web"} for x, y in texts]
    rows[1]["origin"] = None
    folder = write_scored(tmp_path / "scored", rows, [0.1, 0.9, 0.8, 0.2], [40, 3, 5, 20])
    choices = compare([folder], fractions=["0.5"], methods=["miwv", "length"])["fractions"]["0.5"]
    miwv = choices["choices"]["miwv"]
    assert miwv["lengths"]["chosen"]["median"] == 4
    assert miwv["lengths"]["scored"]["median"] == 12.5
    assert miwv["sources"] == {"rows": {"web": 1, "(no value)": 1}, "others": 0}
    assert miwv["only"] == 2
    first, second = miwv["examples"]
    assert (first["row"], first["score"], first["source"]) == (1, 0.9, "(no value)")
    assert first["texts"] == {
        "prompt": "p1",
        "response": "x" * MAX_CHARACTERS + " … (1,000 characters more)",
    }
    assert second["texts"] == {"prompt": "p2", "response": "r2"}


def test_text_columns_replace_prompt_and_response(scored: Path) -> None:
    report = compare([scored], fractions=["0.1"], methods=["miwv"], text_columns=["source"])
    example = report["fractions"]["0.1"]["choices"]["miwv"]["examples"][0]
    assert list(example["texts"]) == ["source"]
    assert example["texts"]["source"] in "ab"


@pytest.mark.parametrize(
    ("columns", "wanted", "found"),
    [
        ({"source": list("aabb")}, None, "source"),
        ({"Origin": list("aabb"), "x": list("aabb")}, None, "Origin"),
        ({"dataset": [1, 1, 2, 2]}, None, "dataset"),
        ({"source": list("abcd")}, None, None),  # a value of its own in each row: no source
        ({"source": list("abcd")}, "source", "source"),
        ({"source": [["a"], ["b"], ["a"], ["b"]]}, None, None),
        ({"kind": list("aabb")}, None, None),
        ({"kind": list("aabb")}, "kind", "kind"),
    ],
)
def test_the_source_column(
    columns: dict[str, list[Any]], wanted: str | None, found: str | None, tmp_path: Path
) -> None:
    rows = [
        {"prompt": f"p{index}", "completion": "r", **{n: v[index] for n, v in columns.items()}} for index in range(4)
    ]
    folder = write_scored(tmp_path / "scored", rows, [4, 3, 2, 1])
    report = compare([folder], fractions=["0.5"], methods=["miwv"], source_column=wanted)
    assert (report["sources"] or {"column": None})["column"] == found


def test_a_prompt_column_named_source_is_no_source(tmp_path: Path) -> None:
    rows = [{"source": "p", "completion": "r"} for _ in range(4)]
    folder = write_scored(tmp_path / "scored", rows, [4, 3, 2, 1], columns={"prompt": "source"})
    assert compare([folder], methods=["miwv"])["sources"] is None


def test_the_same_rows_in_another_order_are_the_same_choices(tmp_path: Path) -> None:
    rows = [*make_rows(9), make_rows(1)[0]]  # the last is a copy of the first
    miwv = [0.5, 0.1, 0.5, 0.3, NAN, 0.5, 0.2, 0.9, 0.4, 0.7]  # with ties
    order = [9, 3, 7, 0, 1, 8, 2, 6, 5, 4]
    one = write_scored(tmp_path / "one", rows, miwv)
    miwv[0], miwv[9] = miwv[9], miwv[0]  # copies are told apart by their order alone
    two = write_scored(tmp_path / "two", [rows[i] for i in order], [miwv[i] for i in order])
    report = compare([one, two], fractions=["0.3", "0.5"], methods=["miwv", "random"])
    assert list(report["rankings"]) == ["one: miwv", "random", "two: miwv"]
    assert report["spearman"]["correlation"]["one: miwv"]["two: miwv"] == pytest.approx(1)
    for part in report["fractions"].values():
        assert part["overlap"]["one: miwv"]["two: miwv"] == 1
        assert part["choices"]["one: miwv"]["only"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [*rows[:3], {**rows[3], "output": "other"}], "3 of the 4 rows of one"),
        (lambda rows: rows[:2], "2 of the 4 rows of one are among the 2 of two"),
        (lambda rows: [*rows, rows[0]], "4 of the 4 rows of one are among the 5 of two"),
        (lambda rows: [{**row, "id": 1} for row in rows], r"0 of the 4 .*only one of them has: id"),
    ],
)
def test_other_rows_are_refused_with_the_number_that_match(change: Any, message: str, tmp_path: Path) -> None:
    rows = make_rows(4)
    one = write_scored(tmp_path / "one", rows, [4, 3, 2, 1])
    two = write_scored(tmp_path / "two", change(rows), [1] * len(change(rows)))
    with pytest.raises(InputError, match=message):
        compare([one, two])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": ["miwv", "perplexty"]}, "did you mean 'perplexity'"),
        ({"methods": ["ifd"]}, "scored: .*loss_response_alone.*--also ifd"),
        ({"methods": ["miwv", "miwv"]}, "'miwv' is given 2 times"),
        ({"methods": []}, "no method is given"),
        ({"fractions": ["1.5"]}, "outside"),
        ({"fractions": ["half"]}, "not a number"),
        ({"fractions": ["0.1", 0.10]}, "0.1 is given 2 times"),
        ({"fractions": []}, "no fraction"),
        ({"source_column": "sorce"}, "did you mean 'source'"),
        ({"text_columns": ["outptu"]}, "did you mean 'output'"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_what_cannot_be_used_is_refused(given: dict[str, Any], message: str, scored: Path) -> None:
    with pytest.raises(InputError, match=message):
        compare([scored], **given)


def test_folders_of_another_kind_are_refused(scored: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    select(scored, count=3, output_dir=chosen)
    (tmp_path / "rows").mkdir()
    for folders, message in (
        ([chosen], "written by `hf-miwv select`; give the folder with all"),
        ([tmp_path / "rows"], "has no run.json"),
        ([scored, scored.parent / ".." / scored.parent.name / "scored"], "given 2 times"),
    ):
        with pytest.raises(InputError, match=message):
            compare(folders)


def test_a_source_of_lists_is_refused(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "completion": "r", "tags": ["a"]} for _ in range(2)]
    folder = write_scored(tmp_path / "scored", rows, [1, 2])
    with pytest.raises(InputError, match="--source-column tags: it holds List"):
        compare([folder], source_column="tags")


def shown(report: dict[str, Any]) -> str:
    console = Console(width=100, file=StringIO())
    show_comparison(report, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_what_the_folder_does_not_allow_is_left_out_and_said(scored: Path) -> None:
    report = compare([scored], fractions=["0.01"])
    left_out = [left["method"] for left in report["left_out"]]
    assert left_out == ["ifd", "superfiltering", *INFLUENCE_COLUMNS, "target_gain", "recost", *FURTHER_COLUMNS]
    assert report["fractions"]["0.01"]["choices"]["miwv"]["note"].endswith("one row kept")
    text = " ".join(shown(report).split())
    assert "left out: ifd of scored: method 'ifd' needs the column loss_response_alone" in text
    assert text.count("one row kept") == 1  # the same note of all choices is said once


def test_the_terminal_tells_the_overlap_with_miwv(scored: Path) -> None:
    report = compare([scored], fractions=["0.25", "1"], methods=["length", "miwv"])
    part = report["fractions"]["0.25"]
    text = shown(report)
    assert "miwv: % of its choice that others make too (by chance)" in " ".join(text.split())
    line = next(line.split() for line in text.splitlines() if line.split()[:1] == ["length"])
    overlap = f"{100 * part['overlap']['miwv']['length']:.0f}"
    assert line[2:] == [overlap, "%", "(26", "%)", "100", "%", "(100", "%)"]  # 6 of 23 rows
    assert "choices of 100 %: response tokens" in text


def test_the_terminal_tells_the_sources_and_adds_up_the_small_ones(tmp_path: Path) -> None:
    sources = [*"aaabbbccddeefg"]
    rows = [{"prompt": f"p{i}", "completion": "r", "source": s} for i, s in enumerate(sources)]
    folder = write_scored(tmp_path / "scored", rows, [float(-i) for i in range(len(rows))])
    report = compare([folder], fractions=["0.5"], methods=["miwv", "miwv_low"])
    lines = [line.split() for line in shown(report).splitlines()]
    assert ["a", "b", "c", "d", "e", "others"] in lines
    shares = {line[0]: line[1::2] for line in lines if line[2::2] == ["%"] * 6}
    assert shares == {
        "miwv": ["43", "43", "14", "0", "0", "0"],
        "miwv_low": ["0", "0", "14", "29", "29", "29"],
    }


def test_names_are_as_short_as_tells_them_apart(tmp_path: Path) -> None:
    places = ["a/scored", "b/scored", "b/other"]
    assert folder_names([tmp_path / place for place in places]) == places
    assert folder_names([tmp_path / "a/scored", tmp_path / "b/other"]) == ["scored", "other"]
    cached = [tmp_path / f"datasets--me--{name}/snapshots/{'0123abcd' * 5}" for name in "ab"]
    assert folder_names(cached) == ["me/a@0123abcd", "me/b@0123abcd"]


def test_a_short_text_stays_whole() -> None:
    assert shorten("x" * MAX_CHARACTERS) == "x" * MAX_CHARACTERS


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_folder_is_whole_and_the_same_to_the_byte(scored: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        left = tmp_path / f"{name}.work" / "output"
        left.mkdir(parents=True)
        (left / "half.png").write_bytes(b"of a run that was killed")
        write_comparison(compare([scored], fractions=["0.1", "0.5"]), tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "comparison.html",
        "comparison.json",
        "lengths.png",
        "overlap_0.1.png",
        "overlap_0.5.png",
        "run.json",
        "sources_0.1.png",
        "sources_0.5.png",
        "spearman.png",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]  # no work is left
    report = json.loads((tmp_path / "one" / "comparison.json").read_text())
    assert report == compare([scored], fractions=["0.1", "0.5"])


def test_another_result_is_replaced_only_when_told(scored: Path, tmp_path: Path) -> None:
    output, report = tmp_path / "out", compare([scored], fractions=["0.1"])
    write_comparison(report, output)
    before = (output / "comparison.html").stat().st_ino
    write_comparison(report, output)
    assert (output / "comparison.html").stat().st_ino == before  # the same comparison: left alone
    other = compare([scored], fractions=["0.2"], seed=1)
    with pytest.raises(InputError, match=r"another run \(not the same: fractions, seed\)"):
        write_comparison(other, output)
    with pytest.raises(InputError, match="another run"):
        write_comparison(report, scored)
    write_comparison(other, output, overwrite=True)
    assert (output / "overlap_0.2.png").exists()
    assert not (output / "overlap_0.1.png").exists()


@pytest.mark.slow
def test_the_command_compares_two_real_scorings(
    model_folder: Path, embedder_folder: Path, rows: Dataset, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"embedder": str(embedder_folder), "progress": False}
    score(rows, str(model_folder), output_dir=tmp_path / "alpaca", also=["ifd"], **settings)
    score(rows, str(model_folder), output_dir=tmp_path / "plain", template="plain", **settings)
    folders = [str(tmp_path / name) for name in ("alpaca", "plain")]
    arguments = [*folders, "--fractions", "0.1, 0.5", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(compare_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "alpaca: miwv: % of its choice that others make too" in result.stderr
    assert "left out: ifd of plain" in result.stderr
    report = json.loads((tmp_path / "out" / "comparison.json").read_text())
    methods = ["miwv", "prompt_loss", "perplexity", "length", "random_by_length", "miwv_low"]
    assert set(report["rankings"]) == {
        *(f"{folder}: {method}" for folder in ("alpaca", "plain") for method in methods),
        "alpaca: ifd",
        "random",
    }
    assert report["spearman"]["correlation"]["alpaca: length"]["plain: length"] == pytest.approx(1)
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "alpaca: ifd" in page
