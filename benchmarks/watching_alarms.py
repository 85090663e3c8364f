"""How soon a training's watch speaks of degeneration, and how often it is wrong.

    python benchmarks/watching_alarms.py --data TABLE.parquet [--per-direction 20] [--trials 40]

At two evaluations of a training the same rows are judged as `TranslationEvaluationCallback` judges
them. What is written is made: the references, damaged by a hash as in false_alarms.py, anew at each
evaluation and in each trial. At the second one a share of the outputs into English is the reference
of another row, one of --memory of them: fluent text that ignores its source, as of a model that
degenerates; and out of English a little less is damaged. With share 0 and the same damage both
evaluations are equally good, and whatever is said is a false alarm. Prints Markdown.
"""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

import false_alarms
from false_alarms import damaged, share

from hf_lmt.directions import Direction, match_directions
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.training.watching.degeneration import quality_signs
from hf_lmt.training.watching.sample import WatchedRow
from hf_lmt.training.watching.watched_figures import judge, logged_numbers, values_of_figures
from hf_lmt.translation.requests import Translation

SHARES = "0,0.02,0.05,0.1,0.2"


def chosen_rows(data: str, per_direction: int, trial: int) -> list[WatchedRow]:
    """As many rows of each direction from and to English, another sample in each trial."""
    opened = open_set(data)
    rows = []
    for one in match_directions(["en-*", "*-en"]):
        if set(one) <= set(opened.languages) and (lines := opened.lines(one)) is not None:
            places = sorted(range(len(lines.sources)), key=lambda n: share("row", trial, one, n))
            rows += [
                WatchedRow(one, lines.sources[n], lines.references[n], None, None) for n in places[:per_direction]
            ]
    return rows


def written(system: str, rows: list[WatchedRow], ignoring: float, memory: int, less: float) -> list[Translation]:
    """What the model writes for the rows at an evaluation."""
    texts: dict[int, str] = {}
    for direction in dict.fromkeys(row.direction for row in rows):
        own = [n for n, row in enumerate(rows) if row.direction == direction]
        made = _damaged(system, direction, [rows[n] for n in own], less)
        for place, (number, text) in enumerate(zip(own, made, strict=True)):
            key = (system, direction, place)
            forgets = direction.target == "en" and share("ignores", *key) < ignoring
            other = rows[own[int(share("of", *key) * memory) % len(own)]].target
            texts[number] = other if forgets else text
    return [Translation(texts[n], "ok", 1) for n in range(len(rows))]


def _damaged(system: str, direction: Direction, rows: list[WatchedRow], less: float) -> list[str]:
    own = false_alarms.DAMAGE
    false_alarms.DAMAGE = own - (less if direction.source == "en" else 0.0)
    try:
        return damaged(system, direction, [row.source for row in rows], [row.target for row in rows])
    finally:
        false_alarms.DAMAGE = own


def numbers_of(rows: list[WatchedRow], found: list[Translation]) -> dict[str, float]:
    """What an evaluation logs."""
    return logged_numbers(values_of_figures(judge(rows, found, ["chrf++"])), ["chrf"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sample = resources.files("hf_lmt") / "sample" / "sentences.csv"
    parser.add_argument("--data", default=str(sample), help="A table with a column per language.")
    parser.add_argument("--per-direction", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--memory", type=int, default=4, help="Sentences that are written anyway.")
    parser.add_argument("--shares", default=SHARES, help="Of outputs that ignore their source.")
    given = parser.parse_args()
    cases = [(0.0, 0.0), *((float(one), 0.03) for one in given.shares.split(","))]
    said = {case: [0, 0] for case in cases}
    moves: dict[tuple[float, float], list[float]] = {case: [] for case in cases}
    for trial in range(given.trials):
        rows = chosen_rows(given.data, given.per_direction, trial)
        before = numbers_of(rows, written(f"before {trial}", rows, 0.0, given.memory, 0.0))
        for case in cases:
            found = written(f"after {trial}", rows, case[0], given.memory, case[1])
            after = numbers_of(rows, found)
            signs = quality_signs([{**before, "step": 1}], {**after, "step": 2})
            said[case][0] += any("degeneration" in sign for sign in signs)
            said[case][1] += any("fan-in of x2en" in sign for sign in signs)
            moves[case].append(after["eval_chrf_x2en"] - before["eval_chrf_x2en"])
    directions = len({row.direction for row in rows})
    print(
        f"{Path(given.data).name}: {directions} directions x {given.per_direction} rows, "
        f"{given.trials} trials\n\n| outputs into English that ignore their source | damage out "
        "of English | chrF++ of x2en moves by (mean) | degeneration is said | fan-in is said |\n"
        "|---|---|---|---|---|"
    )
    for case in cases:
        mean = sum(moves[case]) / len(moves[case])
        less = "3 points less" if case[1] else "the same"
        print(
            f"| {case[0]:.0%} | {less} | {mean:+.1f} | {said[case][0] / given.trials:.0%} "
            f"| {said[case][1] / given.trials:.0%} |"
        )


if __name__ == "__main__":
    main()
