"""`hf-lmt languages`: the registry on screen, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hf_miwv.common.command_line import json_option, show_result

if TYPE_CHECKING:
    from rich.table import Table

    from hf_lmt.registry import Language


@click.command(
    "languages",
    help="""
    Show the languages: their names in prompts, tiers, scripts, auxiliaries, codes elsewhere.

    Without CODE all of them, a line each: the auxiliary language of a hint, the code in FLORES+,
    sacreBLEU's tokenizer, and whether COMET can be relied on. With one CODE or several (kk yue)
    all that is known of these.
    """,
)
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@json_option
def languages_command(codes: tuple[str, ...], as_json: bool) -> None:
    """Show the languages; see the help text."""
    from hf_lmt.languages import language
    from hf_lmt.registry import LANGUAGES

    chosen = [language(code) for code in codes] or list(LANGUAGES.values())
    show_result(
        as_json,
        {"languages": [asdict(chosen_language) for chosen_language in chosen]},
        lambda: _show(chosen, bool(codes)),
    )


def _show(chosen: Sequence[Language], whole: bool) -> None:
    """Print the languages, a line each, or all that is known of them."""
    from rich.console import Console

    from hf_lmt.directions import DIRECTIONS, PAIRS

    console = Console()
    if whole:
        for chosen_language in chosen:
            console.print(_language_table(chosen_language))
        return
    console.print(_overview(chosen))
    console.print(
        f"{len(chosen)} languages, {len(PAIRS)} pairs, {len(DIRECTIONS)} directions: each with en, each with zh"
    )


def _overview(chosen: Sequence[Language]) -> Table:
    """Tabulate the languages, a line each, within 80 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=0)
    for header in ("code", "name in prompts", "tier", "scripts", "hint", "FLORES+", "BLEU", "COMET"):
        table.add_column(header, no_wrap=True)
    for chosen_language in chosen:
        table.add_row(
            chosen_language.code,
            chosen_language.name,
            chosen_language.tier,
            " ".join(chosen_language.scripts),
            chosen_language.auxiliary,
            chosen_language.flores_plus,
            chosen_language.sacrebleu_tokenizer,
            chosen_language.comet,
        )
    return table


def _language_table(chosen_language: Language) -> Table:
    """Tabulate all fields of a language, a line each, under the names that Python has for them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = f"{chosen_language.code}: {chosen_language.name}"
    table = Table(box=SIMPLE_HEAD, show_header=False, title=title, title_justify="left")
    for field, value in asdict(chosen_language).items():
        table.add_row(field, _in_words(value))
    return table


def _in_words(value: str | bool | tuple[str, ...] | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    return "none" if value is None else value
