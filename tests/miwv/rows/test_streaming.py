"""DATA read row by row: what can be streamed gives the rows of read_dataset, and `--streaming`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datasets import Dataset, DatasetDict
from tiny import make_rows, zipped

from hf_miwv.__main__ import main
from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.rows.spooling import spool
from hf_miwv.rows.streaming import open_stream

ROWS = make_rows(12)
DATES = [{"prompt": "a", "completion": "2024-01-01", "n": 1}, {"prompt": "b", "completion": None}]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def taken(stream: Any, tmp_path: Path) -> Dataset:
    return spool(stream, tmp_path / "out", progress=False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(ROWS)),
        ("a.jsonl", lines(ROWS)),
        ("a.jsonl", lines(DATES)),
        ("a.jsonl.gz", zipped(lines(ROWS))),
        ("a.csv", 'prompt,completion\n01,\nNA,"x, y"\n'),
        ("a.csv.gz", zipped("prompt,completion\na,2\n")),
        ("a.tsv", "prompt\tcompletion\na\tb\n"),
        ("folder/train-0.jsonl", lines(ROWS)),
        ("folder/README.md", "---\nconfigs:\n- config_name: x\n  data_files: more/*.jsonl\n---\n"),
    ],
)
def test_a_stream_has_the_rows_and_types_of_the_file(name: str, content: str | bytes, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    if name.startswith("folder"):
        write(tmp_path / "folder" / "more" / "a.jsonl", lines(ROWS[:3]))
        path = path.parent
    stream, split = open_stream(path)
    plain = read_dataset(path)
    streamed = taken(stream, tmp_path)
    assert split == "train"
    assert (streamed.features, streamed.to_list()) == (plain.features, plain.to_list())


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_binary_files(ending: str, tmp_path: Path) -> None:
    plain = Dataset.from_list(ROWS).cast_column("input", Dataset.from_list(ROWS).features["input"])
    if ending == "parquet":
        plain.to_parquet(str(tmp_path / "a.parquet"))
    else:
        plain.save_to_disk(str(tmp_path / "saved"))
        next((tmp_path / "saved").glob("*.arrow")).rename(tmp_path / "a.arrow")
    streamed = taken(open_stream(tmp_path / f"a.{ending}")[0], tmp_path)
    assert streamed.data.table.equals(plain.data.table)


def test_limit_takes_the_first_rows_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    path = write(tmp_path / "a.jsonl", lines(ROWS))
    stream, split = open_stream(path, limit=5)
    assert taken(stream, tmp_path).to_list() == ROWS[:5]
    assert split == "train[:5]"
    assert f"the first 5 rows of {path} are taken, and none after them" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.jsonl", lines(ROWS), {"limit": 0}, "--max-samples 0: give the number of rows"),
        ("a.jsonl", lines(ROWS), {"split": "train[:5]"}, "a stream has no slices; give one of train"),
        ("a.jsonl", lines(ROWS), {"split": "trian"}, "has no split 'trian'; did you mean 'train'?"),
        ("a.jsonl", lines(ROWS), {"revision": "x"}, "--revision x: is for Hub data sets"),
        ("a.jsonl", lines(ROWS), {"config": "x"}, "--config x: is for Hub data sets and folders"),
        ("a.jsonl", "", {}, "the file is empty"),
        ("a.jsonl", "\n", {}, "holds no rows"),
        ("a.jsonl", lines(ROWS) + "{x\n", {}, "a.jsonl:13: not valid JSON"),
        ("a.jsonl", lines(ROWS) + "[1]\n", {}, "a.jsonl:13: row 12: a row must be an object"),
        ("a.jsonl", lines(ROWS).encode() + b'{"a": "\xe9"}\n', {}, "a.jsonl:13: not UTF-8 (byte 0xe9"),
        ("a.jsonl.gz", zipped(lines(ROWS * 99))[:-20], {}, "damaged gzip file"),
        ("a.csv", "prompt,completion\na,b,c\n", {}, "row 0 has more cells than the header"),
        ("a.csv", "prompt,completion\na,b\nc,d,e\n", {}, "Expected 2 fields in line 3, saw 3"),
        ("a.parquet", b"junk" * 99, {}, "cannot be read as parquet"),
        ("a.txt", "x", {}, "unknown file ending '.txt'"),
        ("b/x.md", "x", {}, "no data files"),
    ],
)
def test_what_cannot_be_streamed(
    name: str, content: str | bytes, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, content)
    others = {option: value for option, value in options.items() if option != "limit"}
    limit = options.get("limit")
    source = Source.parse(path.parent if "/" in name else path, **others)
    with pytest.raises(InputError) as error:
        taken(open_stream(source, limit=limit)[0], tmp_path)
    assert message in str(error.value)
    assert not workspace_of(tmp_path / "out").exists()


def test_several_splits_and_folders_in_arrow_already(tmp_path: Path) -> None:
    DatasetDict(test=Dataset.from_list(ROWS)).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(InputError, match="lies on this disk in Arrow already; leave --streaming"):
        open_stream(tmp_path / "saved")
    write(tmp_path / "b" / "test.jsonl", lines(ROWS))
    write(tmp_path / "b" / "dev.jsonl", lines(ROWS))
    with pytest.raises(InputError, match="has the splits validation, test; choose one"):
        open_stream(tmp_path / "b")
    assert open_stream(Source.parse(tmp_path / "b", split="test"), limit=3)[1] == "test[:3]"


# The command line


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def models(model_folder: Path, embedder_folder: Path) -> list[object]:
    return ["--model", model_folder, "--embedder", embedder_folder]


def test_the_streamed_file_gives_the_same_bytes(tmp_path: Path, models: list[object]) -> None:
    data = write(tmp_path / "rows.jsonl", lines(make_rows(20)))
    assert invoke("score", data, *models, "--output", tmp_path / "plain").exit_code == 0
    words = ["score", data, *models, "--streaming", "--output"]
    result = invoke(*words, tmp_path / "streamed")
    assert result.exit_code == 0, result.output
    plain, streamed = (next((tmp_path / name / "data").iterdir()) for name in ("plain", "streamed"))
    assert streamed.read_bytes() == plain.read_bytes()
    assert invoke(*words, tmp_path / "some", "--limit", 5).exit_code == 0
    run = read_record(tmp_path / "some") or {}
    assert (run["data"]["split"], run["data"]["rows"]) == ("train[:5]", 5)
    result = invoke(
        "select", data, *models, "--streaming", "--limit", 8, "--count", 3, "--output", tmp_path / "chosen"
    )
    assert result.exit_code == 0, result.output
    assert len(read_dataset(tmp_path / "chosen")) == 3
    names = ["chosen", "plain", "rows.jsonl", "some", "streamed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "--limit", "5"], "--max-samples 5: is for --streaming; else give --split train[:5]"),
        (["select", "--count", "5", "--streaming"], "--streaming: for scoring; give --model too"),
    ],
)
def test_options_that_need_others(words: list[str], message: str, tmp_path: Path, models: list[object]) -> None:
    data = write(tmp_path / "rows.jsonl", lines(ROWS))
    given = models if words[0] == "score" else []
    result = invoke(*words, data, *given, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
