"""How often `diagnose` cries wolf: two equally good systems, resampled, compared again and again.

Both systems write the references of a table with a column per language, damaged by a hash of
system, direction and line: words or characters are dropped and exchanged, and a few lines are
copied, left empty, repeated or answered by another line's translation. Nothing but the hash tells
the two apart. A resample draws as many lines as there are, with replacement, the same ones in all
directions, and for each line and direction lets a coin say which system's output counts as before
and which as after, so that neither is better in truth. Prints Markdown; an alarm is any finding of
failure, in any group or direction.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from hf_lmt.directions import Direction, match_directions
from hf_lmt.evaluation.diagnosis.diagnosis_verdict import judge
from hf_lmt.evaluation.diagnosis.evaluation_changes import compare
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.evaluation_folder import Evaluation, SentenceCounts
from hf_lmt.evaluation.metrics.corpus_scores import Statistics
from hf_lmt.evaluation.sets.sets import open_set

DAMAGE = 0.25  # of words, or of characters where nothing stands between words
FAULTS = (("copy", 0.01), ("blank", 0.005), ("repeat", 0.005), ("other", 0.02))


def share(*names: object) -> float:
    """In [0, 1), by hash."""
    return xxhash.xxh3_64_intdigest("\x1f".join(map(str, names)).encode()) / 2**64


def damaged(system: str, direction: Direction, sources: list[str], references: list[str]) -> list:
    """What a system writes."""
    texts = []
    for line, (source, reference) in enumerate(zip(sources, references, strict=True)):
        key = (system, direction, line)
        fault, left = "", share("fault", *key)
        for name, rate in FAULTS:
            fault = name if not fault and 0 <= left < rate else fault
            left -= rate
        other = references[int(share("other", *key) * min(10, len(references)))]
        choices = {"copy": source, "blank": "", "repeat": reference * 5, "other": other}
        texts.append(choices[fault] if fault else _noise(reference, key))
    return texts


def _noise(text: str, key: tuple) -> str:
    joint = " " if " " in text else ""
    words = text.split(" ") if joint else list(text)
    kept = [
        words[int(share("which", *key, place) * len(words))] if share("swap", *key, place) < DAMAGE / 2 else word
        for place, word in enumerate(words)
        if share("drop", *key, place) >= DAMAGE / 2
    ]
    return joint.join(kept)


@dataclass(frozen=True)
class Resampled(Evaluation):
    """An evaluation of drawn lines, of `own` or, where a coin says so, of `other`."""

    own: Any = None
    other: Any = None
    seed: int = 0
    flip: bool = False

    def _draw(self, direction: Direction | str) -> tuple[np.ndarray, np.ndarray]:
        size = len(self.own[str(direction)][0].has_source)
        places = np.random.default_rng(self.seed).integers(size, size=size)
        coin = np.random.default_rng([self.seed, xxhash.xxh32_intdigest(str(direction).encode())])
        return places, (coin.random(size) < 0.5) ^ self.flip

    def hypotheses(self, direction: Direction | str) -> list[dict[str, Any]]:
        places, taken = self._draw(direction)
        rows, others = self.own[str(direction)][1], self.other[str(direction)][1]
        return [(rows if one else others)[place] for place, one in zip(places, taken, strict=True)]

    def counts(self, direction: Direction | str) -> SentenceCounts:
        places, taken = self._draw(direction)
        first, second = self.own[str(direction)][0], self.other[str(direction)][0]

        def mixed(one: np.ndarray, two: np.ndarray) -> np.ndarray:
            column = taken.reshape(-1, *[1] * (one.ndim - 1))
            return np.where(column, one[places], two[places])

        statistics: dict[str, Statistics] = {
            name: replace(own, counts=mixed(own.counts, second.statistics[name].counts))
            for name, own in first.statistics.items()
        }
        flags = {name: mixed(own, second.flags[name]) for name, own in first.flags.items()}
        return SentenceCounts(statistics, flags, mixed(first.has_source, second.has_source))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sample = resources.files("hf_lmt") / "sample" / "sentences.csv"
    parser.add_argument("--data", default=str(sample), help="A table with a column per language.")
    parser.add_argument("--directions", default="en-*,*-en", help="With commas between.")
    parser.add_argument("--lines", type=int, default=200, help="Of the table at most.")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--samples", type=int, default=200, help="Of each bootstrap.")
    given = parser.parse_args()
    opened = open_set(given.data)
    there = [one for one in match_directions(given.directions.split(",")) if set(one) <= set(opened.languages)]
    loaded, made = [], []
    with tempfile.TemporaryDirectory() as folder:
        for system in ("a", "b"):
            texts = {}
            for one in there:
                lines = opened.lines(one)
                assert lines is not None  # noqa: S101
                texts[str(one)] = damaged(system, one, lines.sources, lines.references)
            found = evaluate(
                given.data,
                Path(folder) / system,
                hypotheses=texts,
                max_samples=given.lines,
                metrics=["chrf++"],
                progress=False,
            )
            made.append(found)
            loaded.append({str(one): (found.counts(one), found.hypotheses(one)) for one in there})
    first = made[0]
    shared = Resampled(first.folder, first.run, first.scores, first.name, own=loaded[0], other=loaded[1])
    start, alarms, kinds = time.perf_counter(), 0, Counter[str]()
    for trial in range(given.trials):
        before, after = (replace(shared, seed=trial, flip=flip) for flip in (False, True))
        findings = judge(compare(before, after, given.samples), compared=True)
        alarms += any(finding.alarm for finding in findings)
        kinds.update(finding.kind for finding in findings)
        print(f"{trial + 1} of {given.trials}: {alarms} alarms", file=sys.stderr, flush=True)
    means = [one.scores["groups"]["overall"]["scores"]["chrf++"]["mean"] for one in made]
    print("| directions | lines | chrF++ of both | resamples | alarms | rate | findings | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {len(there)} | {given.lines} | {means[0]:.2f}, {means[1]:.2f} | {given.trials} "
        f"| {alarms} | {100 * alarms / given.trials:.1f} % | {dict(sorted(kinds.items()))} "
        f"| {time.perf_counter() - start:.0f} |"
    )


if __name__ == "__main__":
    main()
