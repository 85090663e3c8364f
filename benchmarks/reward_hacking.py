"""A reward that is gamed, and the same reward behind gates: what a model learns of each.

    python benchmarks/reward_hacking.py [--steps 100] [--learning-steps 60] [--output FOLDER]

A model of under a million parameters, made here, learns the first 24 sentences of the package's sample from English
into German by heart, for a while (`stage: sft`). From there it is rewarded twice by `hf-lmt train` with `stage: grpo`:
by `precision`, the share of its words that stand in the reference, which knows nothing of length, and by `precision`
times the default gates. chrF is watched in both and never rewarded. Prints Markdown, and draws reward_hacking.png.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.rewards import DEFAULT_GATES, gated
from hf_lmt.rewards.reward_columns import Completion, completion_texts
from hf_lmt.training.training import train
from hf_miwv.common.cards.figures import ABOVE, BELOW, new_figure, save

SENTENCES = 24
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PICTURE = "reward_hacking.png"
ARMS = {"ungated": "reward_hacking.precision", "gated": "reward_hacking.gated_precision"}


def precision(completions: Sequence[Completion], target: Sequence[str] | None = None, **_: Any) -> list[float]:
    """Reward the share of words that stand in the reference: a single right word is worth 1."""
    values = []
    for text, reference in zip(completion_texts(completions), target or (), strict=True):
        words, known = text.split(), set(reference.split())
        values.append(sum(word in known for word in words) / len(words) if words else 0.0)
    return values


gated_precision = gated(precision, *DEFAULT_GATES, name="gated_precision")


def make_model(folder: Path, texts: Sequence[str]) -> None:
    """Save a model with random weights and a tokenizer of the texts."""
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=special[0], eos_token=special[2])
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    settings = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=fast.pad_token_id,
        eos_token_id=fast.eos_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(settings).save_pretrained(folder)


def recipe(folder: Path, name: str, model: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """Train by a recipe in this folder; its run.json."""
    content = {
        "model_name_or_path": str(model),
        "data": [{"path": str(folder / "sentences.csv"), "corpus": "sample"}],
        "curation": False,
        "directions": ["en-de"],
        "pmp": {"share": 0},
        "seed": 0,
        "lr_scheduler_type": "constant",
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "save_steps": 1000,
        "output_dir": str(folder / name),
        **changes,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return dict(train(read_training_recipe(path)))


def draw(curves: dict[str, list[dict[str, Any]]], folder: Path) -> None:
    """Draw reward and chrF of both trainings over the steps."""
    note = "Solid: the reward. Dashed: chrF, which nobody rewarded."
    figure, axes = new_figure("A reward that knows nothing of length, gamed and gated", note)
    for (name, curve), color in zip(curves.items(), (ABOVE, BELOW), strict=True):
        steps = [entry["step"] for entry in curve]
        for key, style, words in (
            (f"rewards/{reward_key(name)}/mean", "-", "reward"),
            ("rewards/chrf/mean", "--", "chrF"),
        ):
            axes.plot(
                steps, [entry[key] for entry in curve], style, color=color, linewidth=1.8, label=f"{name}: {words}"
            )
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("training step")
    axes.set_ylabel("mean over the completions of a step")
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, folder, PICTURE)


def reward_key(name: str) -> str:
    """Return the name that the reward of an arm is logged by."""
    return ARMS[name].rpartition(".")[2]


def show(curves: dict[str, list[dict[str, Any]]]) -> None:
    """Print the mean of the first five and of the last five steps."""
    print("| reward | steps | reward | chrF | tokens of a completion | off target |")
    print("|---|---|---|---|---|---|")
    keys = ("rewards/chrf/mean", "completions/mean_length", "rollouts/off_target")
    for name, curve in curves.items():
        for words, part in (("first 5", curve[:5]), ("last 5", curve[-5:])):
            means = [
                sum(entry[key] for entry in part) / len(part) for key in (f"rewards/{reward_key(name)}/mean", *keys)
            ]
            print(f"| {name} | {words} | {means[0]:.3f} | {means[1]:.3f} | {means[2]:.1f} | {means[3]:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--learning-steps", type=int, default=60)
    parser.add_argument("--output", type=Path, default=Path("reward-hacking"))
    arguments = parser.parse_args()
    folder: Path = arguments.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (files("hf_lmt") / "sample" / "sentences.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:SENTENCES]
    with open(folder / "sentences.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["en", "de"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    make_model(folder / "model", [row[code] for row in rows for code in ("en", "de")])
    learned = {"max_steps": arguments.learning_steps, "global_batch_size": 24, "per_device_train_batch_size": 24}
    run = recipe(folder, "start", folder / "model", {**learned, "learning_rate": 2e-3, "max_length": 200})
    print(f"learned to a loss of {run['loss_curve'][-1]['loss']:.3f} nats per token\n")
    curves = {}
    for name, reward in ARMS.items():
        rewarded = {
            "stage": "grpo",
            "rewards": [reward],
            "watched_rewards": ["chrf"],
            "num_generations": 8,
            "global_batch_size": 64,
            "per_device_train_batch_size": 64,
            "max_prompt_length": 120,
            "max_completion_length": 60,
            "beta": 0.001,
            "loss_type": "grpo",
            "learning_rate": 1e-3,
            "max_steps": arguments.steps,
        }
        curves[name] = recipe(folder, name, folder / "start", rewarded)["reward_curve"]
    (folder / "curves.json").write_text(json.dumps(curves), "utf-8")
    show(curves)
    draw(curves, folder)


if __name__ == "__main__":
    main()
