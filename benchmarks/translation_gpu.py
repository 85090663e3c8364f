"""Lines per second that `Translator` writes on a GPU, against the authors' way.

    python benchmarks/translation_gpu.py --data DATA --tokenizer FOLDER [--new-tokens 64]
    python benchmarks/translation_gpu.py --data DATA --dry-run   # the same, shrunken, on the CPU

The model has the shape of Qwen3-0.6B and random bf16 weights, made on the GPU: nothing is fetched.
Such a model never ends a text, so in all arms every line gets --new-tokens tokens. What is compared
is then reading and writing in large sorted batches with shared caches, without what rows that end
early save; lines that came out the same mean nothing and are not counted. Prompts have the lengths
of real lines (DATA, --directions) under --tokenizer; its end tokens are rows of zeros in the
embedding, which no search finds among the best.

The authors' way (`translation.authors_way`: file order, 4 at a time, padded) runs over --few lines,
evenly spaced in DATA; so does `Translator`, and once more over --lines. With vLLM installed,
`Translator(..., backend="vllm")` runs over --lines, too. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from on_gpu import (
    SHRUNKEN,
    device_of,
    gpu_parser,
    load_tokenizer,
    make_model,
    parse_for_gpu,
    run_or_tell,
    shape_of,
    synchronize,
    where,
)
from translation import BEAMS, DIRECTIONS, read_requests
from translation_arms import authors_way

from hf_lmt.directions import match_directions
from hf_lmt.translation.requests import Request
from hf_lmt.translation.translator import Translator
from hf_miwv.common.models.end_tokens import end_tokens

SHAPE = "Qwen3-0.6B"
WARM_UP, WARM_UP_TOKENS = 4, 4


def make_endless(tokenizer: Any, given: argparse.Namespace) -> Any:
    """The random model, with zeros as embedding of the end tokens: their logits are zero."""
    size = {"vocab_size": max(SHRUNKEN["vocab_size"], len(tokenizer))}
    model = make_model(shape_of(SHAPE, given) | (size if given.dry_run else {}), device_of(given))
    with torch.no_grad():
        model.get_input_embeddings().weight[end_tokens(model, tokenizer)] = 0
    return model


def translator_of(model: Any, tokenizer: Any, beams: int, new_tokens: int, **more: Any) -> Any:
    return Translator(model, tokenizer, num_beams=beams, max_new_tokens=new_tokens, length_caps=False, **more)


def timed(run: Callable[[], Any], device: torch.device) -> tuple[float, float]:
    """Seconds, and the most GiB that torch held on the GPU meanwhile (0 on the CPU)."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    synchronize(device)
    began = time.perf_counter()
    run()
    synchronize(device)
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if on_gpu else 0.0
    return time.perf_counter() - began, peak


def ours(translator: Any, requests: Sequence[Request], new_tokens: int) -> None:
    """Translate, and see to it that no line was shorter than it should be."""
    lengths = {one.tokens for one in translator.stream(requests)}
    if lengths != {new_tokens}:
        raise RuntimeError(f"lines of {sorted(lengths)} tokens, where all should have {new_tokens}")


def line(
    search: str, arm: str, lines: int, new_tokens: int, measured: tuple[float, float], base: float
) -> tuple[str, float]:
    """A line of the table, and the lines per second in it; `base`: those of the authors' way."""
    seconds, peak = measured
    rate = lines / seconds
    ratio = f"{rate / base:.2f}" if base else "1.00"
    cells = (
        search,
        arm,
        str(lines),
        f"{seconds:.2f}",
        f"{rate:.3g}",
        f"{rate * new_tokens:,.0f}",
        ratio,
        f"{peak:.1f}",
    )
    return f"| {' | '.join(cells)} |", rate


def compare(model: Any, tokenizer: Any, beams: int, few: list[Request], many: list[Request], new_tokens: int) -> None:
    """The arms of one search, each warmed up, as lines of the table."""
    device = model.get_input_embeddings().weight.device
    search = f"beam {beams}" if beams > 1 else "greedy"
    translator = translator_of(model, tokenizer, beams, new_tokens)
    prompts = [translator.style.ids(tokenizer, one.source, one.source_lang, one.target_lang) for one in few]
    list(authors_way(model, tokenizer, prompts[:WARM_UP], WARM_UP_TOKENS, beams))
    found = timed(lambda: list(authors_way(model, tokenizer, prompts, new_tokens, beams)), device)
    text, base = line(search, "authors' way", len(few), new_tokens, found, 0.0)
    print(text, flush=True)
    warm = translator_of(model, tokenizer, beams, WARM_UP_TOKENS)
    ours(warm, few[:WARM_UP], WARM_UP_TOKENS)
    for requests in (few, many):
        found = timed(lambda part=requests: ours(translator, part, new_tokens), device)
        print(line(search, "hf_lmt", len(requests), new_tokens, found, base)[0], flush=True)


def compare_vllm(folder: str, beams: int, many: list[Request], new_tokens: int) -> None:
    """vLLM, whose memory torch does not count."""
    translator = translator_of(folder, None, beams, new_tokens, dtype="bfloat16", backend="vllm")
    ours(translator, many[:WARM_UP], new_tokens)
    found = timed(lambda: ours(translator, many, new_tokens), torch.device("cuda"))
    search = f"beam {beams}" if beams > 1 else "greedy"
    print(line(search, "hf_lmt, vLLM", len(many), new_tokens, (found[0], 0.0), 0.0)[0], flush=True)


def parse() -> argparse.Namespace:
    parser = gpu_parser(__doc__)
    parser.add_argument("--data", required=True, help="lines, as `hf-lmt evaluate` reads them")
    parser.add_argument("--directions", default=DIRECTIONS)
    parser.add_argument("--few", type=int, default=16, help="lines of all arms")
    parser.add_argument("--lines", type=int, default=256, help="lines of ours alone")
    parser.add_argument("--new-tokens", type=int, default=64)
    given = parse_for_gpu(parser)
    if min(given.few, given.lines, given.new_tokens) < 1:
        parser.error("--few, --lines and --new-tokens: give 1 or more")
    return given


def benchmark(given: argparse.Namespace) -> None:
    """Both searches in all arms, as lines of a table."""
    tokenizer = load_tokenizer(given.tokenizer)
    directions = match_directions(given.directions.split(","))
    few, many = (read_requests(given.data, count, directions) for count in (given.few, given.lines))
    model = make_endless(tokenizer, given)
    print(
        f"{where(given)}; shape of {SHAPE}, random bf16 weights; {given.new_tokens} new tokens "
        "in each line\n\n"
        "| search | arm | lines | seconds | lines/s | new tokens/s | x authors' way | peak GiB |\n"
        f"|{'---|' * 8}"
    )
    for beams in (BEAMS, 1):
        compare(model, tokenizer, beams, few, many, given.new_tokens)
    if find_spec("vllm") and not given.dry_run:
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            del model
            torch.cuda.empty_cache()
            for beams in (BEAMS, 1):
                compare_vllm(folder, beams, many, given.new_tokens)


def main() -> None:
    given = parse()
    run_or_tell(lambda: benchmark(given))


if __name__ == "__main__":
    main()
