"""Translating with `Translator` against the authors' way, side by side in one run.

    python benchmarks/translation.py --data DATA [--lines 64] [--new-tokens 128]

The authors' way is that of the inference script in NiuTrans/LMT, as a plain loop: rows in file
order, 4 at a time, beam 5, padded to the longest, `generate`. In both arms the model writes at most
--new-tokens tokens, with no other cap, in float32. DATA is what `hf-lmt evaluate` reads; lines are
evenly spaced over it, and --directions go round. By default they lead into English, where
the small model ends most of its texts by itself, as a translation model does. Out of English it
rambles on to the limit in most lines: then no row can leave early, and what remains is that each
prompt is read once and the cache is not copied. Prints Markdown: the ratio of the times, the share
of identical lines, and for each line that differs by how many nats per token a plain scorer, one
text at a time, tells the two apart. The model is the small real one that `make demo` installs, or
--model.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from itertools import cycle, pairwise
from typing import Any

import torch
from transformers import GenerationConfig

from hf_lmt.directions import Direction, match_directions
from hf_lmt.errors import InputError
from hf_lmt.evaluation.sets import open_set
from hf_lmt.translation.requests import Request
from hf_lmt.translation.translator import Translator
from hf_miwv.demo import MODEL_PACKAGE, package_folder
from hf_miwv.judging.generation import end_tokens
from hf_miwv.models import load_model

DIRECTIONS = "de-en,fr-en,es-en,it-en"
SIZE, BEAMS = 4, 5


def read_requests(data: str, lines: int, directions: Sequence[Direction]) -> list[Request]:
    """Evenly spaced lines of an evaluation set, in directions that go round.

    Raises:
        InputError: as `open_set`; or a direction that the set has no lines in.
    """
    opened = open_set(data)
    sources: dict[Direction, list[str]] = {}
    for one in directions:
        found = opened.lines(one)
        if found is None:
            raise InputError(f"{data}: no lines in {one}; give other --directions")
        sources[one] = found.sources
    pairs = zip(range(lines), cycle(directions))
    return [Request(sources[one][at * len(sources[one]) // lines], *one) for at, one in pairs]


@torch.inference_mode()
def authors_way(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], new_tokens: int, beams: int = BEAMS
) -> list[str]:
    """Rows in file order, 4 at a time, padded to the longest, all beams until the last is done."""
    ends = end_tokens(model, tokenizer)
    model.generation_config = GenerationConfig(
        do_sample=False, num_beams=beams, max_new_tokens=new_tokens, eos_token_id=ends,
        pad_token_id=ends[0],
    )  # fmt: skip
    found = []
    for start in range(0, len(prompts), SIZE):
        batch = prompts[start : start + SIZE]
        width = max(map(len, batch))
        ids = torch.tensor([[ends[0]] * (width - len(row)) + row for row in batch])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch])
        written = model.generate(
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device)
        )[:, width:]
        found += tokenizer.batch_decode(written, skip_special_tokens=True)
        print(f"authors' way: {len(found)} of {len(prompts)}", file=sys.stderr, flush=True)
    return [text.strip() for text in found]


@torch.inference_mode()
def nats_per_token(model: Any, tokenizer: Any, prompt: list[int], text: str) -> float:
    """Mean nats per token of a text after its prompt, end token included, in one plain pass."""
    target = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    ids = torch.tensor([prompt + target])
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
    return torch.nn.functional.cross_entropy(logits, ids[0, len(prompt) :]).item()


def peak_memory() -> float:
    """The most GB that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default=None)
    parser.add_argument("--directions", default=DIRECTIONS)
    parser.add_argument("--lines", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--batch-tokens", type=int, default=None)
    given = parser.parse_args()
    model, tokenizer, _ = load_model(
        given.model or str(package_folder(MODEL_PACKAGE)), device="cpu", dtype="float32"
    )
    requests = read_requests(given.data, given.lines, match_directions(given.directions.split(",")))
    translator = Translator(
        model, tokenizer, beams=BEAMS, max_new_tokens=given.new_tokens, length_caps=False,
        batch_tokens=given.batch_tokens,
    )  # fmt: skip
    prompts = [
        translator.style.ids(tokenizer, one.source, one.source_lang, one.target_lang)
        for one in requests
    ]
    memory = [peak_memory()]
    clocks = [(time.perf_counter(), time.process_time())]
    translations = list(translator.stream(requests))
    ours = [one.text for one in translations]
    memory.append(peak_memory())
    clocks.append((time.perf_counter(), time.process_time()))
    theirs = authors_way(model, tokenizer, prompts, given.new_tokens)
    memory.append(peak_memory())
    clocks.append((time.perf_counter(), time.process_time()))
    report(clocks, memory, sum(a == b for a, b in zip(ours, theirs, strict=True)), len(ours))
    capped = sum(one.status == "capped" for one in translations)
    print(f"{capped} of {len(ours)} lines run into the limit of {given.new_tokens} tokens\n")
    for prompt, one, other in zip(prompts, ours, theirs, strict=True):
        if one != other:
            apart = [nats_per_token(model, tokenizer, prompt, text) for text in (one, other)]
            print(f"- {apart[0] - apart[1]:+.1e} nats per token: {one[:60]!r} / {other[:60]!r}")


def report(
    clocks: list[tuple[float, float]], memory: list[float], identical: int, lines: int
) -> None:
    """The table; memory is what the process had held at most by the end of each arm, ours first."""
    print("| arm | wall s | processor s | lines/s | peak GB |\n|---|---|---|---|---|")
    spent = [[b - a for a, b in zip(*pair, strict=True)] for pair in pairwise(clocks)]
    for name, (wall, processor), peak in zip(
        ("hf_lmt", "authors' way"), spent, memory[1:], strict=True
    ):
        print(f"| {name} | {wall:.1f} | {processor:.1f} | {lines / wall:.3f} | {peak:.1f} |")
    ratios = [theirs / ours for ours, theirs in zip(*spent, strict=True)]
    print(f"\nratio {ratios[0]:.2f} (processor time {ratios[1]:.2f}); identical {identical} of "
          f"{lines}; before both arms {memory[0]:.1f} GB\n")  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
