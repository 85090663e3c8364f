"""Unfinished work: on the disk before it counts, whole or seen to be damaged, told after Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hf_miwv.common.command_line import Commands
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs import workspace as module
from hf_miwv.common.runs.folder import DRAFTS, RECORD, check_unused, put_in_place, remove_left_over, write_errors
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.workspace import Workspace, is_sealed, put_sealed


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", [])


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "out.work") as workspace:
        yield workspace


def test_what_is_written_is_read_again(work: Workspace) -> None:
    value = {"a": [1, None, "ä\t字\n"], "b": 0.1}
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    work.write_json("a.json", value)
    work.write_array("a.npy", array)
    for entry in (value, [], "x\ty", 3):
        work.append_journal("a.jsonl", entry)
    assert work.read_json("a.json") == value
    assert np.array_equal(work.read_array("a.npy"), array)
    assert work.read_journal("a.jsonl") == [value, [], "x\ty", 3]
    for read in (work.read_json, work.read_array):
        assert read("none") is None
    assert work.read_journal("none") == []


def test_a_flipped_bit_is_seen_in_a_file_with_its_checksum_beside_it(tmp_path: Path) -> None:
    draft, path = tmp_path / "a.part", tmp_path / "a.arrow"
    draft.write_bytes(b"some rows")
    assert not is_sealed(path)
    put_sealed(draft, path)
    assert is_sealed(path)
    assert {file.name for file in tmp_path.iterdir()} == {"a.arrow", "a.arrow.xxh3"}
    for file in (path, tmp_path / "a.arrow.xxh3"):
        content = file.read_bytes()
        for index in range(len(content)):
            damaged = bytearray(content)
            damaged[index] ^= 1
            file.write_bytes(damaged)
            with pytest.raises(InputError, match=f"a.arrow is damaged.*Remove {tmp_path}, and run"):
                is_sealed(path)
        file.write_bytes(content)
    path.unlink()
    assert not is_sealed(path)  # killed between the checksum and the file


@pytest.mark.parametrize("name", ["a.json", "a.npy", "a.jsonl"])
def test_a_flipped_bit_is_seen_wherever_it_is(work: Workspace, name: str) -> None:
    work.write_json("a.json", {"loss": [0.25, 1.5]})
    work.write_array("a.npy", np.arange(3))
    for number in range(2):
        work.append_journal("a.jsonl", {"end": number, "losses": [0.25]})
    read = {"a.json": work.read_json, "a.npy": work.read_array, "a.jsonl": work.read_journal}[name]
    path = work.folder / name
    content = path.read_bytes()
    last = len(content) - (name == "a.jsonl")  # without its line break the last line is torn
    for index in range(last):
        damaged = bytearray(content)
        damaged[index] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=f"{name} is damaged.*Remove .*out.work, and run"):
            read(name)
    for length in (0, 1, last // 2):
        path.write_bytes(content[:length])
        if name == "a.jsonl":
            assert len(read(name)) == content[:length].count(b"\n")
        else:
            with pytest.raises(InputError, match="is damaged"):
                read(name)


def test_a_torn_last_line_is_cut_off_and_written_anew(work: Workspace) -> None:
    for number in range(3):
        work.append_journal("a.jsonl", number)
    path = work.folder / "a.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert work.read_journal("a.jsonl") == [0, 1]
    work.append_journal("a.jsonl", 2)
    assert work.read_journal("a.jsonl") == [0, 1, 2]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each flush and rename, in order, with the name of the file or folder."""
    seen: list[tuple[str, str]] = []
    flush, replace, rename = os.fsync, os.replace, os.rename

    def fsync(descriptor: int) -> None:
        seen.append(("flush", Path(f"/proc/self/fd/{descriptor}").resolve().name))
        flush(descriptor)

    def moved(move: Any) -> Any:
        def call(source: Any, target: Any) -> None:
            seen.append(("rename", Path(source).name))
            move(source, target)

        return call

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", moved(replace))
    monkeypatch.setattr(os, "rename", moved(rename))
    return seen


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="files are named by /proc")
def test_files_are_on_the_disk_before_they_are_renamed(work: Workspace, events: list[tuple[str, str]]) -> None:
    work.write_json("a.json", 1)
    work.write_array("a.npy", np.arange(2))
    work.append_journal("a.jsonl", 1)
    assert events == [
        ("flush", "a.json.part"),
        ("rename", "a.json.part"),
        ("flush", "a.npy.part"),
        ("rename", "a.npy.part"),
        ("flush", "a.jsonl"),
    ]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="files are named by /proc")
def test_an_output_is_on_the_disk_before_it_is_put_in_place(
    work: Workspace, tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    def fill(draft: Path) -> None:
        (draft / "data").mkdir()
        (draft / "data" / "rows").write_text("rows")
        (draft / RECORD).write_text("{}")

    (tmp_path / "out").mkdir()
    put_in_place(tmp_path / "out", work, fill)
    *flushed, moved_away, moved_here = events
    assert sorted(flushed) == [
        ("flush", "data"),
        ("flush", "out"),
        ("flush", "rows"),
        ("flush", RECORD),
    ]
    assert moved_away == moved_here == ("rename", "out")
    assert (work.folder / "replaced").is_dir()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_an_array_that_does_not_fit_onto_the_disk_is_told(work: Workspace, tmp_path: Path) -> None:
    """NumPy's error has no errno."""
    with (
        pytest.raises(InputError, match="cannot be written: the disk is full; finished work"),
        write_errors(tmp_path / "out"),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        np.arange(1_000_000).tofile(file)
    (work.folder / "a.npy.part").symlink_to("/dev/full")
    with (
        pytest.raises(InputError, match="cannot be written: the disk is full; finished work"),
        write_errors(tmp_path / "out"),
    ):
        work.write_array("a.npy", np.arange(1_000_000))
    with pytest.raises(OSError, match="something else"), write_errors(tmp_path / "out"):
        raise OSError("something else")


def stopping(folder: Path, keeps: bool) -> Commands:
    """A command line whose command is stopped by Ctrl-C in its work."""
    group = Commands("group")

    @group.command("work")
    def command() -> None:
        with Workspace(folder / "training", folder) as workspace:
            if keeps:
                workspace.write_json("a.json", 1)
            raise KeyboardInterrupt

    return group


def test_ctrl_c_says_what_is_kept(tmp_path: Path) -> None:
    done = CliRunner().invoke(stopping(tmp_path / "out.work", keeps=True), ["work"])
    assert done.exit_code == 130
    assert f"what was finished is kept in {tmp_path / 'out.work'}, and the same" in done.output
    assert "Traceback" not in done.output
    module.KEPT.clear()
    done = CliRunner().invoke(stopping(tmp_path / "two.work", keeps=False), ["work"])
    assert done.exit_code == 130
    assert "nothing was finished yet" in done.output
    assert not (tmp_path / "two.work").exists()


def test_what_a_kill_behind_the_last_step_leaves_is_removed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out.work" / DRAFTS).mkdir(parents=True)
    remove_left_over(tmp_path / "out")
    assert not (tmp_path / "out.work").exists()
    remove_left_over(tmp_path / "out")
    with Workspace(tmp_path / "out.work"), pytest.raises(InputError, match="another process"):
        remove_left_over(tmp_path / "out")


def test_only_the_command_that_was_killed_late_may_do_its_work_once_more(tmp_path: Path) -> None:
    output, drafts = tmp_path / "out", tmp_path / "out.work" / DRAFTS
    words = ["hf-lmt", "inspect", "--output", "out"]
    check_unused(output, False, words)
    output.mkdir()
    check_unused(output, False, words)
    (output / RECORD).write_text(json_text({"package": {}, "command_line": words}))
    with pytest.raises(InputError, match="is there already"):
        check_unused(output, False, words)
    drafts.mkdir(parents=True)
    (output / RECORD).write_text(json_text({"package": {"name": "x"}, "command_line": words}))
    check_unused(output, False, words)
    check_unused(output, True)
    for other in (None, [*words, "--all"]):
        with pytest.raises(InputError, match="is there already"):
            check_unused(output, False, other)
    (drafts / "out").mkdir()
    with pytest.raises(InputError, match="is there already"):
        check_unused(output, False, words)


@pytest.mark.parametrize(("cause", "told"), [(True, True), (False, True), (False, False)])
def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: bool, told: bool
) -> None:
    home = tmp_path / "file" / "home"
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HF_HOME", str(home))
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    group = Commands("group")

    @group.command("work")
    def command() -> None:
        try:
            ((home if told else tmp_path / "file") / "datasets").mkdir()
        except OSError as error:
            if cause:
                raise InputError("the file cannot be read") from error
            raise

    done = CliRunner().invoke(group, ["work"])
    if told:
        assert done.exit_code == 2
        assert f"{home}, the cache of the libraries, cannot be written" in done.output
        assert "set HF_HOME to" in done.output
    else:
        assert isinstance(done.exception, NotADirectoryError)


def test_a_missing_file_of_a_cache_is_no_fault_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    group = Commands("group")

    @group.command("work")
    def command() -> None:
        (tmp_path / "hub" / "blob").read_bytes()

    assert isinstance(CliRunner().invoke(group, ["work"]).exception, FileNotFoundError)


def test_usage_and_help_of_the_door_stay_clicks(tmp_path: Path) -> None:
    group = Commands("group")

    @group.command("work")
    @click.option("--count", type=int)
    def command(count: int) -> None:
        click.echo(str(count))

    assert CliRunner().invoke(group, ["work", "--count", "x"]).exit_code == 2
    assert CliRunner().invoke(group, ["work", "--help"]).exit_code == 0
    assert CliRunner().invoke(group, ["work", "--count", "3"]).output == "3\n"
