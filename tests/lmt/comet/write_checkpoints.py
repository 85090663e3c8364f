"""Checkpoints with random weights and the scores that unbabel-comet itself gives with them.

    python write_checkpoints.py ROWS.jsonl FOLDER [--normalization RULES.tsv]

Run by the Python of an environment with unbabel-comet (see `make test-comet`); it imports nothing of ours. In
FOLDER appear `encoder` and `encoder-xl` (configuration and tokenizer, learned from the rows' texts), a folder
for each model as unbabel-comet keeps them on the Hub (`hparams.yaml`, `checkpoints/model.ckpt`), and
`scores.json`: {model: score of each row}, and under "ids" a digest of the token ids of each row's texts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytorch_lightning
import sentencepiece
import torch
import yaml
from comet import load_from_checkpoint
from comet.models import str2model
from transformers import XLMRobertaConfig, XLMRobertaTokenizerFast, XLMRobertaXLConfig

SHARED = {"dropout": 0.1, "load_pretrained_weights": False, "local_files_only": True, "train_data": ["train.csv"]}
UNIFIED = {"hidden_sizes": [12], "final_activation": "Sigmoid"}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "comet": (
        "regression_metric",
        {"layer_transformation": "sparsemax", "layer_norm": False, "hidden_sizes": [12, 6]},
    ),
    "comet-norm": (
        "regression_metric",
        {"layer_transformation": "softmax", "layer_norm": True, "pool": "cls", "hidden_sizes": [6]},
    ),
    "comet-average-norm": (
        "regression_metric",
        {"layer_transformation": "softmax", "layer_norm": True, "hidden_sizes": [6]},
    ),
    "cometkiwi": (
        "unified_metric",
        {**UNIFIED, "layer_transformation": "sparsemax_patch", "layer_norm": False, "input_segments": ["mt", "src"]},
    ),
    "xcomet": ("xcomet_metric", {**UNIFIED, "pretrained_model": "encoder-xl", "word_layer": 2}),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--normalization", type=Path, help="rules as spm_train takes them; by default those of XLM-R")
    parser.add_argument("--models", default=",".join(MODELS))
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.rows.read_text("utf-8").splitlines()]
    normalization = options.normalization and options.normalization.absolute()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(options.folder)  # so that the checkpoints name their encoders by short relative paths
    tokenizer = write_encoders(sorted({text for row in rows for text in row.values()}), normalization)
    scores: dict[str, Any] = {
        "ids": [
            digest([tokenizer(text, truncation=True, max_length=510)["input_ids"] for text in row.values()])
            for row in rows
        ]
    }
    for name in options.models.split(","):
        write_checkpoint(name, seed=list(MODELS).index(name))
        model = load_from_checkpoint(str(Path(name, "checkpoints", "model.ckpt")), local_files_only=True)
        scores[name] = predict(model, rows)
        if name == "xcomet":
            sourced = [{"src": row["src"], "mt": row["mt"]} for row in rows]
            scores["xcomet-without-references"] = predict(model, sourced)
    Path("scores.json").write_text(json.dumps(scores))


def digest(ids: list[list[int]]) -> str:
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:12]


def predict(model: Any, rows: list[dict[str, str]]) -> list[float]:
    return model.predict(rows, batch_size=16, gpus=0, num_workers=0, progress_bar=False)["scores"]


def write_encoders(texts: list[str], normalization: Path | None) -> Any:
    rules = {"normalization_rule_tsv": str(normalization)} if normalization else {}
    Path("texts.txt").write_text("\n".join(text.replace("\n", " ") for text in texts), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input="texts.txt",
        model_prefix="sentencepiece.bpe",
        vocab_size=400,
        character_coverage=0.98,
        max_sentence_length=100_000,
        minloglevel=2,
        **rules,
    )
    tokenizer = XLMRobertaTokenizerFast(vocab_file="sentencepiece.bpe.model")
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "pad_token_id": tokenizer.pad_token_id,
    }
    for folder, kind in (("encoder", XLMRobertaConfig), ("encoder-xl", XLMRobertaXLConfig)):
        tokenizer.save_pretrained(folder)
        kind(**shape).save_pretrained(folder)
    for leftover in ("texts.txt", "sentencepiece.bpe.model", "sentencepiece.bpe.vocab"):
        Path(leftover).unlink()
    return tokenizer


def write_checkpoint(name: str, seed: int) -> None:
    """Write random weights, large enough that scores differ well, as unbabel-comet's trainer writes them."""
    kind, settings = MODELS[name]
    model = str2model[kind](**{"pretrained_model": "encoder", **SHARED, **settings})
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            scale = 1.0 if path.startswith("encoder") else 0.6
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        if kind == "xcomet_metric":
            model.hidden2tag.bias[0] += 3  # else nearly all would be one error
    trainer = pytorch_lightning.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False, barebones=True)
    trainer.strategy.connect(model)
    checkpoints = Path(name, "checkpoints")
    checkpoints.mkdir(parents=True, exist_ok=True)
    trainer.save_checkpoint(checkpoints / "model.ckpt", weights_only=True)
    Path(name, "hparams.yaml").write_text(yaml.safe_dump({**model.hparams, "class_identifier": kind}))


if __name__ == "__main__":
    main()
