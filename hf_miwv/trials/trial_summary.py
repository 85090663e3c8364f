"""The table on the terminal after `trial`, from its record, and the words that the page shares with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.terminal import new_table, plain, stderr_console
from hf_miwv.trials.trial_record import Compared, Seen, TrialRecord

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def show_trial(run: TrialRecord, console: Console | None = None) -> None:
    """Print the comparisons, the verdict, and what the trial could have seen.

    Args:
        run (`TrialRecord`): The record (run.json).
        console (`Console`, *optional*): Console to print on; by default stderr.
    """
    console = console or stderr_console()
    console.print(comparison_table(run))
    console.print(plain(run["verdict"]))
    for line in power_lines(run):
        console.print(plain(line))


def comparison_table(run: TrialRecord) -> Table:
    """Tabulate each method's mean, and its difference from its control with interval and corrected p-value.

    Args:
        run (`TrialRecord`): The record (run.json).

    Returns:
        `Table`: The table.
    """
    title = (
        f"{run['data']['held_out']} held-out rows, {run['settings']['seeds']} seeds, equal {run['settings']['equal']}"
    )
    table = new_table(title, "", "method", "mean", "less its control", "95 %", "p (Holm)", "", words=2)
    for compared in run["comparisons"]:
        table.add_row(plain(compared["measurement"]), *map(plain, comparison_cells(run, compared)))
    table.caption = plain("lower is better of a loss; higher of a task and of a judge's verdicts")
    table.caption_justify = "left"
    return table


def comparison_cells(run: TrialRecord, compared: Compared) -> list[str]:
    """Write a comparison for a line of a table: method, mean, difference, interval, corrected p-value, verdict.

    Args:
        run (`TrialRecord`): The record (run.json).
        compared (`Compared`): One of its comparisons.

    Returns:
        `list[str]`: The cells.
    """
    low, high = compared["interval"]
    return [
        compared["method"],
        write_number(run["arms"][compared["method"]]["means"][compared["measurement"]]),
        f"{compared['mean']:+.4f}",
        f"{low:+.4f} to {high:+.4f}",
        write_number(compared["corrected_p"]),
        compared["verdict"],
    ]


def power_lines(run: TrialRecord) -> list[str]:
    """Say how small a difference the trial could see, and what it would take to see others.

    Args:
        run (`TrialRecord`): The record (run.json).

    Returns:
        `list[str]`: A line for each measurement.
    """
    return [_power_line(seen, run["settings"]["seeds"], run["measurements"]) for seen in run["power"]]


def _power_line(seen: Seen, seeds: int, measurements: dict) -> str:
    rows = measurements[seen["measurement"]]["rows"]
    needs = "; ".join(
        f"{100 * need['share']:.0f} % ({need['size']:.3g}): "
        + (f"{need['seeds']:,} seeds" if need["seeds"] else "more than 1,000 seeds")
        + (f" or {need['rows']:,} held-out rows" if need["rows"] else "")
        for need in seen["needs"]
    )
    return (
        f"{seen['measurement']}: by the spread of the random arms, {seeds} seeds and {rows:,} held-out rows see a "
        f"difference of {seen['detectable']:.3g} four times out of five. To see one of {needs}."
    )
