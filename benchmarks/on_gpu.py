"""What the benchmarks on a GPU have in common: models of real shapes, a dry run, the dense rate."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder

SHAPES: dict[str, dict[str, Any]] = {
    "Qwen3-0.6B": {
        "model_type": "qwen3",
        "hidden_size": 1024,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 3072,
        "vocab_size": 151_936,
        "tie_word_embeddings": True,
        "max_position_embeddings": 32_768,
    },
    "Llama-7B": {
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "head_dim": 128,
        "intermediate_size": 11_008,
        "vocab_size": 32_000,
        "tie_word_embeddings": False,
        "max_position_embeddings": 4096,
    },
}
SHRUNKEN = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
    "vocab_size": 512,
}


def make_model(values: dict[str, Any], device: torch.device) -> Any:
    """A causal LM of this shape with random bf16 weights, made on the device."""
    values = dict(values)
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    torch.manual_seed(0)
    with device:
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()


def load_tokenizer(name: str) -> Any:
    """A tokenizer from a folder or a Hub id, or out of the GGUF file in a folder."""
    files = sorted(Path(name).glob("*.gguf"))
    return AutoTokenizer.from_pretrained(name, **({"gguf_file": files[0].name} if files else {}))


def dense_rate(device: torch.device, size: int, repeats: int = 20) -> float:
    """Operations a second of a bf16 product of two square matrices: 2 n^3 over the median time."""
    one, other = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(repeats + 3):
        synchronize(device)
        began = time.perf_counter()
        torch.matmul(one, other)
        synchronize(device)
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(seconds[3:])


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def gpu_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all of them have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tokenizer", help="folder or Hub id [default: the demo's model]", default=str(package_folder(MODEL_PACKAGE))
    )
    parser.add_argument("--dry-run", action="store_true", help="shrunken, on the CPU")
    return parser


def parse_for_gpu(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What was given; ends the program where there is no GPU to run on, and no dry run is asked."""
    given = parser.parse_args()
    if not given.dry_run and not torch.cuda.is_available():
        parser.error("no GPU here; --dry-run runs the same code, shrunken, on the CPU")
    return given


def device_of(given: argparse.Namespace) -> torch.device:
    return torch.device("cpu" if given.dry_run else "cuda")


def shape_of(name: str, given: argparse.Namespace) -> dict[str, Any]:
    return SHAPES[name] | (SHRUNKEN if given.dry_run else {})


def rate_of(given: argparse.Namespace) -> float:
    """The dense rate of the device."""
    return dense_rate(device_of(given), 256 if given.dry_run else 8192)


def where(given: argparse.Namespace) -> str:
    """The device and the versions, in words."""
    device = "CPU, shrunken" if given.dry_run else torch.cuda.get_device_name()
    return f"{device}; torch {torch.__version__}, transformers {transformers.__version__}"


def run_or_tell(benchmark: Callable[[], None]) -> None:
    """What cannot be used is told in a line, with exit code 2."""
    try:
        benchmark()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
