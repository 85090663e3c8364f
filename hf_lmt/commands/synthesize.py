"""`hf-lmt synthesize`: texts in one language, or pairs with a pivot, to synthetic pairs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hf_lmt.commands.curate import changed_settings, curate_command, with_setting
from hf_lmt.commands.evaluate import TRANSLATING
from hf_lmt.commands.source_options import language_names_option, listed, source_fields
from hf_lmt.commands.translate import translate_command
from hf_miwv.common.command_line import json_option, show_result

CURATING = ("corpus", "split", "settings", "changes", "contamination_sets", "keep_rejects", "overwrite")
"""Options of `hf-lmt curate` that are taken here, too."""


@click.command(
    "synthesize",
    help="""
    Translate MONO, texts in one language, with MODEL, and write pairs of text and translation.

    MONO is plain text (news.en), a table with a column per language, or rows with `text` and
    `lang`. With --pivot en it holds pairs instead: their English side is translated, so that en-de
    and --into zh give zh-de. By default the translation is the source and the human text the target
    (back-translation); --as changes that. `hf-lmt prepare` keeps 5 % of the rows into English and
    Chinese unless its recipe says otherwise.

    Translations that did not end, are blank or do not fit are counted and not used; the pairs are
    curated as by `hf-lmt curate`. PAIRS opens with `load_dataset`, and is a source of `hf-lmt
    prepare`. A killed run goes on where it stopped when the same command is typed again.
    """,
)
@click.argument("mono")
@click.option("--tgt-lang", "--into", "into", required=True, metavar="CODE", help="Language to translate into (kk).")
@click.option("--output", metavar="PAIRS", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--src-lang",
    "--from",
    "language",
    metavar="CODE",
    help="The only language of MONO to read, or its language where it does not say. [default: all that it names]",
)
@click.option("--pivot", metavar="CODE", help="MONO holds pairs: translate their side in CODE.")
@click.option(
    "--as",
    "way",
    type=click.Choice(["back", "forward", "both"]),
    default="back",
    show_default=True,
    help="The translation is the source, the target, or a row each.",
)
@click.option(
    "--kind",
    help="What MONO is, where its look does not tell: text, documents or table; with --pivot as in `hf-lmt curate`.",
)
@language_names_option
@click.option("--license", "--licence", "license", help="License of MONO, for the card.")
@click.option("--model-license", "--model-licence", "model_license", help="License of MODEL, for the card.")
@json_option
def synthesize_command(
    as_json: bool,
    mono: str,
    into: str,
    output: Path,
    settings: Path | None,
    changes: tuple[str, ...],
    contamination_sets: str | None,
    language_names: str | None,
    **options: Any,
) -> None:
    """Synthesize the pairs; see the help text."""
    from hf_lmt.data.curation.curation_settings import steps_from
    from hf_lmt.synthesis.synthesis_report import show_synthesis
    from hf_lmt.synthesis.synthesize_source import synthesize_source
    from hf_miwv.common.recipes.yaml_file import load_mapping

    curation = changed_settings(load_mapping(settings) if settings else {}, changes)
    if contamination_sets is not None:
        sets = listed(contamination_sets)
        curation = with_setting(curation, "contamination", "sets", "none" if sets == ["none"] else sets)
    run = synthesize_source(
        mono,
        into,
        output,
        steps=steps_from(curation),
        **source_fields(None, language_names, None, False),
        command_line=["hf-lmt", *sys.argv[1:]],
        **options,
    )
    show_result(as_json, run, lambda: show_synthesis(run))


_shared = [
    *(option for option in translate_command.params if option.name in ("model", *TRANSLATING)),
    *(option for option in curate_command.params if option.name in CURATING),
]
synthesize_command.params += _shared
