"""The rows that curation took, in tables: on the terminal, and in the card of the folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hf_lmt.data.corpora.row_folder import front_matter
from hf_lmt.data.curation.curation_picture import PICTURE, grouped
from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import NOT_RECORDED, command_block, data_name, shown_name
from hf_miwv.common.cards.terminal import new_table, stderr_console

if TYPE_CHECKING:
    from rich.console import Console

WORST = 10  # directions shown
STEP_HEADER = ("step", "rows in", "taken", "share", "reasons")
DIRECTION_HEADER = ("direction", "before", "after", "taken", "most by")
NOT_CHECKED = "not checked: no evaluation set was compared with these rows"


def show_curation(run: Mapping[str, Any], console: Console | None = None) -> None:
    """Print a line per step, the sums by group of directions, and the directions that lost most.

    On stderr unless a console is given; all directions are in run.json.

    Args:
        run (`Mapping[str, Any]`): The record of the curation.
        console (`Console`, *optional*): Where to print; stderr by default.
    """
    console = console or stderr_console()
    counts = run["counts"]
    title = f"rows: {counts['rows_in']:,} before, {counts['rows_out']:,} after"
    for name, header, rows in (
        (title, STEP_HEADER, step_rows(counts)),
        ("directions", DIRECTION_HEADER, direction_rows(counts)),
    ):
        if header is DIRECTION_HEADER and not rows:  # one direction, and it lost no row
            continue
        shown = new_table(name, *header)
        shown.columns[-1].justify, shown.columns[-1].no_wrap = "left", False
        for row in rows:
            shown.add_row(*row)
        console.print(shown)
    if run["contamination"] == "not checked":
        console.print(f"overlap with evaluation sets: {NOT_CHECKED}")


def step_rows(counts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Describe each step in words.

    Args:
        counts (`Mapping[str, Any]`): "counts" of the record.

    Returns:
        `list[tuple[str, ...]]`: (name, rows in, rejected, share, reasons) of each step, as STEP_HEADER has it.
    """
    rows: list[tuple[str, ...]] = []
    for step in counts["steps"]:
        reasons = "; ".join(f"{reason} {rejected:,}" for reason, rejected in step["reasons"].items())
        notes = step.get("notes", {})
        reasons = notes.get("checked", reasons)  # "not checked", of contamination
        if trimmed := {side: texts for side, texts in notes.get("trimmed", {}).items() if texts}:
            reasons = "trimmed: " + ", ".join(f"{side} {count:,}" for side, count in trimmed.items())
        if without := notes.get("without"):
            reasons = "; ".join(filter(None, [reasons, f"without a score, kept: {without:,}"]))
        share = _share(step["rejected"], step["rows_in"])
        numbers = (write_number(step["rows_in"]), write_number(step["rejected"]))
        rows.append((step["name"], *numbers, share, reasons))
    return rows


def direction_rows(counts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Describe the directions that lost rows in words.

    First the sum of each group of directions, where one has several; then the directions that lost
    the largest shares, at most WORST, those that lost nothing left out.

    Args:
        counts (`Mapping[str, Any]`): "counts" of the record.

    Returns:
        `list[tuple[str, ...]]`: (direction, before, after, share taken, the step that took most), as
        DIRECTION_HEADER has it.
    """
    directions = counts["directions"]
    groups = {
        f"{name}: all {len(members)}": members for name, members in grouped(directions).items() if len(members) > 1
    }
    lost = [name for name, rows in directions.items() if rows["out"] < rows["in"]]
    lost.sort(key=lambda name: (directions[name]["out"] / directions[name]["in"], name))
    listed = {**groups, **{name: [name] for name in lost[:WORST]}}
    rows: list[tuple[str, ...]] = []
    for name, members in listed.items():
        before, after = (sum(directions[member][key] for member in members) for key in ("in", "out"))
        rejected_share = _share(before - after, before)
        numbers = (write_number(before), write_number(after))
        rows.append((name, *numbers, rejected_share, _strictest_step(counts, members)))
    return rows


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else ""


def _strictest_step(counts: Mapping[str, Any], directions: list[str]) -> str:
    """Name the step that took most of these directions' rows, and how many."""
    rejected_by_step = {
        step["name"]: sum(step["directions"][direction]["rejected"] for direction in directions)
        for step in counts["steps"]
    }
    strictest_step = max(rejected_by_step, key=lambda name: rejected_by_step[name], default=None)
    return (
        f"{strictest_step} {rejected_by_step[strictest_step]:,}"
        if strictest_step and rejected_by_step[strictest_step]
        else ""
    )


def card_text(run: Mapping[str, Any], parts: Mapping[str, int]) -> str:
    """Write the README.md of a curated folder, from its run.json.

    Args:
        run (`Mapping[str, Any]`): The record of the curation.
        parts (`Mapping[str, int]`): Rows of each part of the folder: "data", and "rejects" where they are kept.

    Returns:
        `str`: The card as Markdown, with its front matter.
    """
    record = dict(run)
    name, counts = data_name(record), run["counts"]
    settings = [
        (step, ", ".join(f"{option}: {value}" for option, value in options.items()) or "none")
        for step, options in run["settings"]["steps"].items()
    ]
    rows = direction_rows(counts)
    load = ['curated = load_dataset("<this folder or Hub id>", split="train")']
    if parts.get("rejects"):
        load.append('rejects = load_dataset("<this folder or Hub id>", "rejects", split="train")')
    checked = "compared with evaluation sets" if run["contamination"] == "checked" else NOT_CHECKED
    return "\n\n".join(
        [
            front_matter(
                record,
                f"{name}, curated",
                ["translation", "curated"],
                parts,
                counts["directions"],
                [run["data"]["license"]],
            ),
            f"# {escape(name)}, curated",
            f"Rows of translations that no filter had a reason against: {counts['rows_out']:,} of "
            f"{counts['rows_in']:,}. Overlap with evaluation sets: {checked}.",
            "## What each step took",
            "Each step sees only what those before it left. All figures are in `run.json`.",
            table(STEP_HEADER, step_rows(counts)),
            "## Directions",
            "Sums by group of directions, then the directions that lost the largest shares.",
            table(DIRECTION_HEADER, rows) if rows else "No direction lost a row.",
            f"![Rows of each direction before and after curation]({PICTURE})",
            "## Settings",
            table(("step", "settings"), settings),
            "## How it was made",
            table(("", ""), _made_rows(run)),
            "Everything that was recorded is in `run.json`.",
            "## Load it",
            "```python\nfrom datasets import load_dataset\n\n" + "\n".join(load) + "\n```",
            "## Repeat it",
            "Local paths are shown by their last part.",
            command_block(record),
            "",
        ]
    )


def _made_rows(run: Mapping[str, Any]) -> list[tuple[str, Any]]:
    data = run["data"]
    parts = (shown_name(data["source"]), data["config"], data["split"])
    versions = [f"{name} {number}" for name, number in run["versions"].items()]
    rows = {
        "data": ", ".join(part for part in parts if part),
        "data revision": data["revision"],
        "license of the data": data["license"],
        "fingerprint of the data": data["fingerprint"],
        "versions": ", ".join([f"hf_lmt {run['package']['version']}", *versions]),
    }
    return [(words, NOT_RECORDED if value is None else value) for words, value in rows.items()]
