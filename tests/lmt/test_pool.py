"""Processes of a pool that the system kills: told at once, and what was finished is kept."""

from __future__ import annotations

import operator
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from datasets import Dataset

from hf_lmt import StrategicDownsampling, pool
from hf_lmt.__main__ import main
from hf_lmt.data.method import mapping
from hf_lmt.data.mixture import token_counts as counting
from hf_lmt.pool import in_processes
from hf_miwv.common.errors import InputError
from tests.lmt.data.prepare.prepared_rows import PLAIN, data_bytes, lines, table

TOLD = r"one of the 2 processes was killed.*want of memory.*goes on from there: --num-proc 1"


@pytest.fixture(autouse=True)
def within_a_minute() -> Iterator[None]:
    """A pool that waits for the dead would wait for ever."""

    def end(*_: object) -> None:
        raise TimeoutError("it still waits for a process that was killed a minute ago")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def kill_itself(*_: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_itself_once(marker: Path, run: Any, task: Any) -> Any:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return run(task)
    return kill_itself()


# What a spawned process runs is of the standard library: it need not import this file and torch.
@pytest.mark.parametrize("start", ["spawn", "fork"])
@pytest.mark.parametrize("num_proc", [1, 2])
def test_results_come_in_the_order_of_the_tasks(start: Any, num_proc: int) -> None:
    double = partial(operator.mul, 2)
    assert list(in_processes(double, range(9), num_proc, start=start)) == list(range(0, 18, 2))
    with pytest.raises(ValueError, match="could not convert string to float"):
        list(in_processes(float, ["1.5", "no number"], num_proc, start=start))


def test_fewer_than_one_process_is_refused() -> None:
    with pytest.raises(InputError, match="num_proc 0: give 1 or more"):
        list(in_processes(float, ["1"], 0))


@pytest.mark.parametrize(("start", "run"), [("spawn", os._exit), ("fork", kill_itself)])
def test_a_killed_process_is_told(start: Any, run: Any) -> None:
    with pytest.raises(InputError, match=TOLD):
        list(in_processes(run, range(9, 99), 2, start=start))


@pytest.mark.parametrize("stage", ["rows.arrow", "prompted.arrow"])
def test_prepare_tells_of_a_killed_process_and_goes_on(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "t.jsonl", lines(40))
    recipe = tmp_path / "r.yaml"
    recipe.write_text(yaml.safe_dump({**PLAIN, "data": [{"path": path}]}), "utf-8")
    invoke = partial(CliRunner().invoke, main)
    words = ["prepare", str(recipe), "--output"]
    assert invoke([*words, str(tmp_path / "whole")]).exit_code == 0
    work, begin = tmp_path / "rows.work", pool._begin

    def begin_dying(run: Any) -> None:
        late = stage == "rows.arrow" or (work / "rows.arrow").exists()
        begin(partial(kill_itself_once, tmp_path / "killed", run) if late else run)

    monkeypatch.setattr(pool, "_begin", begin_dying)
    died = invoke([*words, str(tmp_path / "rows"), "--num-proc", "2"])
    assert died.exit_code == 2, died.output
    assert "one of the 2 processes was killed" in died.output
    assert not (tmp_path / "rows").exists()
    assert (work / "rows.arrow").exists() == (stage == "prompted.arrow")
    again = invoke([*words, str(tmp_path / "rows"), "--num-proc", "2"])
    assert again.exit_code == 0, again.output
    assert data_bytes(tmp_path / "rows") == data_bytes(tmp_path / "whole")


def test_counting_tells_of_a_killed_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_count_block", kill_itself)
    job: Any = None
    with pytest.raises(InputError, match=TOLD):
        list(counting._counted(job, [0, 1, 2], 2))


def test_the_pool_of_datasets_is_told_as_ours() -> None:
    rows = Dataset.from_dict({"text": list("abcdefgh")})
    with pytest.raises(InputError, match=TOLD):
        mapping.mapped(kill_itself, rows, 2)


def test_downsampling_tells_of_a_killed_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StrategicDownsampling, "__call__", kill_itself)
    rows = Dataset.from_dict(
        {
            "source_lang": ["de", "nl"],
            "target_lang": ["en", "en"],
            "source": ["a", "b"],
            "target": ["c", "d"],
        }
    )
    with pytest.raises(InputError, match=TOLD):
        StrategicDownsampling()._thin(rows, 2)
