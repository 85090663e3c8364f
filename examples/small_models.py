"""What the examples run on where nothing is named: the small real models of the package index."""

from __future__ import annotations

import logging
from importlib.resources import files
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, MODEL_PACKAGE, package_folder
from hf_miwv.common.trainer.trainable import trainable_source

INSTRUCTIONS = str(files("hf_miwv") / "sample" / "instructions.jsonl")
SENTENCES = str(files("hf_lmt") / "sample" / "sentences.csv")

# it tells of a faster kernel that it could not fetch
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def load_model(name: str | None) -> Any:
    """The causal language model with this name; without a name SmolLM2-135M-Instruct."""
    return AutoModelForCausalLM.from_pretrained(name or small_model())


def load_tokenizer(name: str | None) -> Any:
    """Its tokenizer."""
    return AutoTokenizer.from_pretrained(name or small_model())


def small_model() -> str:
    """A folder with SmolLM2's weights as safetensors, made once of the GGUF file in its package."""
    return trainable_source(str(package_folder(MODEL_PACKAGE)))


def small_embedder() -> str:
    """The folder of all-MiniLM-L6-v2."""
    return str(package_folder(EMBEDDER_PACKAGE) / "model")
