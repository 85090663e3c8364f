"""Killed at any moment, the same command ends with the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from killing import Stop, contents, fail_on, kill_when, lines
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score
from hf_miwv.common.runs.workspace import Workspace, workspace_of


@pytest.mark.slow
def test_kill_9_three_times_and_go_on(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(600)))

    def command(output: Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            "hf_miwv",
            "score",
            str(data),
            "--model",
            str(model_folder),
            "--embedder",
            str(embedder_folder),
            "--batch-tokens",
            "700",
            "--output",
            str(output),
        ]

    whole, killed = tmp_path / "whole" / "scored", tmp_path / "killed" / "scored"
    subprocess.run(command(whole), check=True, capture_output=True)
    work = workspace_of(killed) / "process-0-of-1"
    kill_when(command(killed), lambda: (work / "embeddings-00000.npy").exists())
    kill_when(command(killed), lambda: lines(work / "losses.jsonl") >= 5)
    with open(work / "losses.jsonl", "ab") as journal:
        journal.write(b'{"end": 99999, "losses": [0.1, ')  # as a pulled plug leaves it
    before = lines(work / "losses.jsonl")
    kill_when(command(killed), lambda: lines(work / "losses.jsonl") >= before + 20)
    assert not killed.exists()
    last = subprocess.run(command(killed), check=True, capture_output=True, text=True)
    assert "going on with the unfinished work" in last.stderr
    assert contents(killed) == contents(whole)
    assert not workspace_of(killed).exists()


def run(output: Path, embedder: Path, fail: Any = None, rows: int = 24) -> Dataset:
    model = make_model("llama")
    if fail:
        fail_on(model, fail)
    return score(
        Dataset.from_list(make_rows(rows)),
        model,
        tokenizer=make_tokenizer(),
        embedder=str(embedder),
        output_dir=output,
        batch_tokens=4096,
        progress=False,
    )


def out_of_memory(_: int, ids: torch.Tensor) -> Exception | None:
    return torch.OutOfMemoryError("CUDA out of memory.") if ids.numel() > 1500 else None


def test_out_of_memory_halves_the_budget_and_goes_on(tmp_path: Path, embedder_folder: Path) -> None:
    plain = run(tmp_path / "plain", embedder_folder)
    halved = run(tmp_path / "halved", embedder_folder, out_of_memory)
    np.testing.assert_allclose(halved["miwv"], plain["miwv"], atol=1e-4)


def test_killed_after_an_out_of_memory_split_it_goes_on_with_the_same_batches(
    tmp_path: Path, embedder_folder: Path
) -> None:
    def out_of_memory_then_stop(number: int, ids: torch.Tensor) -> Exception | None:
        return out_of_memory(number, ids) or (Stop() if number > 6 else None)

    run(tmp_path / "whole", embedder_folder, out_of_memory)
    stopped = tmp_path / "stopped"
    with pytest.raises(Stop):
        run(stopped, embedder_folder, out_of_memory_then_stop)
    saved = (workspace_of(stopped) / "process-0-of-1" / "budgets.json").read_text()
    budgets = json.loads(saved)["content"]
    assert len(budgets) > 1
    run(stopped, embedder_folder)  # with all the memory there is: the plan still holds
    assert contents(stopped) == contents(tmp_path / "whole")


def test_one_sequence_that_never_fits_is_named(tmp_path: Path, embedder_folder: Path) -> None:
    def never(_: int, ids: torch.Tensor) -> Exception | None:
        return MemoryError() if ids.shape[1] > 100 else None

    with pytest.raises(InputError, match=r"row \d+: \d+ tokens do not fit into memory"):
        run(tmp_path / "scored", embedder_folder, never)


def test_other_errors_are_not_taken_for_a_lack_of_memory(tmp_path: Path, embedder_folder: Path) -> None:
    with pytest.raises(RuntimeError, match="something else"):
        run(tmp_path / "x", embedder_folder, lambda n, _: RuntimeError("something else") if n > 2 else None)


def test_changed_rows_or_settings_do_not_reuse_old_work(
    tmp_path: Path, embedder_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stop: Any = lambda number, _: Stop() if number > 3 else None  # noqa: E731
    with pytest.raises(Stop):
        run(tmp_path / "scored", embedder_folder, stop)
    changed = run(tmp_path / "scored", embedder_folder, rows=20)
    assert "not the same: data set, tokens): it is not reused" in caplog.text
    assert changed["miwv"] == run(tmp_path / "fresh", embedder_folder, rows=20)["miwv"]


def test_a_finished_run_is_not_run_again(tmp_path: Path, embedder_folder: Path) -> None:
    first = run(tmp_path / "scored", embedder_folder)
    fail: Any = lambda number, _: Stop() if number > 2 else None  # noqa: E731
    again = run(tmp_path / "scored", embedder_folder, fail)
    assert again["miwv"] == first["miwv"]
    with pytest.raises(InputError, match="another run \\(not the same: data set, tokens\\)"):
        run(tmp_path / "scored", embedder_folder, rows=20)


def test_two_processes_do_not_share_a_workspace(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w"), pytest.raises(InputError, match="another process is at work"):
        Workspace(tmp_path / "w")


def test_a_journal_loses_at_most_its_torn_line(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    workspace.append_journal("j", {"a": 1})
    workspace.append_journal("j", {"a": 2})
    path = workspace.folder / "j"
    path.write_bytes(path.read_bytes()[:-3])
    assert workspace.read_journal("j") == [{"a": 1}]
    workspace.append_journal("j", {"a": 3})
    assert workspace.read_journal("j") == [{"a": 1}, {"a": 3}]
