"""Translating with `Translator` against the authors' way, side by side in one run.

    python benchmarks/translation.py --data DATA [--lines 64] [--new-tokens 128]

The authors' way is that of the inference script in NiuTrans/LMT, as a plain loop: rows in file
order, 4 at a time, beam 5, padded to the longest, `generate`. In both arms the model writes at most
--new-tokens tokens, with no other cap, in float32. DATA is what `hf-lmt evaluate` reads; lines are
evenly spaced over it, and --directions go round. By default they lead into English, where
the small model ends most of its texts by itself, as a translation model does. Out of English it
rambles on to the limit in most lines: then no row can leave early, and what remains is that each
prompt is read once and the cache is not copied. The arms take turns, so that what else the machine
does falls on both. Prints Markdown: the ratio of the times, the share
of identical lines, and for each line that differs by how many nats per token a plain scorer, one
text at a time, tells the two apart. The model is the small real one that `make demo` installs, or
--model.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from operator import eq
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from hf_lmt.directions import Direction, match_directions
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.translation.requests import Request, Translation
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.end_tokens import end_tokens
from hf_miwv.common.models.models import load_model
from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder

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
) -> Iterator[str]:
    """Rows in file order, 4 at a time, padded to the longest, all beams until the last is done."""
    ends = end_tokens(model, tokenizer)
    settings = GenerationConfig(
        do_sample=False,
        num_beams=beams,
        max_new_tokens=new_tokens,
        eos_token_id=ends,
        pad_token_id=ends[0],
    )
    for start in range(0, len(prompts), SIZE):
        batch = prompts[start : start + SIZE]
        width = max(map(len, batch))
        ids = torch.tensor([[ends[0]] * (width - len(row)) + row for row in batch])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch])
        model.generation_config = settings
        written = model.generate(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))[:, width:]
        yield from (text.strip() for text in tokenizer.batch_decode(written, True))


@torch.inference_mode()
def nats_per_token(model: Any, tokenizer: Any, prompt: list[int], text: str) -> float:
    """Mean nats per token of a text after its prompt, end token included, in one plain pass."""
    target = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    ids = torch.tensor([prompt + target])
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
    return torch.nn.functional.cross_entropy(logits, ids[0, len(prompt) :]).item()


class Arm:
    """What one way took, over all the times that it ran.

    Attributes:
        wall, processor: seconds. peak: the most GB that the process held while it ran (Linux).
        began_with: GB that the process held when it first ran.
    """

    def __init__(self, name: str) -> None:
        self.name, self.wall, self.processor, self.peak = name, 0.0, 0.0, 0.0
        self.began_with: float | None = None

    def start(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
        if self.began_with is None:
            self.began_with = memory("VmRSS")
        self._began = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        self.wall += time.perf_counter() - self._began[0]
        self.processor += time.process_time() - self._began[1]
        self.peak = max(self.peak, memory("VmHWM"))


def memory(name: str) -> float:
    """GB: VmRSS, that the process holds, or VmHWM, the most that it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith(f"{name}:"))


def run_by_turns(
    translator: Translator, requests: Sequence[Request], plainly: Iterator[str]
) -> tuple[list[Translation], list[str], list[Arm]]:
    """Both ways; after each batch of ours the authors' way comes up with us."""
    ours, theirs = Arm("hf_lmt"), Arm("authors' way")
    texts: list[str] = []
    done = 0

    def turn(lines: int) -> None:
        nonlocal done
        done += lines
        ours.stop()
        theirs.start()
        texts.extend(islice(plainly, done - len(texts)))
        theirs.stop()
        print(
            f"{done} of {len(requests)} lines: {ours.wall:.0f} s, authors' way {theirs.wall:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        ours.start()

    ours.start()
    translations = list(translator.stream(requests, notify=turn))
    ours.stop()
    return translations, texts, [ours, theirs]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="lines, as `hf-lmt evaluate` reads them")
    parser.add_argument("--model", default=None)
    parser.add_argument("--directions", default=DIRECTIONS)
    parser.add_argument("--lines", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--batch-tokens", type=int, default=None)
    return parser.parse_args()


def benchmark(given: argparse.Namespace) -> None:
    model, tokenizer, _ = load_model(given.model or str(package_folder(MODEL_PACKAGE)), device="cpu", dtype="float32")
    requests = read_requests(given.data, given.lines, match_directions(given.directions.split(",")))
    translator = Translator(
        model,
        tokenizer,
        num_beams=BEAMS,
        max_new_tokens=given.new_tokens,
        length_caps=False,
        batch_tokens=given.batch_tokens,
    )
    prompts = [translator.style.ids(tokenizer, one.source, one.source_lang, one.target_lang) for one in requests]
    plainly = authors_way(model, tokenizer, prompts, given.new_tokens)
    translations, theirs, arms = run_by_turns(translator, requests, plainly)
    ours = [one.text for one in translations]
    report(arms, sum(map(eq, ours, theirs)), len(ours))
    capped = sum(one.status == "capped" for one in translations)
    print(f"{capped} of {len(ours)} lines run into the limit of {given.new_tokens} tokens\n")
    for prompt, one, other in zip(prompts, ours, theirs, strict=True):
        if one != other:
            apart = [nats_per_token(model, tokenizer, prompt, text) for text in (one, other)]
            print(f"- {apart[0] - apart[1]:+.1e} nats per token: {one[:60]!r} / {other[:60]!r}")


def report(arms: Sequence[Arm], identical: int, lines: int) -> None:
    """The table; each arm's peak has in it what the process held before: the model and the rest."""
    print("| arm | wall s | processor s | lines/s | peak GB |\n|---|---|---|---|---|")
    for one in arms:
        rate = lines / one.wall
        print(f"| {one.name} | {one.wall:.1f} | {one.processor:.1f} | {rate:.3f} | {one.peak:.2f} |")
    ours, theirs = arms
    ratios = [theirs.wall / ours.wall, theirs.processor / ours.processor]
    print(
        f"\nratio {ratios[0]:.2f} (processor time {ratios[1]:.2f}); identical {identical} of "
        f"{lines}; before both arms {ours.began_with:.2f} GB\n"
    )


if __name__ == "__main__":
    try:
        benchmark(parse())
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
