"""The tables on the terminal after `judge`, from its run.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_miwv.common.cards.numbers import write_number, write_share
from hf_miwv.common.cards.terminal import new_table, plain, stderr_console
from hf_miwv.judging.judged_record import JudgedRecord, PairFacts, Tally

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def show_judged(run: JudgedRecord, console: Console | None = None) -> None:
    """Print win scores, the pairs without a verdict and the influence of the order.

    Args:
        run (`JudgedRecord`): The record (run.json).
        console (`Console`, *optional*): Console to print on; by default stderr.
    """
    console = console or stderr_console()
    console.print(score_table(run))
    console.print(count_table(run))


def score_table(run: JudgedRecord) -> Table:
    """Tabulate wins, ties, losses and win score with its interval: all pairs, then each test set.

    Args:
        run (`JudgedRecord`): The record (run.json).

    Returns:
        `Table`: The table.
    """
    file_a, file_b = (run["answers"][name]["file"] for name in ("a", "b"))
    header = ("", "judged", "wins", "ties", "losses", "win score", "95 %")
    table = new_table("A against B; 1 is parity", *header)
    for name, counts in {"all": run["scores"]["all"], **run["scores"]["sets"]}.items():
        numbers = map(write_number, (counts["judged"], counts["wins"], counts["ties"], counts["losses"]))
        score = write_number(counts["win_score"])
        table.add_row(plain(name), *numbers, score, write_interval(counts))
    table.caption = plain(f"A: {file_a}; B: {file_b}; win score: (wins − losses) / judged + 1")
    table.caption_justify = "left"
    return table


def count_table(run: JudgedRecord) -> Table:
    """Tabulate lines without a partner, pairs without a verdict, and the influence of the order.

    Args:
        run (`JudgedRecord`): The record (run.json).

    Returns:
        `Table`: The table.
    """
    pairs, scores = run["pairs"], run["scores"]["all"]
    table = new_table("pairs", "", "")
    for words, count in count_rows(pairs, scores):
        table.add_row(words, count)
    return table


def count_rows(pairs: PairFacts, scores: Tally) -> list[tuple[str, str]]:
    """Put the counts of a run in words, for table and card.

    Args:
        pairs (`PairFacts`): run["pairs"].
        scores (`Tally`): run["scores"]["all"].

    Returns:
        `list[tuple[str, str]]`: Words and number of each count.
    """
    higher, orders = scores["higher"], sum(scores["higher"].values())
    return [
        (f"matched by {pairs['matched_by']}", write_number(scores["pairs"])),
        ("lines of A without a partner", write_number(pairs["only_in_a"])),
        ("lines of B without a partner", write_number(pairs["only_in_b"])),
        ("empty answers of A", write_number(pairs["empty_answers"]["a"])),
        ("empty answers of B", write_number(pairs["empty_answers"]["b"])),
        ("judged", write_share(scores["judged"], scores["pairs"])),
        (
            "left out: a reply that cannot be read",
            write_share(scores["unparseable"], scores["pairs"]),
        ),
        ("left out: refused by the judge", write_share(scores["refused"], scores["pairs"])),
        ("both orders agree", write_share(scores["orders_agree"], scores["judged"])),
        ("answer shown first scored higher", write_share(higher["first"], orders)),
        ("answer shown second scored higher", write_share(higher["second"], orders)),
        ("both scored alike", write_share(higher["equal"], orders)),
    ]


def write_interval(counts: Tally) -> str:
    """Write the interval of a win score for print.

    Args:
        counts (`Tally`): The result of `tally`.

    Returns:
        `str`: The interval; a dash where there is none.

    >>> write_interval({"interval": [0.9, 1.25]})
    '0.900 to 1.250'
    """
    if counts["interval"] is None:
        return write_number(None)
    low, high = counts["interval"]
    return f"{low:.3f} to {high:.3f}"
