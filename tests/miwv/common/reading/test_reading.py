"""DATA -> rows: files that can be read, and the messages for others."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tiny import zipped

from hf_miwv.common.reading.diagnosis import reason
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source
from tests.miwv.common.reading.readable_rows import (
    ROWS,
    arrow,
    cache,  # noqa: F401
    comma_separated,
    lines,
    parquet,
    refusal,
    with_ids,
    write,
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(ROWS)),
        ("a.json", json.dumps(ROWS, indent=2)),
        ("a.json", "\n " + json.dumps(ROWS)),
        ("a.json", "\ufeff" + json.dumps(ROWS)),
        ("a.json", lines()),
        ("a.json.gz", zipped(json.dumps(ROWS))),
        ("a.jsonl", lines()),
        ("A.JSONL", lines()),
        ("a.jsonl", "\ufeff" + lines()),
        ("a.jsonl", "\n" + lines().replace("\n", "\r\n\r\n")),
        ("a.jsonl", lines()[:-1]),
        ("a.jsonl", json.dumps(ROWS)),
        ("a[1] b*.jsonl", lines()),
        ("a.ndjson", lines()),
        ("a.jsonl.gz", zipped(lines())),
        ("a.csv", comma_separated()),
        ("a.csv", "\ufeff" + comma_separated()),
        ("a.csv.gz", zipped(comma_separated())),
        ("a.tsv", comma_separated("\t")),
        ("a.parquet", parquet),
        ("a.arrow", arrow),
    ],
)
def test_files_give_all_rows_in_order(name, content, tmp_path):
    if callable(content):
        content = content() if content is parquet else content(tmp_path)
    assert list(read_dataset(write(tmp_path / name, content))) == ROWS


def test_csv_cells_are_text(tmp_path):
    text = 'instruction,,output,output\nAdd,1.50,1,"a, ""b""\nc"\nNA,,02,\n'
    assert list(read_dataset(write(tmp_path / "a.csv", text))) == [
        {"instruction": "Add", "Unnamed: 1": "1.50", "output": "1", "output.1": 'a, "b"\nc'},
        {"instruction": "NA", "Unnamed: 1": "", "output": "02", "output.1": ""},
    ]


def test_json_text_that_looks_like_dates_stays_text(tmp_path):
    rows = [{"id": 1, "output": "2024-01-01"}, {"id": 2}, {"id": 3, "output": "2024-01-02"}]
    dataset = read_dataset(write(tmp_path / "a.jsonl", lines(rows)))
    assert dataset["output"][:] == ["2024-01-01", None, "2024-01-02"]
    assert dataset["id"][:] == [1, 2, 3]


def test_json_null_and_missing_values_are_kept(tmp_path):
    rows = [{"prompt": "a", "tags": ["x"]}, {"prompt": None}, {"prompt": "b", "tags": []}]
    dataset = read_dataset(write(tmp_path / "a.jsonl", lines(rows)))
    assert list(dataset) == [rows[0], {"prompt": None, "tags": None}, rows[2]]


def test_a_changed_file_is_read_again(tmp_path):
    read_dataset(write(tmp_path / "a.jsonl", lines()))
    os.utime(write(tmp_path / "a.jsonl", lines(ROWS[:3])), (1, 1))
    assert list(read_dataset(tmp_path / "a.jsonl")) == ROWS[:3]


# Files that cannot


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        ("a.jsonl", lines()[:-3], ["a.jsonl:10: not valid JSON (", "one whole object per line"]),
        ("a.jsonl", lines(ROWS[:4]) + '{"output": }\n', [":5: not valid JSON (Expecting value"]),
        ("a.jsonl", lines(ROWS[:1])[:-1] + lines(), [":1: not valid JSON (Extra data"]),
        ("a.jsonl", lines() + '["a"]\n', [":11: row 10: a row must be an object", "found a list"]),
        ("a.jsonl", lines(ROWS[:2]) + "\nnull\n" + lines(), [":4: row 2:", "found null"]),
        ("a.jsonl", '["a"]\n' + lines(), [":1: row 0: a row must be an object"]),
        (
            "a.jsonl",
            lines(with_ids(7, 3)),
            [":8: row 7: column 'id' is a number (3), but a string in row 0", "one type"],
        ),
        ("a.jsonl", lines(with_ids(7, ["x"])), ["row 7: column 'id' is a list"]),
        ("a.jsonl", lines(with_ids(0, True)), ["row 1: column 'id' is a string", "but a boolean in row 0"]),
        ("a.jsonl", lines() + '{"output": "\\ud83d"}\n', ["row 10: \\ud83d is half a character"]),
        ("a.jsonl", '{"output": "a", "output": "b"}\n', ["row 0: the key 'output' is given twice"]),
        (
            "a.jsonl",
            lines().encode() + b'{"output": "\xe9"}\n',
            ["a.jsonl:11: not UTF-8 (byte 0xe9 at offset ", "save it as UTF-8"],
        ),
        ("a.jsonl", lines().encode("utf-16"), ["a.jsonl:1: not UTF-8 (byte 0xff at offset 0)"]),
        ("a.jsonl", b"", ["the file is empty"]),
        ("a.jsonl", b"\n\n", ["holds no rows"]),
        ("a.jsonl", b"{}\n{}\n", ["holds no rows"]),
        ("a.json", b"[]", ["holds no rows"]),
        ("a.json", json.dumps(ROWS, indent=1)[:-12], ["a.json:50:13: not valid JSON (Untermi"]),
        ("a.json", json.dumps(ROWS, indent=1).replace(",", ";", 1), ["a.json:3:25: not valid"]),
        ("a.json", json.dumps(with_ids(7, 3)), ["a.json: row 7: column 'id' is a num"]),
        ("a.json", '["a", "b"]', ["a.json: row 0: a row must be an object", "found a string"]),
        ("a.json", b'[\n {"output": "\xe9"}]', ["a.json:2: not UTF-8 (byte 0xe9 at offset 15)"]),
        ("a.jsonl.gz", zipped(lines())[:-20], ["damaged gzip file (Compressed"]),
        ("a.jsonl.gz", lines(), ["damaged gzip file (Not a gzipped file"]),
        ("a.csv.gz", zipped(np.random.default_rng(0).bytes(999).hex())[:-9], ["damaged gzip file"]),
        ("a.csv", "", ["the file is empty"]),
        ("a.csv", "prompt,completion\n", ["holds no rows"]),
        ("a.csv", "prompt,completion\na,b,c\nd,e,f\n", ["row 0 has more cells", "(prompt, compl"]),
        ("a.csv", "prompt,completion\na,b\nc,d,e\n", ["Expected 2 fields in line 3, saw 3"]),
        ("a.csv", 'prompt,completion\na,"b\nc,d\n', ["EOF inside string", "check the quotes"]),
        ("a.csv", b"prompt,completion\na,b\n\xe9,d\n", ["a.csv:3: not UTF-8 (byte 0xe9 at offset"]),
        ("a.parquet", b"", ["the file is empty"]),
        ("a.parquet", b"junk" * 99, ["cannot be read as parquet", "magic bytes", "is damaged"]),
        ("a.parquet", lambda: parquet()[:-50], ["cannot be read as parquet", "fetch it again"]),
        ("a.parquet", lambda: parquet([]), ["holds no rows"]),
        ("a.arrow", b"junk" * 99, ["cannot be read as arrow", "Not an Arrow file"]),
        ("a.txt", "hello", ["unknown file ending '.txt'", ".jsonl", ".parquet"]),
        ("a.parquet.gz", zipped("x"), ["unknown file ending '.gz'"]),
    ],
)
def test_broken_files_are_named_with_the_place(name, content, fragments, tmp_path):
    path = write(tmp_path / name, content() if callable(content) else content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert [part for part in fragments if part not in message] == []


@pytest.mark.parametrize("value", [3, ["x"], {"a": "b"}])
def test_types_that_differ_beyond_what_the_library_looks_at(value, tmp_path):
    """It infers types from the first 10 MB, and turns what differs later into other text."""
    rows = [{"source": "x" * 10_000}] * 1_100 + [{"source": value}]
    message = refusal(write(tmp_path / "a.jsonl", lines(rows)))
    assert "a.jsonl:1101: row 1100: column 'source' is a" in message


def test_parquet_text_that_is_not_utf8(tmp_path):
    import pyarrow
    from pyarrow import parquet

    broken = pyarrow.array([b"\xe9"]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"prompt": broken}), tmp_path / "a.parquet")
    message = refusal(tmp_path / "a.parquet")
    assert "cannot be read as parquet" in message
    assert "Invalid UTF8" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(tmp_path):
    path = write(tmp_path / "a.jsonl", lines())
    path.chmod(0)
    assert "no permission" in refusal(path)


def test_reason_is_the_first_cause_on_one_short_line():
    error = RuntimeError("outer")
    error.__cause__ = ValueError("inner\n  cause " + "x" * 999)
    assert reason(error).startswith("inner cause xxx")
    assert len(reason(error)) == 300
    assert reason(StopIteration()) == "StopIteration"


# Paths, and what goes with them


@pytest.mark.parametrize(
    ("source", "fragments"),
    [
        ("", ["no data set given"]),
        ("{folder}/trian.jsonl", ["no such file or folder", "did you mean 'train.jsonl'?"]),
        ("{folder}/missing", ["no such file or folder", "OWNER/NAME"]),
        ("{folder}/missing/a.csv", ["no such file or folder"]),
        ("missing.parquet", ["missing.parquet: no such file or folder"]),
        ("./missing", ["no such file or folder"]),
        ("~/missing/nowhere", ["no such file or folder"]),
        ("https://huggingface.co/datasets/a/b", ["no such file or folder", "OWNER/NAME"]),
        ("json", ["'json' is a file format"]),
    ],
)
def test_what_is_not_there(source, fragments, tmp_path):
    write(tmp_path / "train.jsonl", lines())
    message = refusal(source.format(folder=tmp_path))
    assert [part for part in fragments if part not in message] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("name", False),
        ("owner/name", False),
        ("owner/name-v1.5", False),
        ("here", True),
        ("here/inside", True),
        ("data.jsonl", True),
        ("owner/data.csv.gz", True),
        ("./name", True),
        ("/name", True),
        ("~/name", True),
        ("a/b/c", True),
    ],
)
def test_is_local(source, expected, tmp_path, monkeypatch):
    (tmp_path / "here" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert Source(source).is_local is expected


def test_home_and_relative_paths(tmp_path, monkeypatch):
    write(tmp_path / "a.jsonl", lines())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(read_dataset("~/a.jsonl")) == list(read_dataset("a.jsonl")) == ROWS


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"revision": "main"}, "--revision main: is for Hub data sets"),
        ({"config": "en"}, "--config en: is for Hub data sets and folders"),
    ],
)
def test_options_that_files_do_not_have(options, fragment, tmp_path):
    assert fragment in refusal(write(tmp_path / "a.jsonl", lines()), **options)


def test_importing_is_quick():
    heavy = "{'datasets', 'pyarrow', 'pandas', 'torch', 'transformers'} & set(sys.modules)"
    code = f"import sys, hf_miwv.rows.schema, hf_miwv.common.reading.reading; print({heavy})"
    printed = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout
    assert printed.strip() == "set()"
