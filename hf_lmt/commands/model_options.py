"""Options of commands that load the model to translate with."""

from __future__ import annotations

import click

from hf_miwv.common.command_line import options

weight_options = options(
    click.option(
        "--dtype",
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        default="auto",
        show_default=True,
        help="Of the weights; auto: the checkpoint's.",
    ),
    click.option("--load-in-8bit", is_flag=True, help="8-bit weights."),
    click.option("--load-in-4bit", is_flag=True, help="4-bit weights (NF4)."),
    click.option("--device", help="cpu, cuda, cuda:1, mps. [default: the accelerator at hand]"),
)
"""--dtype, --load-in-8bit, --load-in-4bit and --device."""
