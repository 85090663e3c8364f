"""Two real processes train together on one choice, refreshed and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[2]
SCRIPT = """
import json, sys
from pathlib import Path
from sentence_transformers import SentenceTransformer
from trainers import make_trainer
from hf_miwv.callbacks.callbacks import MIWVSelectionCallback

folder, embedder, resume = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "resume"
trainer = make_trainer(
    folder, learning_rate=0.1, save_strategy="steps", save_steps=1, ddp_backend="gloo"
)
whole = [row["input_ids"] for row in trainer.train_dataset]
trainer.add_callback(MIWVSelectionCallback(
    trainer, 0.34, refresh="epoch", embedder=SentenceTransformer(embedder, device="cpu")
))
first = trainer.train_dataset.rows
trainer.train(resume_from_checkpoint=str(folder / "checkpoint-1") if resume else None)
rank = trainer.args.process_index
(folder / f"{sys.argv[3]}-{rank}.json").write_text(json.dumps({
    "world": trainer.args.world_size, "first": first, "last": trainer.train_dataset.rows,
    "seen": [[whole.index(row) for row in batch] for batch in trainer.seen],
    "overlap": [e["miwv_overlap"] for e in trainer.state.log_history if "miwv_overlap" in e],
}))
"""


def launch(folder: Path, embedder: Path, name: str, processes: int = 2) -> list[dict[str, Any]]:
    script = folder.parent / "train.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)}
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    done = subprocess.run(
        [*words, str(script), str(folder), str(embedder), name],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.slow
def test_two_processes_agree(embedder_folder: Path, tmp_path: Path) -> None:
    one, two = launch(tmp_path / "two", embedder_folder, "whole")
    assert one["world"] == 2
    assert (one["first"], one["last"]) == (two["first"], two["last"])
    assert one["first"] != one["last"]
    assert one["overlap"] == two["overlap"] != [1.0]
    for epoch, chosen in ((0, one["first"]), (1, one["last"])):  # 2 steps of 2 x 2 rows
        seen = [batch for own in (one, two) for batch in own["seen"][2 * epoch :][:2]]
        assert sorted(row for batch in seen for row in batch) == chosen
    resumed = launch(tmp_path / "two", embedder_folder, "resume")
    assert [own["seen"] for own in resumed] == [own["seen"][1:] for own in (one, two)]
    (alone,) = launch(tmp_path / "one", embedder_folder, "whole", processes=1)
    assert alone["first"] == one["first"]
