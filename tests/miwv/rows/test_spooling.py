"""A stream of rows becomes a data set on disk: same rows, same types, whole or not there."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Image, IterableDataset, List, Value
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.rows.spooling import release, spool


def rows_from(path: str) -> Iterator[dict[str, Any]]:
    """The rows of a JSON list; each reading of it leaves a mark beside the file."""
    with open(f"{path}.read", "a") as marks:
        marks.write("x")
    yield from json.loads(Path(path).read_text())


def stream_of(rows: list[dict[str, Any]], folder: Path, **options: Any) -> IterableDataset:
    path = folder / "rows.json"
    path.write_text(json.dumps(rows))
    return IterableDataset.from_generator(rows_from, gen_kwargs={"path": str(path)}, **options)


def readings(folder: Path) -> int:
    return len((folder / "rows.json.read").read_text())


def later(first: Any, then: Any, at: int = 1500) -> list[dict[str, Any]]:
    """Rows whose column c changes beyond the first block."""
    return [{"a": f"{index}", "c": first if index < at else then} for index in range(at + 100)]


@pytest.mark.parametrize(
    "rows",
    [
        make_rows(50),
        make_rows(3) * 700,
        later(None, "text"),
        later(1, 2.5),
        later([], ["x", None]),
        later(None, [{"role": "user", "content": "hi"}]),
        [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "é"}]}] * 5,
    ],
    ids=range(7),
)
def test_types_are_those_of_all_rows_where_the_stream_knows_none(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    spooled = spool(stream_of(rows, tmp_path), tmp_path / "scored", progress=False)
    plain = Dataset.from_list(rows)
    assert spooled.features == plain.features
    assert spooled.to_list() == plain.to_list()


@pytest.mark.parametrize("at", [300, 1500, 2000])
@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"x": 1}, {"x": 1.5, "y": "z"}),
        ({"x": 1}, {"x": "1"}),
        ([1], [1, "x"]),
        ([{"content": "42"}], [{"content": None}, {"content": [{"type": "text", "text": "0.3"}]}]),
        ([{"a": {"x": 0.3}}], [{"a": '{"x": 0.3}'}, {}]),
    ],
)
def test_what_differs_inside_a_column_arrives_as_it_was(first: Any, then: Any, at: int, tmp_path: Path) -> None:
    rows = later(first, then, at)
    spooled = spool(stream_of(rows, tmp_path), tmp_path / "scored", progress=False)
    assert json.dumps(spooled.to_list()) == json.dumps(rows)


def test_columns_that_come_late_are_kept(tmp_path: Path) -> None:
    rows = [{"a": "x"}] * 1200 + [{"b": 1, "a": "y"}, {"b": None}]
    spooled = spool(stream_of(rows, tmp_path), tmp_path / "scored", progress=False)
    assert spooled.column_names == ["a", "b"]
    assert spooled[-3:] == {"a": ["x", "y", None], "b": [None, 1, None]}


def test_known_types_are_kept(tmp_path: Path) -> None:
    features = Features(
        {
            "label": ClassLabel(names=["no", "yes"]),
            "when": Value("timestamp[s]"),
            "small": Value("int8"),
            "empty": Value("string"),
            "sizes": List(Value("float32")),
            "picture": Image(),
        }
    )
    row = {
        "label": 1,
        "when": datetime(2024, 1, 2),
        "small": 3,
        "empty": None,
        "sizes": [0.5],
        "picture": {"bytes": b"not decoded", "path": None},
    }
    plain = Dataset.from_list([row] * 1100, features=features)
    spooled = spool(plain.to_iterable_dataset(), tmp_path / "scored", progress=False)
    assert spooled.features == features
    assert spooled.data.table.equals(plain.data.table)


def broken(at: int, kind: type[Exception]) -> Iterator[dict[str, Any]]:
    for index in range(at):
        yield {"a": index}
    raise kind("the line went dead")


KNOWN = Features({"a": Value("int64")})


@pytest.mark.parametrize(
    ("rows", "features", "message"),
    [
        ([], None, "the stream: holds no rows; give a data set with at least one"),
        (later("x", 3), None, "row 1,500: column 'c' is a number (3), but a string in row 0; give"),
        (
            later(None, True) + later(1, 1, at=2),
            None,
            "row 1,600: column 'c' is a number (1), but a boolean in row 1,500",
        ),
        (later("x", "y\ud83d"), None, "row 1,500: \\ud83d is half a character"),
        (later({"x": 1}, {"x": 2**64}), None, "row 1,500: holds a number of more than 64 bits"),
        ([{"a": 1}] * 1234 + [{"a": "many"}], KNOWN, "broke off at row 1,234 (invalid"),
    ],
)
def test_rows_that_do_not_fit_are_named(
    rows: list[dict[str, Any]], features: Features | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        spool(stream_of(rows, tmp_path, features=features), tmp_path / "scored", progress=False)
    assert message in str(error.value)
    assert not workspace_of(tmp_path / "scored").exists()


@pytest.mark.parametrize("kind", [ConnectionError, ValueError, UnicodeError])
@pytest.mark.parametrize("features", [None, KNOWN])
def test_a_stream_that_breaks_off(kind: type[Exception], features: Features | None, tmp_path: Path) -> None:
    arguments = {"at": 2345, "kind": kind}
    stream = IterableDataset.from_generator(broken, gen_kwargs=arguments, features=features)
    with pytest.raises(InputError, match=r"o/d: the stream broke off at row 2,345 \(the line went"):
        spool(stream, tmp_path / "scored", origin={"source": "o/d"}, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_second_call_finds_it_and_another_stream_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    output, stream = tmp_path / "scored", stream_of(make_rows(30), tmp_path)
    first = spool(stream, output, progress=False).to_list()
    assert spool(stream_of(make_rows(30), tmp_path), output, progress=False).to_list() == first
    assert "going on with the 30 rows of the stream" in caplog.text
    assert readings(tmp_path) == 1
    assert len(spool(stream.take(5), output, progress=False)) == 5
    spool(stream, output, origin={"revision": "v2", "command_line": ["x"]}, progress=False)
    assert readings(tmp_path) == 3
    spool(stream, output, origin={"revision": "v2", "command_line": ["y"]}, progress=False)
    assert readings(tmp_path) == 3
    release(output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.json", "rows.json.read"]


def test_a_flipped_bit_is_seen_when_the_same_call_goes_on(tmp_path: Path) -> None:
    output = tmp_path / "scored"
    stream = stream_of(make_rows(30), tmp_path)
    spool(stream, output, progress=False)
    file = workspace_of(output) / "spool" / "rows.arrow"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()  # which is still mapped into memory
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"rows\.arrow is damaged.*Remove .*spool, and run"):
        spool(stream, output, progress=False)
    assert file.exists()


def test_what_another_process_is_at_is_left_alone(tmp_path: Path) -> None:
    from filelock import FileLock

    folder = workspace_of(tmp_path / "scored") / "spool"
    folder.mkdir(parents=True)
    with (
        FileLock(folder / "lock"),
        pytest.raises(InputError, match="another process is at work in"),
    ):
        spool(stream_of(make_rows(3), tmp_path), tmp_path / "scored", progress=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk(tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "scored") / "spool"
    folder.mkdir(parents=True)
    (folder / "rows.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match="scored cannot be written: the disk is full"):
        spool(stream_of(make_rows(3) * 900, tmp_path), tmp_path / "scored", progress=False)
    assert not folder.exists()


# score() takes a stream


def scored(stream: Any, embedder: Path, output: Path | None) -> Dataset:
    return score(
        stream,
        make_model("llama"),
        tokenizer=make_tokenizer(),
        embedder=str(embedder),
        output_dir=output,
        progress=False,
    )


@pytest.mark.parametrize("to_folder", [True, False])
def test_score_of_a_stream_is_that_of_the_rows(to_folder: bool, embedder_folder: Path, tmp_path: Path) -> None:
    rows = make_rows(20)
    streamed = scored(stream_of(rows, tmp_path), embedder_folder, tmp_path / "streamed" if to_folder else None)
    plain = scored(Dataset.from_list(rows), embedder_folder, tmp_path / "plain")
    assert streamed.to_list() == plain.to_list()
    assert not workspace_of(tmp_path / "streamed").exists()
    if to_folder:
        ours, theirs = (read_record(tmp_path / name) or {} for name in ("streamed", "plain"))
        assert ours["identity"] == theirs["identity"]
    else:
        scored(stream_of(rows, tmp_path), embedder_folder, None)
        assert readings(tmp_path) == 1  # it lies in the cache of `datasets`


class Stop(Exception):  # noqa: N818
    """Stands for a kill, inside one process."""


def test_stopped_while_it_scores_the_stream_is_not_read_again(embedder_folder: Path, tmp_path: Path) -> None:
    def stop(*_: Any) -> None:
        raise Stop

    output = tmp_path / "scored"
    model = make_model("llama")
    settings: Any = {
        "tokenizer": make_tokenizer(),
        "embedder": str(embedder_folder),
        "output_dir": output,
        "batch_tokens": 300,
        "progress": False,
    }
    journal = workspace_of(output) / "process-0-of-1" / "losses.jsonl"
    hook = model.register_forward_pre_hook(lambda *_: stop() if journal.exists() else None)
    with pytest.raises(Stop):
        score(stream_of(make_rows(20), tmp_path), model, **settings)
    hook.remove()
    resumed = score(stream_of(make_rows(20), tmp_path), model, **settings)
    assert readings(tmp_path) == 1
    assert not workspace_of(output).exists()
    whole = score(Dataset.from_list(make_rows(20)), model, **{**settings, "output_dir": None})
    assert resumed["miwv"][:] == whole["miwv"][:]
