"""`score` takes what people hold: names, lists of dicts, frames, data sets and their splits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score
from hf_miwv.__main__ import main
from hf_miwv.common.runs.folder import read_record
from hf_miwv.rows.input_rows import rows_dataset, take_rows

ROWS = make_rows(6)


def turns(question: str, answer: str, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **more}]


CHATS = [
    {"messages": turns(row["instruction"], row["output"], **({"name": "x"} if index % 2 else {}))}
    for index, row in enumerate(ROWS)
]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scored(data: Any, embedder: Path, **settings: Any) -> Dataset:
    tokenizer = make_tokenizer(chat_template=CHATML)
    settings = {"tokenizer": tokenizer, "progress": False, **settings}
    return score(data, make_model("llama"), embedder=str(embedder), **settings)


@pytest.mark.parametrize("rows", [ROWS, CHATS])
def test_a_file_and_a_list_of_dicts_have_the_same_scores(
    rows: list[dict[str, Any]], tmp_path: Path, embedder_folder: Path
) -> None:
    path = write_lines(tmp_path / "rows.jsonl", rows)
    from_list = scored(rows, embedder_folder)
    assert set(from_list["miwv_status"]) == {"ok"}
    for data in (path, str(path), tuple(rows)):
        again = scored(data, embedder_folder)
        assert again.to_list() == from_list.to_list()
        assert again.features == from_list.features


def test_run_json_says_what_was_read(tmp_path: Path, embedder_folder: Path) -> None:
    splits = {"data": ROWS, "other": ROWS[:3]}
    (tmp_path / "rows.json").write_text(json.dumps(splits))
    options = {"split": "train[:4]", "field": "data"}
    scored(tmp_path / "rows.json", embedder_folder, output=tmp_path / "by-name", **options)
    data = (read_record(tmp_path / "by-name") or {})["data"]
    assert {name: data[name] for name in ("source", "split", "field", "rows")} == {
        "source": "rows.json",
        "split": "train[:4]",
        "field": "data",
        "rows": 4,
    }
    scored(ROWS, embedder_folder, output=tmp_path / "by-list")
    data = (read_record(tmp_path / "by-list") or {})["data"]
    assert (data["source"], data["split"], "field" in data) == (None, None, False)


def test_the_license_of_a_folder_given_by_name_is_recorded(tmp_path: Path, embedder_folder: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    write_lines(tmp_path / "data" / "train.jsonl", ROWS)
    scored(tmp_path / "data", embedder_folder, output=tmp_path / "scored")
    assert (read_record(tmp_path / "scored") or {})["data"]["license"] == "cc-by-4.0"
    with pytest.raises(InputError, match="holds the input"):
        scored(tmp_path / "data", embedder_folder, output=tmp_path, overwrite=True)


def test_data_frames() -> None:
    pandas = pytest.importorskip("pandas")
    flat = pandas.DataFrame(ROWS, index=[9, 8, 7, 6, 5, 4])
    assert take_rows(flat)[0].to_list() == ROWS
    nested = pandas.DataFrame([{**row, "n": index} for index, row in enumerate(CHATS)])
    rows = take_rows(nested)[0]
    assert rows.to_list() == [{**row, "n": index} for index, row in enumerate(CHATS)]
    assert rows.column_names == ["messages", "n"]
    missing = pandas.DataFrame([CHATS[0], {"messages": None}, {"messages": []}])
    assert take_rows(missing)[0].to_list() == [CHATS[0], {"messages": None}, {"messages": []}]


def test_polars_frames() -> None:
    polars = pytest.importorskip("polars")
    assert take_rows(polars.DataFrame(ROWS))[0].to_list() == ROWS
    with pytest.raises(InputError, match=r"came as polars.LazyFrame; give rows.collect\(\)"):
        take_rows(polars.DataFrame(ROWS).lazy())


def test_polars_is_not_imported_for_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)  # importing it fails
    assert take_rows(ROWS)[0].to_list() == ROWS


def test_splits() -> None:
    train, test = Dataset.from_list(ROWS), Dataset.from_list(ROWS[:3])
    both = DatasetDict(train=train, test=test)
    assert take_rows(DatasetDict(test=test))[0].to_list() == ROWS[:3]
    assert take_rows(both, split="test")[0].to_list() == ROWS[:3]
    assert take_rows(both, split="train[:2]+test[:1]")[0].to_list() == [*ROWS[:2], ROWS[0]]
    streams = IterableDatasetDict({name: rows.to_iterable_dataset() for name, rows in both.items()})
    stream, _ = take_rows(streams, split="test")
    assert isinstance(stream, IterableDataset)
    assert list(stream) == ROWS[:3]


BOTH = DatasetDict(train=Dataset.from_list(ROWS), test=Dataset.from_list(ROWS))
STREAMS = IterableDatasetDict({"a": BOTH["train"].to_iterable_dataset()})


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (
            BOTH,
            {},
            "DatasetDict with the splits train, test; choose one: score(..., split='train')",
        ),
        (DatasetDict(), {}, "DatasetDict with no splits"),
        (BOTH, {"split": "tset"}, "the DatasetDict: has no split 'tset'; did you mean 'test'?"),
        (STREAMS, {"split": "b"}, "the IterableDatasetDict has no split 'b'; known: a"),
        (
            BOTH["train"],
            {"split": "train"},
            "split='train' is for a Hub id, a path or a DatasetDict",
        ),
        (ROWS, {"split": "train"}, "and these rows came as list; leave it out"),
        (ROWS, {"field": "data"}, "field='data' is for data given as a Hub id or path"),
        (BOTH, {"revision": "v1"}, "data_revision='v1' is for data given as a Hub id or path"),
        ([], {}, "the list holds no rows; give at least two dicts"),
        ([{}, {}], {}, "the list holds no rows"),
        (["a", "b"], {}, "the list: row 0: a row must be an object {...}, found a string ('a')"),
        ([ROWS[0], None], {}, "the list: row 1: a row must be an object {...}, found null"),
        ([{1: "a"}], {}, "the list: row 0: the column 1 must have a string as its name"),
        ({"train": BOTH["train"]}, {}, 'came as dict; choose the split: score(rows["train"], ...)'),
        (
            {"a": ["x"]},
            {},
            "came as dict; for a list for each column, give datasets.Dataset.from_di",
        ),
        (
            (row for row in ROWS),
            {},
            "came as generator; give list(rows), if it holds dicts, or a Hub",
        ),
        (7, {}, "the rows came as int; give a Hub id, a path, a list of dicts"),
        (None, {}, "the rows came as NoneType; give a Hub id"),
        (Path("nowhere.jsonl"), {}, "nowhere.jsonl: no such file or folder"),
    ],
)
def test_what_holds_no_rows(data: Any, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as error:
        take_rows(data, **options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({1: ["a"]}, "columns that are not named by text (1)"),
        ({"a": ["x", 1]}, "the DataFrame cannot be read ("),
        ({}, "the DataFrame has no columns"),
    ],
)
def test_frames_that_cannot_be_read(columns: dict[Any, Any], message: str) -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError) as error:
        take_rows(pandas.DataFrame(columns))
    assert message in str(error.value)


def test_values_that_json_does_not_have_are_left_to_the_library() -> None:
    from datetime import date

    rows = [{"a": date(2024, 1, 2), "b": b"x", "c": (1, 2)}, {"a": None, "b": b"y", "c": None}]
    assert rows_dataset(rows).to_list() == Dataset.from_list(rows).to_list()
    assert rows_dataset(rows).features == Dataset.from_list(rows).features


# The command line


def test_field_on_the_command_line(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    data = tmp_path / "rows.json"
    data.write_text(json.dumps({"data": ROWS, "test": ROWS[:3]}))
    models = ["--model", str(model_folder), "--embedder", str(embedder_folder)]

    def run(*words: object) -> Any:
        return CliRunner().invoke(main, [str(word) for word in words])

    refused = run("score", data, *models, "--output", tmp_path / "refused")
    assert refused.exit_code == 2
    words = " ".join(refused.output.split())
    assert "several lists of rows ('data', 'test'); choose one with --field data" in words
    for more in ([], ["--streaming"]):
        output = tmp_path / f"scored{len(more)}"
        done = run("score", data, *models, "--field", "data", *more, "--output", output)
        assert done.exit_code == 0, done.output
        assert (read_record(output) or {})["data"]["rows"] == 6
    options = ["--field", "data", "--count", "2", "--output", tmp_path / "chosen"]
    done = run("select", data, *models, *options)
    assert done.exit_code == 0, done.output
    done = run("precision", data, *models, "--field", "test", "--precisions", "float32")
    assert done.exit_code == 0, done.output
    assert "3 of 3 rows" in " ".join(done.output.split())
