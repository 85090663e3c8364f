"""The tables on the terminal after `compare`, from its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.terminal import new_table, plain, stderr_console
from hf_miwv.comparing.comparison_pictures import percent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MAX_SOURCES = 5  # columns of sources that fit side by side


def show_comparison(report: dict[str, Any], console: Console | None = None) -> None:
    """Print a report of `comparison.compare`.

    The rows that each MIWV ranking (or the first ranking, if there is none) has in common with the
    others, then every choice by itself, then the methods that were left out.

    Args:
        report (`dict[str, Any]`): The report.
        console (`Console`, *optional*): Console to print on; by default stderr.
    """
    console = console or stderr_console()
    for name in references(report):
        console.print(overlap_table(report, name))
    for share in report["fractions"]:
        console.print(choice_table(report, share))
        if report["sources"]:
            console.print(source_table(report, share))
    for line in left_out(report):
        console.print(plain(line))


def references(report: dict[str, Any]) -> list[str]:
    """List the rankings that the others are held against: those by miwv, or else the first.

    Args:
        report (`dict[str, Any]`): The report.

    Returns:
        `list[str]`: Their names.
    """
    rankings = report["rankings"]
    return [name for name in rankings if rankings[name]["method"] == "miwv"] or [*rankings][:1]


def choice_notes(report: dict[str, Any], share: str) -> list[str]:
    """Say why choices at this fraction are not of the size that was asked for, each reason once.

    Args:
        report (`dict[str, Any]`): The report.
        share (`str`): The fraction.

    Returns:
        `list[str]`: The reasons, with the choices that they hold for.
    """
    names: dict[str, list[str]] = {}
    for name, choice in report["fractions"][share]["choices"].items():
        if choice["note"]:
            names.setdefault(choice["note"], []).append(name)
    return [
        note if len(noted) == len(report["rankings"]) else f"{note} ({', '.join(noted)})"
        for note, noted in names.items()
    ]


def left_out(report: dict[str, Any]) -> list[str]:
    """Say which methods were left out of which folders and why, each method and reason once.

    Args:
        report (`dict[str, Any]`): The report.

    Returns:
        `list[str]`: A line for each.
    """
    folders: dict[tuple[str, str], list[str]] = {}
    for entry in report["left_out"]:
        folders.setdefault((entry["method"], entry["reason"]), []).append(entry["folder"])
    return [f"left out: {method} of {', '.join(names)}: {reason}" for (method, reason), names in folders.items()]


def overlap_table(report: dict[str, Any], reference: str) -> Table:
    """Tabulate one line per other ranking: rank correlation, and per fraction the rows that both choices keep.

    Args:
        report (`dict[str, Any]`): The report.
        reference (`str`): The ranking that the others are held against.

    Returns:
        `Table`: The table.
    """
    table = new_table("", "", "rank corr.", *(f"top {percent(share)}" for share in report["fractions"]))
    table.title = plain(f"{reference}: % of its choice that others make too (by chance)")
    for name in report["rankings"]:
        if name != reference:
            correlation = report["spearman"]["correlation"][reference][name]
            shared = [
                f"{100 * part['overlap'][reference][name]:.0f} % ({100 * part['expected'][reference][name]:.0f} %)"
                for part in report["fractions"].values()
            ]
            table.add_row(plain(name), write_number(correlation), *shared)
    return table


def choice_table(report: dict[str, Any], share: str) -> Table:
    """Tabulate one line per choice at this fraction: rows, rows of it alone, response tokens.

    Args:
        report (`dict[str, Any]`): The report.
        share (`str`): The fraction.

    Returns:
        `Table`: The table.
    """
    table = new_table(
        f"choices of {percent(share)}: response tokens",
        "",
        "rows",
        "only here",
        "10 %",
        "median",
        "mean",
        "90 %",
    )
    choices = report["fractions"][share]["choices"]
    several = len(report["folders"]) > 1
    for folder in report["folders"]:
        label = f"{folder['name']}: all scored" if several else "all scored"
        table.add_row(plain(label), write_number(folder["scored"]), "", *_lengths(folder["lengths"]))
    for name, choice in choices.items():
        numbers = write_number(choice["kept"]), write_number(choice["only"])
        table.add_row(plain(name), *numbers, *_lengths(choice["lengths"]["chosen"]))
    notes = choice_notes(report, share)
    if notes:
        table.caption = plain("; ".join(notes))
        table.caption_justify = "left"
    return table


def source_table(report: dict[str, Any], share: str) -> Table:
    """Tabulate one line per choice at this fraction: % of its rows of each of the largest sources.

    Args:
        report (`dict[str, Any]`): The report.
        share (`str`): The fraction.

    Returns:
        `Table`: The table.
    """
    sources = list(report["sources"]["rows"])[:MAX_SOURCES]
    named = sum(report["sources"]["rows"][source] for source in sources)
    others = named < report["rows"]  # are there rows of further sources?
    table = new_table(f"choices of {percent(share)}: % of rows by source", "")
    for source in [*sources, *["others"] * others]:
        table.add_column(plain(source), justify="right", no_wrap=True, max_width=16)
    choices = report["fractions"][share]["choices"]
    parts = {"all rows": report["sources"], **{name: choices[name]["sources"] for name in choices}}
    for name, part in parts.items():
        whole = sum(part["rows"].values()) + part["others"]
        counts = [part["rows"][source] for source in sources]
        counts += [whole - sum(counts)] * others
        table.add_row(plain(name), *(f"{100 * count / whole:.0f} %" for count in counts))
    table.show_header = True
    return table


def _lengths(lengths: dict[str, Any]) -> list[str]:
    names = ("quantile_10", "median", "mean", "quantile_90")
    return [write_number(lengths[name], 0) for name in names]
