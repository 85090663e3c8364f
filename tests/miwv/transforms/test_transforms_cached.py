"""The map transforms, cached across real processes, and their fingerprints."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from datasets.fingerprint import Hasher
from tiny import make_model, make_rows

from hf_miwv import InputError
from hf_miwv.transforms.attach_demonstration import AttachDemonstration
from hf_miwv.transforms.base import LARGE, content_digest
from hf_miwv.transforms.measure_losses import MeasureLosses
from hf_miwv.transforms.steps import ComputeMIWV, EmbedPrompts, RenderPrompts

SECOND = """
import json, sys
from datasets import load_dataset
from datasets.fingerprint import Hasher
from hf_miwv.transforms.steps import *

data, model, embedder, device = sys.argv[1:]
dataset = load_dataset("json", data_files=data, split="train")
hashes, files = [], []

def step(dataset, transform):
    hashes.append(Hasher.hash(transform))
    mapped = dataset.map(transform, batched=True)
    files.extend(file["filename"] for file in mapped.cache_files)
    return mapped

rendered = step(dataset, RenderPrompts(model))
embedded = step(rendered, EmbedPrompts(embedder, device=device))
attached = step(embedded, AttachDemonstration.from_dataset(embedded, device=device))
measured = step(attached, MeasureLosses(model, device=device, batch_tokens=999))
scored = step(measured, ComputeMIWV())
refused = []
attach = AttachDemonstration.from_dataset(embedded, device=device)
for rows, transform in (
    (rendered, EmbedPrompts(embedder, device=device)),
    (embedded, attach),
    (attached, MeasureLosses(model, device=device)),
):
    try:
        transform(rows[:2])
    except ValueError as error:
        refused.append(str(error))
result = {"hashes": hashes, "files": files, "miwv": scored["miwv"][:], "refused": refused}
print(json.dumps(result))
"""


@pytest.mark.slow
def test_a_second_process_finds_everything_in_the_cache(
    model_folder: Path, embedder_folder: Path, tmp_path: Path
) -> None:
    """The second process names a device that does not exist, so whatever loads a model or
    searches fails there; "refused" shows that it does."""
    data = tmp_path / "rows.json"
    data.write_text(json.dumps(make_rows()))
    dataset = load_dataset("json", data_files=str(data), split="train")
    steps: list[Any] = []
    files: list[str] = []

    def apply(dataset: Dataset, step: Any) -> Dataset:
        steps.append((step, Hasher.hash(step)))
        mapped = dataset.map(step, batched=True)
        files.extend(file["filename"] for file in mapped.cache_files)
        return mapped

    rendered = apply(dataset, RenderPrompts(model_folder))
    embedded = apply(rendered, EmbedPrompts(embedder_folder, device="cpu"))
    attached = apply(embedded, AttachDemonstration.from_dataset(embedded, device="cpu"))
    measured = apply(attached, MeasureLosses(model_folder, device="cpu"))
    scored = apply(measured, ComputeMIWV())
    for step, before in steps:
        assert Hasher.hash(step) == before  # though its model is loaded now
        assert len(pickle.dumps(step)) < 20_000
    times = {file: os.stat(file).st_mtime_ns for file in files}

    words = [sys.executable, "-c", SECOND, data, model_folder, embedder_folder, "cuda:99"]
    ran = subprocess.run(words, check=True, capture_output=True, text=True)
    second = json.loads(ran.stdout.splitlines()[-1])
    assert second["hashes"] == [before for _, before in steps]
    assert second["files"] == files
    assert second["miwv"] == scored["miwv"][:]
    reason = "device 'cuda:99' cannot be used here"
    assert [reason in text for text in second["refused"]] == [True] * 3
    assert {file: os.stat(file).st_mtime_ns for file in files} == times


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {}, True),
        ({"device": "cpu"}, {"device": "cuda:3", "batch_tokens": 9}, True),
        ({"columns": {"prompt": "a", "completion": "b"}}, {"columns": {"completion": "b", "prompt": "a"}}, True),
        ({}, {"dtype": "bfloat16"}, False),
        ({}, {"max_length": 100}, False),
        ({}, {"template": "plain"}, False),
        ({}, {"revision": "abc"}, False),
        ({}, {"quantization": "4bit"}, False),
    ],
)
def test_what_the_fingerprint_depends_on(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    first, second = MeasureLosses("owner/name", **one), MeasureLosses("owner/name", **other)
    assert (Hasher.hash(first) == Hasher.hash(second)) == same
    copy = pickle.loads(pickle.dumps(second))  # noqa: S301
    assert Hasher.hash(copy) == Hasher.hash(second)
    assert copy.device is None


def test_a_changed_folder_is_another_fingerprint(rows: Dataset, model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    step = RenderPrompts(folder)
    before = Hasher.hash(step)
    assert Hasher.hash(RenderPrompts(folder)) == before
    make_model("llama", tied=False).save_pretrained(folder)
    assert Hasher.hash(RenderPrompts(folder)) != before
    assert Hasher.hash(step) == before
    with pytest.raises(InputError, match="has changed since this RenderPrompts was made"):
        rows.map(step, batched=True)


def test_a_changed_template_file_is_another_fingerprint(rows: Dataset, model_folder: Path, tmp_path: Path) -> None:
    template = tmp_path / "prompt.jinja"
    template.write_text("Q: {{ prompt }}")
    step = RenderPrompts(model_folder, template=str(template))
    assert rows.map(step, batched=True)["rendered_prompt"][1].startswith("Q: ")
    template.write_text("A: {{ prompt }}")
    changed = RenderPrompts(model_folder, template=str(template))
    assert Hasher.hash(changed) != Hasher.hash(step)


def test_large_files_count_by_size_and_time(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    with open(weights, "wb") as file:
        file.truncate(LARGE + 1)
    before = content_digest(str(tmp_path))
    (tmp_path / ".hidden").write_text("x")
    assert content_digest(str(tmp_path)) == before
    os.utime(weights, ns=(1, 1))
    assert content_digest(str(tmp_path)) != before
    assert content_digest("owner/name") is None
