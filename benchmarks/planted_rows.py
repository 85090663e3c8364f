"""Rows of made tasks for `planted.py`: what a model knows, what it lacks, what is false, and real rows around them.

A family has three tasks over the same kind of items, so that prompts and answers of the same number of items have
much the same length:

    family     known                unknown                     other
    words      reverse the order    sort by the alphabet        each word twice
    capitals   capital letters      first letters               reverse the order
    numbers    double each number   add 13 to each number       sort by size

"capitals" is easy for a small model, "words" hard, and "numbers" graded: a number has one to three digits.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from importlib import resources

import xxhash

VOCABULARY = (
    "apple river stone cloud table window garden bridge letter candle pencil mirror ladder basket button carpet "
    "engine forest guitar hammer island jacket kettle lemon market needle orange paper queen ribbon saddle tunnel "
    "umbrella velvet wagon yellow zebra anchor bottle copper dragon eagle feather glacier harbor insect jungle kitten "
    "lantern meadow number ocean pillow quarry rabbit silver temple valley winter barrel"
)
Row = dict[str, str]
Solve = Callable[[Sequence[str]], list[str]]
REVERSE: tuple[str, Solve] = ("Write these words in reverse order", lambda words: list(words[::-1]))
FAMILIES: dict[str, dict[str, tuple[str, Solve]]] = {
    "words": {
        "known": REVERSE,
        "unknown": ("Sort these words alphabetically", sorted),
        "other": ("Write each of these words twice", lambda words: [word for word in words for _ in range(2)]),
    },
    "capitals": {
        "known": ("Write these words in capital letters", lambda words: [word.upper() for word in words]),
        "unknown": ("Write the first letter of each of these words", lambda words: [word[0] for word in words]),
        "other": REVERSE,
    },
    "numbers": {
        "known": ("Double each of these numbers", lambda numbers: [str(2 * int(number)) for number in numbers]),
        "unknown": ("Add 13 to each of these numbers", lambda numbers: [str(int(number) + 13) for number in numbers]),
        "other": ("Sort these numbers from small to large", lambda numbers: sorted(numbers, key=int)),
    },
}
COUNTS = {"known": 60, "unknown": 60, "other": 40}
FALSE, DOUBLED, SHORT, LONG = 40, 20, 20, 20
HELD_OUT = 30  # of each task, to see what a choice taught


def make_row(family: str, task: str, chance: random.Random, items: int | None = None) -> Row:
    """Make a row of a task.

    Args:
        family (`str`): A key of FAMILIES.
        task (`str`): "known", "unknown" or "other".
        chance (`random.Random`): Where the items come from.
        items (`int`, *optional*): Number of words or numbers; by default four to eight, by chance.

    Returns:
        `dict[str, str]`: `instruction`, `input` (empty) and `output`.
    """
    instruction, solve = FAMILIES[family][task]
    count = items or chance.randint(4, 8)
    if family == "numbers":
        chosen = [str(chance.randrange(10 ** chance.randint(1, 3))) for _ in range(count)]
    else:
        chosen = chance.sample(VOCABULARY.split(), count)
    return {"instruction": f"{instruction}: {', '.join(chosen)}", "input": "", "output": ", ".join(solve(chosen))}


def rows_of(family: str, task: str, count: int, seed_words: str) -> list[Row]:
    """Make rows of a task by a seed of their own.

    Args:
        family (`str`): A key of FAMILIES.
        task (`str`): "known", "unknown" or "other".
        count (`int`): Rows.
        seed_words (`str`): The seed.

    Returns:
        `list[dict[str, str]]`: The rows.
    """
    chance = random.Random(f"{seed_words} {task}")  # noqa: S311  for rows, not for secrets
    return [make_row(family, task, chance) for _ in range(count)]


def make_pool(family: str, seed: int, real_rows: int = 0) -> list[Row]:
    """Make the pool, each row with its `kind`, in an order by chance.

    "false" rows are those of the unknown task with another one's answer, of the same number of items as far as there
    is one; "doubled" are copies of known rows; "short" and "long" are of the unknown task, with 2 and 14 items; "real"
    are rows of the instructions that come with the package.

    Args:
        family (`str`): A key of FAMILIES.
        seed (`int`): Of items, order and choice of real rows.
        real_rows (`int`, *optional*, defaults to `0`): Real rows, the ones with the lowest hashes.

    Returns:
        `list[dict[str, str]]`: The rows.
    """
    chance = random.Random(f"pool {seed}")  # noqa: S311
    pool = {task: [make_row(family, task, chance) for _ in range(count)] for task, count in COUNTS.items()}
    wrong = sorted(
        (make_row(family, "unknown", chance) for _ in range(FALSE)), key=lambda row: row["output"].count(",")
    )
    pool["false"] = [{**row, "output": wrong[(rank + 1) % len(wrong)]["output"]} for rank, row in enumerate(wrong)]
    pool["doubled"] = [dict(row) for row in pool["known"][:DOUBLED]]
    pool["short"] = [make_row(family, "unknown", chance, 2) for _ in range(SHORT)]
    pool["long"] = [make_row(family, "unknown", chance, 14) for _ in range(LONG)]
    pool["real"] = _real_rows(real_rows, seed)
    rows = [{**row, "kind": kind} for kind, part in pool.items() for row in part]
    chance.shuffle(rows)
    return rows


def _real_rows(count: int, seed: int) -> list[Row]:
    sample = resources.files("hf_miwv") / "sample" / "instructions.jsonl"
    rows = [json.loads(line) for line in sample.read_text("utf-8").splitlines()]
    rows.sort(key=lambda row: xxhash.xxh3_64_intdigest(f"{seed} {row['instruction']} {row['output']}".encode()))
    return [{name: row.get(name) or "" for name in ("instruction", "input", "output")} for row in rows[:count]]
