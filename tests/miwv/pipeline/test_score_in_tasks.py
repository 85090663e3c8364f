"""Scoring in tasks: the rows and scores of one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.__main__ import main
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source

pytest.importorskip("datatrove", reason="datatrove is missing: pip install 'hf-miwv-lmt[scale]'")

from hf_miwv.common.executors.executor_settings import read_executor
from hf_miwv.neighbors import graphs
from hf_miwv.pipeline import scoring_stages
from hf_miwv.pipeline.score_in_tasks import score_in_tasks

SETTINGS: dict[str, Any] = {"template": "alpaca", "batch_tokens": 256}


@pytest.fixture
def inputs(tmp_path: Path, embedder_folder: Path) -> dict[str, str]:
    """Rows, of which one has no response, and a model, on disk."""
    rows = make_rows()
    rows[5]["output"] = ""
    rows_file = tmp_path / "rows.jsonl"
    rows_file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    model = tmp_path / "model"
    make_model("llama").save_pretrained(model)
    make_tokenizer(chat_template=CHATML).save_pretrained(model)
    return {"rows": str(rows_file), "model": str(model), "embedder": str(embedder_folder)}


def in_tasks(inputs: dict[str, str], output: Path, tasks: int, **settings: Any) -> Dataset:
    return score_in_tasks(
        *(Source(inputs["rows"]), inputs["model"], output, read_executor(f"local:{tasks}", {"workers": 1})),
        origin={},
        progress=False,
        **{"embedder": inputs["embedder"], **SETTINGS, **settings},
    )


def check_same(scored: Dataset, expected: Dataset) -> None:
    assert scored.column_names == expected.column_names
    for name in expected.column_names:
        if getattr(expected.features[name], "dtype", "") in ("float32", "float64"):
            values, wanted = (np.array(column[name], float) for column in (scored, expected))
            np.testing.assert_allclose(values, wanted, atol=1e-5, err_msg=name)
        else:
            assert list(scored[name]) == list(expected[name]), name


def test_tasks_give_the_rows_and_scores_of_one_process(inputs: dict[str, str], tmp_path: Path) -> None:
    settings = {**SETTINGS, "also": ("ifd", "selectit_sentence", "nuggets"), "avoid_duplicate_neighbors": True}
    names = {"embedder": inputs["embedder"], "origin": {}, "progress": False}
    score(read_dataset(Source(inputs["rows"])), inputs["model"], output_dir=tmp_path / "one", **names, **settings)
    expected = read_dataset(Source(str(tmp_path / "one")))
    assert np.nanstd(np.array(expected["miwv"], float)) > 0.01
    in_tasks(inputs, tmp_path / "tasks", 3, **settings)
    check_same(read_dataset(Source(str(tmp_path / "tasks"))), expected)
    runs = [json.loads((tmp_path / name / "run.json").read_text("utf-8")) for name in ("one", "tasks")]
    assert runs[0]["identity"] == runs[1]["identity"]
    chosen = [select(tmp_path / name, fraction=0.29) for name in ("one", "tasks")]
    assert len(chosen[0]) == int(len(expected) * 0.29)
    assert list(chosen[0]["row"]) == list(chosen[1]["row"])
    assert not (tmp_path / "tasks.work").exists()


def test_an_index_of_several_graphs_in_tasks(
    inputs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("usearch", reason="usearch is missing: pip install 'hf-miwv-lmt[index]'")
    monkeypatch.setattr(graphs, "GRAPH_ROWS", 7)
    settings = {**SETTINGS, "search": "index", "unreadable_rows": "flag"}
    names = {"embedder": inputs["embedder"], "origin": {}, "progress": False}
    score(read_dataset(Source(inputs["rows"])), inputs["model"], output_dir=tmp_path / "one", **names, **settings)
    with caplog.at_level("INFO"):
        in_tasks(inputs, tmp_path / "tasks", 3, **settings)
    check_same(*(read_dataset(Source(str(tmp_path / name))) for name in ("tasks", "one")))
    stages = [json.loads((tmp_path / name / "run.json").read_text("utf-8"))["stages"] for name in ("one", "tasks")]
    assert stages[0]["neighbors"] == stages[1]["neighbors"]
    assert stages[0]["neighbors"]["parameters"]["parts"] == 4
    assert stages[0]["neighbors"]["recall"] == 1
    assert "neighbors by an index: recall 1.000 on 24 rows" in caplog.text


def test_a_finished_task_is_not_run_again(
    inputs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise InputError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(scoring_stages, "score_share", fails)
        with pytest.raises(InputError, match=r"stage score: 2 of 2 tasks are not done(.|\n)*share 1 of 2.*no room"):
            in_tasks(inputs, tmp_path / "rows", 2)
    monkeypatch.setattr(scoring_stages, "embed_share", fails)  # embedded they are already
    assert len(in_tasks(inputs, tmp_path / "rows", 2)) == 24


def test_the_command_and_what_it_refuses(inputs: dict[str, str], tmp_path: Path) -> None:
    words = ["score", inputs["rows"], "--model", inputs["model"], "--embedder", inputs["embedder"]]
    words += ["--output", str(tmp_path / "rows"), "--template", "alpaca"]
    for more, message in (
        (["--executor", "slurm:4"], "rows are scored in tasks on one machine so far"),
        (["--executor", "local:2", "--streaming"], "cannot be dealt to tasks"),
        (["--executor-config", inputs["rows"]], "belongs to --executor"),
        (["--executor", "local:2", "--demonstrations-from", inputs["rows"]], "not scored behind in tasks yet"),
        (
            ["--executor", "local:2", "--also", "kcenter"],
            "--also kcenter: is not measured in tasks, because",
        ),
        (["--executor", "local:2", "--also", "deita"], "--also deita: is not measured in tasks, because its scorers"),
        (["--executor", "local:2", "--also", "alpagasus"], "--also alpagasus: is not measured in tasks, because its"),
    ):
        refused = CliRunner().invoke(main, [*words, *more])
        assert refused.exit_code == 2
        assert message in refused.output
    done = CliRunner().invoke(main, [*words, "--executor", "local:1"])
    assert done.exit_code == 0, done.output
    assert len(read_dataset(Source(str(tmp_path / "rows")))) == 24
