"""The life of a run: refused, begun, killed, gone on with, finished, and found finished."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.folder import put_in_place
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.workspace import Workspace, workspace_of

RECORD = '{"package": {"name": "hf_miwv"}, "identity": {"seed": 0}}'


class Killed(Exception):  # noqa: N818
    """Stands for a kill, inside one process."""


def fill(draft: Path) -> None:
    (draft / "data").mkdir()
    (draft / "data" / "rows.parquet").write_text("rows")
    (draft / "run.json").write_text(RECORD)


def finish(output: Path, seed: int = 0) -> None:
    run = FolderRun(output)
    with run.work({"seed": seed}) as workspace:
        put_in_place(output, workspace, fill)


def begin_and_die(run: FolderRun, part: str) -> None:
    with pytest.raises(Killed):  # noqa: PT012, SIM117
        with run.work({"seed": 0}, part=part) as workspace:
            workspace.write_json("done.json", [1])
            raise Killed


def test_a_finished_run_is_found_and_what_a_late_kill_left_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "output"
    finish(output)
    assert not workspace_of(output).exists()
    workspace_of(output).mkdir()
    seen: list[bool] = []
    with caplog.at_level(logging.INFO):
        assert FolderRun(output).is_finished({"seed": 0}, lambda: seen.append(workspace_of(output).exists()))
    assert seen == [True]  # what is to be done with it comes before it goes
    assert not workspace_of(output).exists()
    assert f"{output} already holds this result, whole: nothing to do" in caplog.text


def test_a_result_that_lacks_its_files_is_not_finished(tmp_path: Path) -> None:
    output = tmp_path / "output"
    finish(output)
    assert not FolderRun(output, holds="*.safetensors").is_finished({"seed": 0})


def test_another_result_is_refused_by_what_differs(tmp_path: Path) -> None:
    output = tmp_path / "output"
    finish(output)
    with pytest.raises(InputError, match=r"result of another run \(not the same: seed\)"):
        FolderRun(output).is_finished({"seed": 1})
    assert not FolderRun(output, overwrite=True).is_finished({"seed": 1})


def test_found_finished_within_its_workspace(tmp_path: Path) -> None:
    output = tmp_path / "output"
    finish(output)
    run = FolderRun(output)
    with run.work() as workspace:
        assert run.is_finished({"seed": 0})
        assert workspace.folder.exists()  # an open workspace is not removed under its user
    assert not workspace_of(output).exists()


@pytest.mark.parametrize(
    ("seed", "message", "kept"),
    [(0, "going on with the unfinished work in", [1]), (1, "(not the same: seed): it is not reused", None)],
)
def test_unfinished_work_is_gone_on_with_or_said_to_be_anothers(
    seed: int, message: str, kept: list[int] | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = FolderRun(tmp_path / "output")
    begin_and_die(run, "process-0-of-1")
    with caplog.at_level(logging.INFO), run.work({"seed": seed}, part="process-0-of-1") as workspace:
        assert workspace.read_json("done.json") == kept
    assert message in caplog.text


def test_work_of_another_number_of_processes_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = FolderRun(tmp_path / "output")
    begin_and_die(run, "process-0-of-2")
    with run.work({"seed": 0}, part="process-0-of-1"):
        pass
    assert "another number of processes is not reused: process-0-of-2" in caplog.text


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with Workspace(workspace_of(output)), pytest.raises(InputError, match="another process is at work"):  # noqa: SIM117
        with FolderRun(output).work():
            pass


def test_an_input_within_the_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "rows.jsonl").write_text("{}")
    with pytest.raises(InputError, match="holds the input"):
        FolderRun(tmp_path / "output", overwrite=True, inputs=[None, tmp_path / "output" / "rows.jsonl"])
