"""JSON files: null rows, rows under a key, a list for each column."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.json_files import json_rows
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source
from hf_miwv.rows.spooling import spool
from hf_miwv.rows.streaming import open_stream

ROWS = [{"instruction": f"Say {n}", "output": f"{n}"} for n in range(3)]
TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
SHAREGPT = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def write(path: Path, content: Any) -> Path:
    """The content as JSON, as text, or as bytes; gzipped for a path that says so."""
    if not isinstance(content, str | bytes):
        content = json.dumps(content, indent=1)
    raw = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
    return path


def streamed(path: Path, folder: Path, **options: Any) -> Dataset:
    return spool(open_stream(Source.parse(path, **options))[0], folder / "streamed", progress=False)


# A row that is null ends the process in the reader of `datasets`: none of these may reach it.
@pytest.mark.parametrize(
    ("name", "content", "location"),
    [
        ("a.json", "null", "a.json: row 0"),
        ("a.json", "null\n", "a.json: row 0"),
        ("a.json", ' [{"output": "x"}, null]', "a.json: row 1"),
        ("a.json", 'null\n{"output": "x"}\n', "a.json:1: row 0"),
        ("a.json.gz", "null", "a.json.gz: row 0"),
        ("a.json", {"data": [{"output": "x"}], "more": None}, None),
        ("a.jsonl", "null\n", "a.jsonl:1: row 0"),
        ("a.jsonl", "\n\nnull", "a.jsonl:3: row 0"),
        ("a.jsonl", 'null\n{"output": "x"}\n', "a.jsonl:1: row 0"),
        ("a.jsonl", '{"output": "x"}\nnull\n', "a.jsonl:2: row 1"),
        ("a.jsonl.gz", '{"output": "x"}\n\nnull\n', "a.jsonl.gz:3: row 1"),
        ("rows/a.json", "null", "a.json: row 0"),
        ("rows/a.jsonl", '{"output": "x"}\nnull\n', "a.jsonl:2: row 1"),
        ("rows/a.jsonl.gz", "null\n", "a.jsonl.gz:1: row 0"),
    ],
)
def test_a_row_that_is_null_is_named(name: str, content: Any, location: str | None, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    path = path.parent if "/" in name else path
    if location is None:
        assert len(read_dataset(path)) == len(streamed(path, tmp_path)) == 1
        return
    for read in (read_dataset, lambda path: streamed(path, tmp_path)):
        with pytest.raises(InputError) as error:
            read(path)
        assert f"{location}: a row must be an object {{...}}, found null" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "options", "rows", "notice"),
    [
        ("a.json", {"data": ROWS, "version": 1}, {}, ROWS, "3 rows, found under the key 'data'"),
        (
            "a.json",
            json.dumps({"version": {"data": "1"}, "rows": ROWS}),
            {},
            ROWS,
            "the key 'rows'",
        ),
        ("a.json.gz", {"data": ROWS}, {}, ROWS, "the key 'data'"),
        ("a.json", {"data": ROWS, "test": ROWS[:1]}, {"field": "test"}, ROWS[:1], "1 row, found"),
        ("a.json", {"data": COLUMNS, "n": 1}, {"field": "data"}, ROWS, "the key 'data'"),
        ("a.jsonl", json.dumps({"data": ROWS}), {"field": "data"}, ROWS, "the key 'data'"),
        ("folder/a.json", {"data": ROWS}, {"field": "data"}, ROWS, ""),
        ("folder/a.json", {"data": ROWS, "test": ROWS[:1]}, {"field": "test"}, ROWS[:1], ""),
        ("a.json", COLUMNS, {}, ROWS, "a list for each of 2 columns, read as 3 rows"),
        (
            "a.json",
            {"text": ["a", None, "c"]},
            {},
            [{"text": t} for t in ("a", None, "c")],
            "1 column, read",
        ),
        ("a.json", {"messages": [TURNS, TURNS]}, {}, [{"messages": TURNS}] * 2, "1 column, read"),
        (
            "a.json",
            {name: dict(enumerate(values)) for name, values in COLUMNS.items()},
            {},
            ROWS,
            "a list for each of 2 columns",
        ),
        # One row each: a conversation, a row of lists, a row with lists of objects beside its text.
        ("a.json", {"messages": TURNS}, {}, None, None),
        ("a.json", {"conversations": SHAREGPT, "id": 1}, {}, None, None),
        ("a.json", {"messages": TURNS, "tools": [{"name": "x"}]}, {}, None, None),
        ("a.json", {**ROWS[0], "documents": [{"title": "x"}]}, {}, None, None),
        ("a.json", {"prompt": TURNS[:1], "completion": TURNS[1:]}, {}, None, None),
        ("a.json", {"instruction": ["a"], "output": ["b"]}, {}, None, None),
        ("a.json", {"instruction": ["a", "b"], "n": 1}, {}, None, None),
        ("a.json", json.dumps(ROWS[0]), {}, None, None),
        ("a.jsonl", json.dumps({"data": ROWS}), {}, None, None),
        ("a.jsonl", json.dumps(COLUMNS), {}, None, None),
        ("a.jsonl", json.dumps({"messages": TURNS}), {}, None, None),
    ],
)
def test_how_rows_lie_in_a_document(
    name: str,
    content: Any,
    options: dict[str, str],
    rows: list[Any] | None,
    notice: str | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    path = write(tmp_path / name, content)
    path = path.parent if "/" in name else path
    expected = rows or [json.loads(content) if isinstance(content, str) else content]
    for _ in range(2):  # a second reading finds the rows in the cache, and tells of them again
        caplog.clear()
        assert list(read_dataset(Source.parse(path, **options))) == expected
        if "/" not in name:
            assert len(caplog.messages) == (notice is not None)
            assert (notice or "") in caplog.text
    assert list(streamed(path, tmp_path, **options)) == expected


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        (
            "a.json",
            {"train": ROWS, "test": ROWS},
            {},
            "a.json: holds several lists of rows ('train', 'test'); choose one with --field train",
        ),
        ("a.json", {"data": ROWS}, {"field": "dta"}, "has no such key; did you mean 'data'?"),
        (
            "a.json",
            {"data": ROWS, "n": 1},
            {"field": "n"},
            "this key holds a number (1), and not a",
        ),
        (
            "a.json",
            {"data": ["x"]},
            {"field": "data"},
            "a.json: row 0 of 'data': a row must be an obj",
        ),
        (
            "a.json",
            {"data": ROWS, "n": {"a": 1}},
            {"field": "n"},
            "this key holds an object, and not",
        ),
        ("a.json", ROWS, {"field": "data"}, "holds a list, and no key over all rows; omit it"),
        (
            "a.jsonl",
            json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[1]),
            {"field": "data"},
            "a.jsonl holds one row in each line, and no key over all of them; omit it",
        ),
        ("a.csv", "a,b\n1,2\n", {"field": "data"}, "--field data: is for JSON files; omit it for"),
        ("folder/a.csv", "a,b\n1,2\n", {"field": "data"}, "--field data: is for JSON, and"),
        (
            "a.json",
            {"instruction": ["a", "b"], "output": ["c", "d", "e"]},
            {},
            "a list for each column, of different lengths ('instruction' 2, 'output' 3)",
        ),
        (
            "a.json",
            {"data": [*ROWS, 3]},
            {"field": "data"},
            "a.json: row 3 of 'data': a row must be",
        ),
        ("a.json", "[" * 100_000, {}, "nested too deep"),
        ("a.json", '[{"a": "x", "a": "y"}]', {}, "a.json: the key 'a' is given twice in an object"),
        ("a.jsonl", '{"b": 1}\n{"b": {"a": "x", "a": "y"}}\n', {}, "a.jsonl:2: row 1: the key 'a'"),
    ],
)
def test_documents_whose_rows_cannot_be_found(
    name: str, content: Any, options: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, content)
    path = path.parent if "/" in name else path
    for read in (lambda a, **b: read_dataset(Source.parse(a, **b)), lambda a, **b: streamed(a, tmp_path, **b)):
        with pytest.raises(InputError) as error:
            read(path, **options)
        assert message in str(error.value)


def test_what_save_to_disk_wrote_has_no_field(tmp_path: Path) -> None:
    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(InputError, match=r"--field x: .*saved was written by save_to_disk"):
        read_dataset(Source.parse(tmp_path / "saved", field="x"))


def test_a_location_names_what_it_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "download", json.dumps(ROWS[0]) + "\n")
    assert next(json_rows(path, name="me/data/a.jsonl"))[0] == "me/data/a.jsonl:1: row 0"
