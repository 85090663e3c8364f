"""Scoring all of LMT's directions, BLEU and chrF++, by number of processes.

    python benchmarks/scoring.py --data TABLE.parquet [--directions 234] [--num-proc 1,2]

TABLE has a column of sentences for each language, named by LMT's codes; NTREX-128 will do. Its
sentences are repeated up to the asked lines, and a language that it lacks takes those of another in
the same script. Hypotheses are the references with a stretch of each cut out. Prints Markdown, with
the time for 234 directions of 1,012 lines by proportion, where less was run.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import cycle, islice

import pyarrow.parquet

from hf_lmt.directions import DIRECTIONS, Direction
from hf_lmt.evaluation.metrics.corpus_scores import DEFAULT_METRICS, score_of
from hf_lmt.evaluation.metrics.many_directions import Translations, statistics_of_directions
from hf_lmt.languages import language
from hf_lmt.registry import LANGUAGES

LINES = 1012  # of FLORES-200 devtest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--directions", type=int, default=len(DIRECTIONS))
    parser.add_argument("--num-proc", default="1,2")
    options = parser.parse_args()
    texts = read_texts(options.data, options.lines)
    step = max(1, len(DIRECTIONS) // options.directions)  # spread over tiers and both pivots
    directions = DIRECTIONS[::step][: options.directions]
    size = f"{len(directions)} directions x {options.lines:,} lines"
    print(f"{size}, {' and '.join(DEFAULT_METRICS)}, {os.cpu_count()} cores\n")
    print("| processes | seconds | for 234 x 1,012 | mean BLEU | mean chrF++ |")
    print("|---|---|---|---|---|")
    for num_proc in map(int, options.num_proc.split(",")):
        seconds, means = measure(texts, directions, num_proc)
        whole = seconds * len(DIRECTIONS) * LINES / (len(directions) * options.lines)
        shown = " | ".join(f"{mean:.4f}" for mean in means)
        print(f"| {num_proc} | {seconds:.1f} | {whole:.0f} s | {shown} |", flush=True)


def read_texts(path: str, lines: int) -> dict[str, list[str]]:
    """Code -> `lines` sentences, for each of the 60 languages."""
    table = pyarrow.parquet.read_table(path)
    there = {code: table[code].to_pylist() for code in LANGUAGES if code in table.column_names}
    return {code: list(islice(cycle(there[stand_in(code, there)]), lines)) for code in LANGUAGES}


def stand_in(code: str, there: dict[str, list[str]]) -> str:
    if code in there:
        return code
    alike = [one for one in there if language(one).scripts == language(code).scripts]
    return (alike or ["en"])[0]


def damaged(text: str) -> str:
    """The text without the fifth of it in its middle."""
    size = len(text)
    return text[: 2 * size // 5] + text[3 * size // 5 :]


def measure(
    texts: dict[str, list[str]], directions: tuple[Direction, ...], num_proc: int
) -> tuple[float, list[float]]:
    """Seconds from texts to scores, and the mean of each metric."""
    wrong = {code: [damaged(text) for text in lines] for code, lines in texts.items()}
    given = [Translations(one, wrong[one.target], texts[one.target]) for one in directions]
    begun = time.perf_counter()
    scores = [
        {name: score_of(one).value or 0.0 for name, one in metrics.items()}
        for _, metrics in statistics_of_directions(given, num_proc=num_proc)
    ]
    seconds = time.perf_counter() - begun
    return seconds, [sum(one[name] for one in scores) / len(scores) for name in DEFAULT_METRICS]


if __name__ == "__main__":
    main()
