"""Rows whose types differ inside a column arrive as they were, however they are given."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.rows.input_rows import rows_dataset
from hf_miwv.rows.spooling import spool
from hf_miwv.rows.streaming import open_stream

Rows = list[dict[str, Any]]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def call(arguments: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": arguments}
    return {"role": "assistant", "content": None, "tool_calls": [{"function": function}]}


def tool(properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": [*properties]}
    return {"type": "function", "function": {"name": "weather", "parameters": parameters}}


CASES: dict[str, Rows] = {
    "content is text, null or parts": [
        {"messages": [user("42"), {"role": "assistant", "content": "null"}]},
        {"messages": [user(None), {"role": "assistant", "content": "true"}]},
        {"messages": [user([{"type": "text", "text": "a"}, {"type": "image"}])]},
    ],
    "turns have other keys": [
        {"messages": [user("a"), {"role": "assistant", "content": "b", "thinking": "c"}]},
        {"messages": [{"content": "order", "role": "user"}]},
    ],
    "arguments are an object, its JSON, or null": [
        {"messages": [user("a"), call({"city": "Oslo", "days": 2})]},
        {"messages": [user("a"), call('{"city": "Oslo"}')]},
        {"messages": [user("a"), call(None)]},
        {"messages": [user("a"), call({})]},
    ],
    "numbers of arguments": [
        {"messages": [call({"t": 20})]},
        {"messages": [call({"t": 20.5})]},
        {"messages": [call({"t": 0.3, "u": 3.72, "v": 1e-7, "w": 42.83624, "x": [0.1, -0.8573]})]},
    ],
    "tools have other properties": [
        {"messages": [user("a")], "tools": [tool({"city": {"type": "string"}})]},
        {"messages": [user("b")], "tools": [tool({"days": {"type": "integer", "enum": [1, 2]}})]},
        {"messages": [user("c")], "tools": []},
        {"messages": [user("d")], "tools": None},
    ],
    "tools are a list or its JSON": [
        {"messages": [user("a")], "tools": [tool({"city": {"type": "string"}})]},
        {"messages": [user("a")], "tools": json.dumps([tool({"city": {"type": "string"}})])},
    ],
    "prompts are text or turns": [
        {"prompt": "1", "completion": "2", "chosen": "3", "rejected": [user("4")]},
        {"prompt": [user("1")], "completion": [user("2")], "chosen": [user("3")], "rejected": "4"},
    ],
    "text that looks like dates, numbers or JSON": [
        {"prompt": "2024-01-01", "completion": "12", "created_at": "1700000000", "note": "[1]"},
        {"prompt": "2024-01-02T00:00:00Z", "completion": "0.10", "created_at": "1", "note": "{}"},
    ],
}


def lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def from_file(name: str, content: bytes, folder: Path) -> Dataset:
    (folder / name).write_bytes(content)
    return read_dataset(folder / name)


def from_folder(rows: Rows, folder: Path) -> Dataset:
    (folder / "rows").mkdir()
    for index, row in enumerate(rows):
        (folder / "rows" / f"train-{index:05d}-of-{len(rows):05d}.jsonl").write_bytes(lines([row]))
    return read_dataset(folder / "rows")


def from_stream(name: str, content: bytes, folder: Path) -> Dataset:
    (folder / name).write_bytes(content)
    return spool(open_stream(folder / name)[0], folder / "out", progress=False)


def from_streamed_folder(rows: Rows, folder: Path) -> Dataset:
    (folder / "rows").mkdir()
    (folder / "rows" / "a.jsonl.gz").write_bytes(gzip.compress(lines(rows[:1]), mtime=0))
    (folder / "rows" / "b.jsonl").write_bytes(lines(rows[1:]))
    return spool(open_stream(folder / "rows")[0], folder / "out", progress=False)


WAYS: dict[str, Callable[[Rows, Path], Dataset]] = {
    "lines": lambda rows, folder: from_file("a.jsonl", lines(rows), folder),
    "gzipped": lambda rows, folder: from_file("a.jsonl.gz", gzip.compress(lines(rows)), folder),
    "a list": lambda rows, folder: from_file("a.json", json.dumps(rows, indent=1).encode(), folder),
    "a folder": from_folder,
    "a stream": lambda rows, folder: from_stream("a.jsonl", lines(rows), folder),
    "a streamed folder": from_streamed_folder,
    "dicts": lambda rows, folder: rows_dataset(rows),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_rows_arrive_as_they_were(case: str, way: str, tmp_path: Path) -> None:
    rows = CASES[case]
    dataset = WAYS[way](rows, tmp_path)
    # As text, because 1 == 1.0 == True, and because a template writes the keys in their order.
    assert [json.dumps(row) for row in dataset] == [json.dumps(row) for row in rows]


@pytest.mark.parametrize("case", CASES)
def test_a_file_and_the_list_of_its_rows_are_one_data_set(case: str, tmp_path: Path) -> None:
    file = from_file("a.jsonl", lines(CASES[case]), tmp_path)
    given = rows_dataset(CASES[case])
    assert given.features == file.features
    assert given.data.table.combine_chunks() == file.data.table.combine_chunks()


def test_what_parquet_keeps_of_them(tmp_path: Path) -> None:
    rows = [row for case in list(CASES)[:5] for row in CASES[case] if "tools" not in row]
    rows_dataset(rows).to_parquet(str(tmp_path / "a.parquet"))
    again = load_dataset("parquet", data_files=str(tmp_path / "a.parquet"), split="train")
    assert list(again) == list(read_dataset(tmp_path / "a.parquet")) == rows


@pytest.mark.parametrize("value", [["x"], {"a": 1}, 3, True])
def test_columns_of_two_types_are_refused_but_for_prompts_and_responses(value: Any) -> None:
    rows = [{"messages": [user("a")], "id": "x"}, {"messages": [user("a")], "id": value}]
    with pytest.raises(InputError, match=r"the list: row 1: column 'id' is .* one type in all"):
        rows_dataset(rows)
    for name in ("tools", "output", "chosen"):
        mixed = [{name: "[]"}, {name: value}]
        assert list(rows_dataset(mixed)) == mixed


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"x": "\ud83d"}, "row 1: \\ud83d is half a character"),
        ({"x": 2**63}, "row 1: holds a number of more than 64 bits"),
        ({"y": 2**70}, "row 1: holds a number of more than 64 bits"),
        ({"y": float("nan")}, "row 1: does not fit its columns (JSON that cannot be read again"),
    ],
)
def test_what_no_type_holds(value: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        rows_dataset([{"a": {"x": None}}, {"a": value}])
    assert message in str(error.value)


def test_numbers_of_a_column_stay_numbers() -> None:
    rows = [{"a": 1, "b": [1, 2]}, {"a": 0.5, "b": [0.25]}]
    dataset = rows_dataset(rows)
    assert list(dataset) == rows
    assert str(dataset.features["a"]) == "Value('float64')"
    assert str(dataset.features["b"]) == "List(Value('float64'))"


def test_files_of_a_folder_need_one_set_of_columns(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines([{"x": "1", "y": "2"}]))
    (tmp_path / "b.jsonl").write_bytes(lines([{"y": "3"}]))
    assert list(read_dataset(tmp_path)) == [{"x": "1", "y": "2"}, {"x": None, "y": "3"}]
    (tmp_path / "b.jsonl").write_bytes(lines([{"z": "3"}]))
    with pytest.raises(InputError, match=r"b.jsonl: the column names don't match .*a.jsonl, .* z;"):
        read_dataset(tmp_path)


def test_types_that_the_card_declares_are_taken(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: x\n    dtype: string\n  - name: n\n    dtype: int32\n---\n"
    )
    (tmp_path / "a.jsonl").write_bytes(lines([{"n": 3}, {"x": "a", "n": 4}]))
    dataset = read_dataset(tmp_path)
    assert str(dataset.features) == "{'x': Value('string'), 'n': Value('int32')}"
    assert list(dataset) == [{"x": None, "n": 3}, {"x": "a", "n": 4}]
    (tmp_path / "a.jsonl").write_text('{"n": 3}\nnull\n')
    with pytest.raises(InputError, match=r"a.jsonl:2: row 1: a row must be an object"):
        read_dataset(tmp_path)
