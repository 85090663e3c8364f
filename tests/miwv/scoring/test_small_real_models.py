"""Once on the real small models that install from the package index, against the plain loop."""

from __future__ import annotations

import json
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from plain import plain_miwv

from hf_miwv import score
from hf_miwv.common.models.models import load_model
from hf_miwv.common.models.row_tokens import start_tokens
from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, MODEL_PACKAGE, package_folder

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in (MODEL_PACKAGE, EMBEDDER_PACKAGE, "gguf")),
    reason="the small real models are not installed; `make test` installs them",
)


def sample_rows(count: int) -> list[dict[str, str]]:
    """The shortest rows of the sample that have an answer, so that the plain loop stays quick."""
    text = (resources.files("hf_miwv") / "sample" / "instructions.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    answered = [row for row in rows if row["output"].strip()]
    return sorted(answered, key=lambda row: len(str(row)))[:count]


@pytest.fixture(scope="module")
def loaded() -> Any:
    return load_model(str(package_folder(MODEL_PACKAGE)), device="cpu")


@pytest.mark.slow
def test_float32_scores_equal_the_plain_loop(loaded: Any) -> None:
    rows = sample_rows(12)
    scored = score(
        Dataset.from_list(rows),
        loaded.model,
        tokenizer=loaded.tokenizer,
        embedder=str(package_folder(EMBEDDER_PACKAGE) / "model"),
        device="cpu",
        progress=False,
    )
    start = start_tokens(loaded.tokenizer)
    expected = plain_miwv(loaded.model, loaded.tokenizer, rows, scored["neighbor"], start)
    found = np.array([scored["loss_zero_shot"], scored["loss_one_shot"], scored["miwv"]]).T
    np.testing.assert_allclose(found, np.array(expected), atol=1e-4)


@pytest.mark.slow
def test_a_gguf_file_is_a_model_too(loaded: Any) -> None:
    (file,) = Path(package_folder(MODEL_PACKAGE)).glob("*.gguf")
    again = load_model(str(file), device="cpu")
    assert again.model.num_parameters() == loaded.model.num_parameters() == 134_515_008
    assert again.tokenizer.chat_template == loaded.tokenizer.chat_template


def test_an_embedder_is_no_causal_model() -> None:
    from hf_miwv import InputError

    with pytest.raises(InputError, match="is no causal language model"):
        load_model(str(package_folder(EMBEDDER_PACKAGE) / "model"))
