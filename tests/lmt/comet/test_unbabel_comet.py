"""Our COMET models beside unbabel-comet itself, which runs in an environment of its own (`make test-comet`)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from hf_lmt.comet.comet_inputs import text_ids
from hf_lmt.comet.load_comet import load_comet
from tests.lmt.comet.parity_rows import parity_rows

PYTHON = os.environ.get("COMET_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PYTHON is None, reason="COMET_PYTHON names no Python with unbabel-comet: make test-comet"),
]
ROWS = parity_rows()
SOURCES, HYPOTHESES, REFERENCES = ([row[column] for row in ROWS] for column in ("src", "mt", "ref"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What unbabel-comet writes and scores, with XLM-R's own normalization of texts."""
    folder = tmp_path_factory.mktemp("unbabel")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    script = Path(__file__).with_name("write_checkpoints.py")
    command = [str(PYTHON), "-I", str(script), str(folder / "rows.jsonl"), str(folder / "made")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "made"


def test_scores(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    expected = json.loads(Path("scores.json").read_text())
    digests = expected.pop("ids")
    assert len(expected) == 6
    for name, scores in expected.items():
        plain = name.removesuffix("-without-references")
        model = load_comet(f"./{plain}", device="cpu")
        found = model.score(SOURCES, HYPOTHESES, REFERENCES if plain == name else None)
        assert np.abs(found - scores).max() < 1e-5, name
        assert np.std(scores) > 3e-4, name
    tokenizer = AutoTokenizer.from_pretrained("encoder")
    for row, digest in zip(ROWS, digests, strict=True):
        ids = text_ids(tokenizer, list(row.values()), 514)
        assert hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:12] == digest, row
