"""Measuring for methods that is stopped or killed goes on; by command line and in two processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import load_dataset
from killing import Stop, contents, fail_on, kill_when, lines
from tiny import make_model, make_rows

from hf_miwv import InputError
from hf_miwv.__main__ import main
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.rows.schema import ALSO_COLUMNS
from tests.miwv.common.runs.test_processes import command
from tests.miwv.common.runs.test_processes import run as launch
from tests.miwv.results.methods_rows import ALSO, score_tiny, some_rows


def test_stopped_in_the_further_passes_it_goes_on(tmp_path: Path, embedder_folder: Path) -> None:
    def run(output: Path, stop_in: str | None = None) -> None:
        journal = workspace_of(output) / "process-0-of-1" / str(stop_in) / "losses.jsonl"
        model = make_model("llama")
        fail_on(model, lambda number, ids: Stop() if lines(journal) >= 2 else None)
        score_tiny(some_rows(), embedder_folder, model=model, batch_tokens=60, output=output)

    whole, stopped = tmp_path / "whole" / "scored", tmp_path / "stopped" / "scored"
    run(whole)
    work = workspace_of(stopped) / "process-0-of-1"
    finished = []
    for method in ALSO:
        with pytest.raises(Stop):
            run(stopped, stop_in=method)
        finished.append((work / "ifd.npy").exists() and (work / "ifd.npy").stat().st_mtime_ns)
    assert finished[0] is False
    assert lines(work / "superfiltering" / "losses.jsonl") == 2
    run(stopped)
    assert contents(stopped) == contents(whole)
    assert not workspace_of(stopped).exists()
    with pytest.raises(InputError, match="not the same: also"):
        score_tiny(some_rows(), embedder_folder, output=stopped, batch_tokens=60, also=["ifd"])


@pytest.mark.slow
def test_kill_9_in_the_further_passes_and_go_on(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(400)))

    def words(output: Path) -> list[str]:
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
            "400",
            "--output",
            str(output),
            "--also",
            "superfiltering",
            "--also",
            "ifd",
        ]

    whole, killed = tmp_path / "whole" / "scored", tmp_path / "killed" / "scored"
    subprocess.run(words(whole), check=True, capture_output=True)
    work = workspace_of(killed) / "process-0-of-1"
    kill_when(words(killed), lambda: lines(work / "ifd" / "losses.jsonl") >= 2)
    kill_when(words(killed), lambda: lines(work / "superfiltering" / "losses.jsonl") >= 2)
    last = subprocess.run(words(killed), check=True, capture_output=True, text=True)
    assert "going on with the unfinished work" in last.stderr
    assert contents(killed) == contents(whole)


def test_in_one_go_what_the_choice_needs_is_measured(
    tmp_path: Path, model_folder: Path, embedder_folder: Path
) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows()))
    words = [
        "select",
        data,
        "--model",
        model_folder,
        "--embedder",
        embedder_folder,
        "--method",
        "ifd_low",
        "--count",
        3,
        "--diversity",
        0.9999,
        "--output",
        tmp_path / "chosen",
    ]
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert "chosen by lowest IFD (the negative of L(y|x) / L(y)" in " ".join(done.output.split())
    chosen = load_dataset(str(tmp_path / "chosen"), split="train")
    ratios = np.divide(chosen["loss_zero_shot"], chosen["loss_response_alone"])
    assert ratios.tolist() == sorted(ratios)
    assert "prompt_embedding" not in chosen.column_names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "DATA", "--model", "m", "--also", "idf"], "did you mean 'ifd'"),
        (["score", "DATA", "--model", "m", "--also", "influence, idf"], "did you mean 'ifd'"),
        (["select", "DATA", "--count", "1", "--method", "ifdd"], "did you mean 'ifd'"),
        (["select", "DATA", "--count", "1", "--method", "random", "--seed", "-1"], "give 0 or more"),
        (["select", "DATA", "--count", "1", "--method", "ifd"], "--also ifd"),
        (["select", "DATA", "--count", "1", "--diversity", "1.5"], "diversity 1.5 is no cosine"),
        (["select", "DATA", "--count", "1", "--also", "ifd"], "--also: for scoring"),
    ],
)
def test_what_the_command_line_refuses(words: list[str], message: str, folder: Path, tmp_path: Path) -> None:
    dataset = load_dataset(str(folder), split="train").remove_columns(list(ALSO_COLUMNS.values()))
    dataset.to_parquet(tmp_path / "rows.parquet")
    words = [str(tmp_path / "rows.parquet") if word == "DATA" else word for word in words]
    done = CliRunner().invoke(main, [*words, "--output", str(tmp_path / "out")])
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("neighbors", [1, 3])
def test_two_processes_measure_and_avoid_as_one(
    neighbors: int, tmp_path: Path, model_folder: Path, embedder_folder: Path
) -> None:
    rows = make_rows(60)
    for copy in range(40, 60):
        rows[copy] = {**rows[copy % 7], "output": rows[copy]["output"]}
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    models = ["--model", str(model_folder), "--embedder", str(embedder_folder)]
    more = ["--also", "ifd,superfiltering", "--avoid-duplicate-neighbors", "--keep-embeddings"]
    more += ["--neighbors", str(neighbors)]
    frames = []
    for processes in (1, 2):
        output = tmp_path / str(processes) / "scored"
        launch([*command(data, models, output, processes), *more])
        frames.append(load_dataset(str(output), split="train").to_pandas())
        assert not workspace_of(output).exists()
    one, two = frames
    prompts = (one["instruction"] + one["input"]).to_numpy()
    assert (prompts != prompts[one["neighbor"]]).all()
    assert two["neighbor"].equals(one["neighbor"])
    for name in ("miwv", *ALSO_COLUMNS.values()):
        np.testing.assert_allclose(two[name], one[name], atol=1e-4)
    if neighbors > 1:
        for name in ("neighbors", "losses_one_shot"):
            np.testing.assert_allclose(np.stack(two[name]), np.stack(one[name]), atol=1e-4)
    vectors = [np.stack(frame["prompt_embedding"].to_numpy()) for frame in frames]
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-6)
