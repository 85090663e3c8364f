"""COMET-22, CometKiwi and XCOMET of ours beside unbabel-comet: processor seconds for the same rows.

    python benchmarks/comet.py PYTHON [--rows 96] [--layers 12] [--width 768]

PYTHON is that of an environment with unbabel-comet (`make test-comet` makes one). Checkpoints have random weights in
the shape of XLM-R base, with the small vocabulary of the tests. Arms run one after another, in two rounds, each in
one thread; the scores of both are compared.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from hf_lmt.comet.load_comet import load_comet

TOKENIZER = Path(__file__).parents[1] / "tests" / "lmt" / "comet" / "checkpoints" / "encoder"
WRITES = """
import sys, yaml, torch, pytorch_lightning
from pathlib import Path
from comet.models import str2model
kinds = {"comet": "regression_metric", "cometkiwi": "unified_metric", "xcomet": "xcomet_metric"}
for name, kind in kinds.items():
    torch.manual_seed(0)
    extra = {"input_segments": ["mt", "src"]} if name == "cometkiwi" else {}
    extra |= {"encoder_model": "XLM-RoBERTa", "word_layer": int(sys.argv[1])} if name == "xcomet" else {}
    model = str2model[kind](pretrained_model="encoder", load_pretrained_weights=False, local_files_only=True,
                            layer_norm=False, layer_transformation="softmax", **extra)
    trainer = pytorch_lightning.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False)
    trainer.strategy.connect(model)
    Path(name, "checkpoints").mkdir(parents=True)
    trainer.save_checkpoint(Path(name, "checkpoints", "model.ckpt"), weights_only=True)
    Path(name, "hparams.yaml").write_text(yaml.safe_dump({**model.hparams, "class_identifier": kind}))
"""
SCORES = """
import json, sys, time, torch
from comet import load_from_checkpoint
torch.set_num_threads(1)
rows = [json.loads(line) for line in open(sys.argv[2])]
model = load_from_checkpoint(sys.argv[1] + "/checkpoints/model.ckpt", local_files_only=True)
start = time.process_time()
scores = model.predict(rows, batch_size=16, gpus=0, num_workers=0, progress_bar=False)["scores"]
print(json.dumps([time.process_time() - start, scores]), file=open("answer.json", "w"))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("python")
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    options = parser.parse_args()
    torch.set_num_threads(1)
    python = str(Path(options.python).absolute())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_encoder(options.layers, options.width)
        run(python, WRITES, str(options.layers))
        for name, rows in (
            ("distinct rows", distinct(options.rows)),
            ("8 translations a source", grouped(options.rows)),
        ):
            Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            for model in ("comet", "cometkiwi", "xcomet"):
                compare(python, model, rows, name)


def compare(python: str, model: str, rows: list[dict[str, str]], name: str) -> None:
    columns = [[row[column] for row in rows] for column in ("src", "mt", "ref")]
    loaded = {dtype: load_comet(f"./{model}", dtype=dtype, device="cpu") for dtype in ("float32", "bfloat16")}
    seconds: dict[str, list[float]] = {}
    for _ in range(2):
        run(python, SCORES, model, "rows.jsonl")
        theirs, expected = json.loads(Path("answer.json").read_text())
        seconds.setdefault("unbabel-comet", []).append(theirs)
        for dtype, own in loaded.items():
            start = time.process_time()
            scores = own.score(*columns)
            seconds.setdefault(dtype, []).append(time.process_time() - start)
            if dtype == "float32":
                difference = np.abs(scores - expected).max()
    least = {arm: min(values) for arm, values in seconds.items()}
    ratios = ", ".join(f"{arm} {least['unbabel-comet'] / least[arm]:.2f} x" for arm in loaded)
    print(
        f"{model}, {name}: unbabel-comet {least['unbabel-comet']:.1f} s; {ratios}; within {difference:.0e}", flush=True
    )


def write_encoder(layers: int, width: int) -> None:
    folder = Path("encoder")
    folder.mkdir()
    for file in TOKENIZER.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    shape = json.loads((folder / "config.json").read_text())
    shape |= {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": width // 64}
    (folder / "config.json").write_text(json.dumps({**shape, "intermediate_size": 4 * width}))


def distinct(count: int) -> list[dict[str, str]]:
    table = sentences()
    return [
        {"src": table[row % 120]["en"], "mt": table[(row + row // 120) % 120]["es"], "ref": table[row % 120]["de"]}
        for row in range(count)
    ]


def grouped(count: int) -> list[dict[str, str]]:
    table = sentences()
    return [
        {"src": table[row // 8]["en"], "mt": table[row % 120]["es"], "ref": table[row // 8]["de"]}
        for row in range(count)
    ]


def sentences() -> list[dict[str, str]]:
    return list(csv.DictReader(files("hf_lmt").joinpath("sample/sentences.csv").read_text("utf-8").splitlines()))


def run(python: str, code: str, *arguments: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(  # noqa: S603
        [python, "-I", "-c", code, *arguments], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])


if __name__ == "__main__":
    main()
