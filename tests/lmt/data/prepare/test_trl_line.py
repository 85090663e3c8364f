"""The line at the end of `prepare`: pasted, it trains on the rows by TRL's own script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from datasets import load_dataset
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.__main__ import main
from hf_lmt.data.prepare.trl_line import trl_line

pytest.importorskip("trl")

from trl_lines import run_trl_line

ROOT = Path(__file__).parents[4]


def test_the_line_trains_on_the_rows_of_the_sample(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hf_lmt")
    model, rows = tmp_path / "model", tmp_path / "the rows"
    make_model("llama").save_pretrained(model)
    make_tokenizer(chat_template=CHATML).save_pretrained(model)
    words = ["prepare", str(ROOT / "recipes" / "lmt" / "sample_rows.yaml"), "--output", str(rows)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    line = caplog.messages[-1].split("\n", 1)[1].strip()
    assert "--model_name_or_path Qwen/Qwen3-0.6B-Base " in line
    script, training = run_trl_line(line, model_name_or_path=model)
    assert training.eos_token == "<|im_end|>"
    read = load_dataset(script.dataset_name, name=script.dataset_config)[script.dataset_train_split]
    assert read["row_key"] == load_dataset(str(rows), split="train")["row_key"]


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"model_name_or_path": "owner/name"}, "trl sft --model_name_or_path owner/name --dataset_name rows "),
        ({"model_name_or_path": "owner/name", "packing": True}, "--packing True "),
        ({"model_name_or_path": "owner/name", "learning_rate": 1}, "--dataset_name rows --"),
        ({"max_length": 512}, "Qwen/Qwen3-0.6B-Base --dataset_name rows --eos_token '<|im_end|>' --max_length 512 "),
        ({"model_name_or_path": "tiny.gguf"}, "None"),
    ],
)
def test_what_the_line_says(training: dict[str, Any], expected: str) -> None:
    line = str(trl_line(Path("rows"), training))
    assert expected in line
    assert "learning_rate" not in line
