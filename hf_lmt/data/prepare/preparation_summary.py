"""The counts of the rows at each stage, by group of directions, on screen."""

from __future__ import annotations

from hf_lmt.data.prepare.prepared_record import PreparedRecord
from hf_lmt.data.prepare.stage_counts import STAGES

HEADERS = {
    "read": "read",
    "outside_weight": "by weight",
    "curated_away": "curated away",
    "capped": "capped",
    "downsampled": "downsampled",
    "rows": "rows",
    "hinted": "hinted",
}


def show_prepared(run: PreparedRecord) -> None:
    """Print a line for each group that has rows, and one for all.

    Args:
        run (`PreparedRecord`): The record of the prepared rows.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    groups = run["counts"]["groups"]
    stages = [stage for stage in STAGES if stage != "outside_weight" or groups["all"][stage]]
    grid = Table(box=SIMPLE_HEAD, padding=0)
    grid.add_column("directions", no_wrap=True)
    for stage in stages:
        grid.add_column(HEADERS[stage], justify="right", no_wrap=True)
    for group, group_counts in groups.items():
        if group == "all":
            grid.add_section()
        grid.add_row(group, *(f"{group_counts[stage]:,}" for stage in stages))
    console = Console()
    console.print(grid)
    console.print(f"overlap with evaluation sets: {run['contamination']}")
    check = run.get("prompt_check")
    if check:
        said = f"the same on {check['rows']} rows" if check["checked"] == "yes" else "not checked"
        console.print(f"train prompt = inference prompt: {said}")
