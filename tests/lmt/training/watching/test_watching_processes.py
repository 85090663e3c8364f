"""Two real processes share the translating, and choose one and the same best checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_lmt.data.corpora.load import load
from hf_lmt.directions import match_directions
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from tests.lmt.training.watching.test_watching import ASKED, SHORT, make_trainer

TESTS = Path(__file__).parents[3]
SCRIPT = """
import json, sys
from pathlib import Path
from transformers import EarlyStoppingCallback, TrainerCallback
from hf_lmt.data.corpora.load import load
from hf_lmt.directions import match_directions
from hf_lmt.training.watching.degeneration_watch import DegenerationWatch
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from hf_lmt.training.watching.live_model import LiveTranslator
from hf_lmt.translation.translator import Translator
from tests.lmt.training.watching.test_watching import ASKED, SHORT, Heard, make_trainer

folder, asked = Path(sys.argv[1]), []
stream = Translator.stream
def counting(self, requests, **given):
    asked.extend(requests)
    return stream(self, requests, **given)
Translator.stream = counting
trainer = make_trainer(
    folder, save_strategy="steps", save_steps=1, eval_steps=1, max_steps=4, learning_rate=0.1,
    metric_for_best_model="eval_chrf_en2x", load_best_model_at_end=True, ddp_backend="gloo",
    per_device_train_batch_size=1,
)
rows, heard = load(str(folder / "rows.csv"), match_directions(ASKED)).rows, Heard()
for callback in (
    EarlyStoppingCallback(4), DegenerationWatch(trainer, rows, per_direction=2),
    TranslationEvaluationCallback(trainer, rows, **SHORT), heard,
):
    trainer.add_callback(callback)
first = trainer.evaluate()
translated = [(one.source, one.source_lang, one.target_lang) for one in asked]
trainer.train()
(folder / f"rank-{trainer.args.process_index}.json").write_text(json.dumps({
    "world": trainer.args.world_size, "first": first, "translated": translated,
    "metrics": [
        {k: v for k, v in one.items() if "chrf" in k or "loss_" in k} for one in heard.metrics
    ],
    "best": [trainer.state.best_global_step, trainer.state.best_metric],
    "steps": trainer.state.global_step,
}))
"""


def launch(folder: Path) -> list[dict[str, Any]]:
    """The script by `accelerate launch`, as two processes on the CPU."""
    (folder / "train.py").write_text(SCRIPT)
    settings = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU",
        "mixed_precision": "no",
        "num_machines": 1,
        "machine_rank": 0,
        "num_processes": 2,
        "use_cpu": False,
    }
    (folder / "launch.yaml").write_text(yaml.safe_dump(settings))
    paths = os.pathsep.join(map(str, (TESTS, TESTS.parent)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "accelerate.commands.launch",
            "--config_file",
            str(folder / "launch.yaml"),
            "--main_process_port",
            "0",
            str(folder / "train.py"),
            str(folder),
        ],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_two_processes_are_as_one(tmp_path: Path) -> None:
    lines = [f"water {i},水{i},wasser {i},nat {i}" for i in range(6)]
    (tmp_path / "rows.csv").write_text("\n".join(["en,zh,de,nl", *lines, ""]), "utf-8")
    one, two = launch(tmp_path)
    trainer = make_trainer(tmp_path / "alone")
    rows = load(str(tmp_path / "rows.csv"), match_directions(ASKED)).rows
    watch = TranslationEvaluationCallback(trainer, rows, **SHORT)
    trainer.add_callback(watch)
    alone = trainer.evaluate()
    assert one["world"] == 2
    assert min(len(process["translated"]) for process in (one, two)) > 0
    shared = [tuple(asked) for asked in one["translated"] + two["translated"]]
    assert sorted(shared) == sorted((row.source, *row.direction) for row in watch.sample.rows)
    ours = [key for key in alone if "chrf" in key or "bleu" in key or "fan_in" in key]
    assert len(ours) > 20
    for process in (one, two):
        assert [process["first"][key] for key in ours] == [alone[key] for key in ours]
    assert one["metrics"] == two["metrics"]
    assert (one["best"], one["steps"]) == (two["best"], two["steps"])
    scores = [metrics["eval_chrf_en2x"] for metrics in one["metrics"][1:]]
    assert one["best"] == [scores.index(max(scores)) + 1, max(scores)]
    assert (tmp_path / f"checkpoint-{one['best'][0]}" / "evaluation.json").exists()
