"""Of several responses to one prompt, the one with the highest score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset, load_dataset
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.__main__ import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path) -> Path:
    """12 rows, three responses to each of four prompts, one of them empty."""
    output = tmp_path_factory.mktemp("responses") / "scored"
    answers = [row["output"] for row in make_rows(12)]
    rows = [{**make_rows(4)[number % 4], "output": answer} for number, answer in enumerate(answers)]
    rows[5]["output"] = ""
    model, tokenizer = make_model("llama"), make_tokenizer()
    score(
        Dataset.from_list(rows),
        model,
        tokenizer=tokenizer,
        embedder=str(embedder_folder),
        output_dir=output,
        progress=False,
    )
    return output


def plain_choice(folder: Path) -> list[int]:
    """The row with the lowest zero-shot loss of each prompt, lowest first."""
    rows = [row for row in load_dataset(str(folder), split="train").to_list() if row["miwv_status"] == "ok"]
    prompts = {(row["instruction"], row["input"]) for row in rows}
    best = [
        min(
            (row for row in rows if (row["instruction"], row["input"]) == prompt),
            key=lambda row: row["loss_zero_shot"],
        )
        for prompt in prompts
    ]
    return [row["row"] for row in sorted(best, key=lambda row: row["loss_zero_shot"])]


def test_the_likeliest_response_to_each_prompt_is_kept(folder: Path, tmp_path: Path) -> None:
    expected = plain_choice(folder)
    assert len(expected) == 4
    words = ["select", str(folder), "--one-per", "prompt", "--method", "perplexity_low"]
    done = CliRunner().invoke(main, [*words, "--output", str(tmp_path / "chosen")])
    assert done.exit_code == 0, done.output
    assert load_dataset(str(tmp_path / "chosen"), split="train")["row"] == expected
    selection = json.loads((tmp_path / "chosen" / "run.json").read_text())["selection"]
    assert (selection["one_per"], selection["behind_another_response"], selection["kept"]) == ("prompt", 7, 4)
    assert "another row with their prompt scores higher" in " ".join(done.output.split())
    rows = load_dataset(str(folder), split="train")
    assert select(rows, one_per="prompt", method="perplexity_low", count=2)["row"] == expected[:2]
    with pytest.raises(InputError, match=r"not the same: .*one_per"):
        select(folder, method="perplexity_low", count=4, output_dir=tmp_path / "chosen")


def test_without_it_every_row_counts(folder: Path) -> None:
    rows = select(folder, method="perplexity_low", count=11)
    assert len(rows) == 11
    assert np.all(np.diff(rows["loss_zero_shot"]) >= 0)
    with pytest.raises(InputError, match="give one of --fraction"):
        select(folder, method="perplexity_low")
    with pytest.raises(InputError, match="one per 'promt' is not one of ours: did you mean 'prompt'"):
        select(folder, one_per="promt")
    with pytest.raises(InputError, match="count 5 is above the 4 rows"):
        select(folder, one_per="prompt", count=5)
