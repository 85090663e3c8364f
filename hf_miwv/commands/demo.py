"""`hf-miwv demo`: the real job, small, on two models from the package index."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "demo",
    help="""
    The whole job on two small real models and a sample data set, offline: score, select, show.
    """,
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("miwv-demo"),
    show_default=True,
    help="Folder for the results.",
)
@click.option("--fraction", metavar="P", default="0.05", show_default=True, help="Share to keep.")
def demo_command(output: Path, fraction: str) -> None:
    """Run the demo; see the help text."""
    from hf_miwv.commands.demo_run import run_demo

    run_demo(output, fraction)
