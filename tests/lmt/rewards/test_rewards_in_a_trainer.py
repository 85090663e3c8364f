"""The rewards in TRL's GRPOTrainer, by the dotted paths that `trl grpo --reward_funcs` takes."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from datasets import Dataset
from tiny import CHATML, make_model, make_tokenizer
from trl import GRPOConfig, GRPOTrainer

from tests.lmt.rewards.sentences import SENTENCES


@pytest.mark.filterwarnings("ignore")
def test_two_steps(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": [{"role": "user", "content": f"Translate into German: {english}"}],
            "source": english,
            "target": german,
            "source_lang": "en",
            "target_lang": "de",
        }
        for english, german in zip(SENTENCES["en"], SENTENCES["de"], strict=True)
    ]
    paths = ["hf_lmt.rewards.gated_chrf", "hf_lmt.rewards.chrf", "hf_lmt.rewards.right_script"]
    functions = []
    for path in paths:
        module, _, name = path.rpartition(".")
        functions.append(getattr(importlib.import_module(module), name))
    settings = GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=4,
        num_generations=2,
        max_completion_length=8,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        save_strategy="no",
    )
    trainer = GRPOTrainer(
        model=make_model("llama"),
        reward_funcs=functions,
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=make_tokenizer(padding_side="left", chat_template=CHATML),
    )
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert len(logs) == 2
    for entry in logs:
        assert entry["rewards/gated_chrf/mean"] == 0  # a random model passes no gate of length
        assert entry["rewards/chrf/mean"] > 0
        assert 0 <= entry["rewards/right_script/mean"] <= 1
        assert entry["gate/length_ratio"] == 0
