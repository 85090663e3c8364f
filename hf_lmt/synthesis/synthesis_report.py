"""The rows that were synthesized and those that were not, in a table and in the folder's card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hf_lmt.data.corpora.row_folder import front_matter
from hf_lmt.data.curation.curation_report import NOT_CHECKED
from hf_lmt.languages import language
from hf_lmt.synthesis.synthetic_pairs import REASONS
from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import NOT_RECORDED, command_block, data_name, shown_name
from hf_miwv.common.cards.terminal import new_table, plain, stderr_console

if TYPE_CHECKING:
    from rich.console import Console

SIDES = {
    "back": "The source is the machine's, the target was written by a person (back-translation).",
    "forward": "The source was written by a person, the target is the machine's.",
    "both": "Each pair is there twice: with the machine's text as the source (back-translation), "
    "and as the target. The column `synthetic_side` says which.",
}
COLUMNS = {
    "source_lang, target_lang": "LMT's codes of the languages",
    "source, target": "the sentence and its translation",
    "auxiliary_lang, auxiliary": "with a pivot: the text that was translated, for a hint",
    "corpus": "where the text comes from, with +synthetic",
    "row_key": "a hash of corpus, the text's own key, direction and synthetic side",
    "line": "the place in a multi-way corpus, null elsewhere",
    "synthetic": "true",
    "synthetic_side": "source or target: which side a model wrote",
    "synthetic_model, synthetic_revision": "the model; its commit, or a hash of its weights",
}


def show_synthesis(run: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what became of the texts.

    Args:
        run (`Mapping[str, Any]`): The record of the synthesis.
        console (`Console`, *optional*): Where to print; stderr by default.
    """
    console = console or stderr_console()
    shown = new_table("synthetic pairs", "", "")
    for words, count in count_rows(run):
        shown.add_row(plain(words), count)
    console.print(shown)
    timing = run["timing"]
    if seconds := timing["seconds_translating"]:
        texts = sum(run["counts"]["flagged"].values()) + run["counts"]["translated"]
        console.print(
            f"{texts / seconds:.1f} lines and {timing['tokens_written'] / seconds:,.0f} "
            f"tokens a second; {timing['texts_from_earlier_work']:,} texts from earlier "
            "work",
            highlight=False,
        )
    if run["contamination"] == "not checked":
        console.print(f"overlap with evaluation sets: {NOT_CHECKED}")


def count_rows(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Count the texts, step by step, from those that were given to the rows that are written.

    Args:
        run (`Mapping[str, Any]`): The record of the synthesis.

    Returns:
        `list[tuple[str, str]]`: (step in words, count).
    """
    counts, settings = run["counts"], run["settings"]
    rows = [("texts given", counts["texts"])]
    if counts["already_in"]:
        rows.append((f"left out: in {settings['into']} already", counts["already_in"]))
    if counts["without_pivot"]:
        rows.append((f"left out: no side in {settings['pivot']}", counts["without_pivot"]))
    for reason, texts in counts["flagged"].items():
        rows.append((f"flagged: {reason}, {REASONS[reason]}", texts))
    rows.append(("translated", counts["translated"]))
    rows.append(("pairs of them", counts["pairs"]))
    for step in counts["curation"]["steps"]:
        for reason, rows_rejected in step["reasons"].items():
            rows.append((f"curated away: {step['name']}, {reason}", rows_rejected))
    rows.append(("rows written", counts["rows"]))
    return [(words, write_number(count)) for words, count in rows]


def card_text(run: Mapping[str, Any], parts: Mapping[str, int]) -> str:
    """Write the README.md of a folder of synthetic pairs, from its run.json.

    Args:
        run (`Mapping[str, Any]`): The record of the synthesis.
        parts (`Mapping[str, int]`): Rows of each part of the folder: "data", and "rejects" where they are kept.

    Returns:
        `str`: The card as Markdown, with its front matter.
    """
    record, settings, model = dict(run), run["settings"], run["model"]
    name, into = data_name(record), language(settings["into"]).name
    title = f"{name}, with synthetic {into}"
    tags = ["translation", "synthetic", "machine-generated"]
    pivot = settings["pivot"]
    via_pivot = f" by way of their {language(pivot).name} side" if pivot else ""
    load = ['pairs = load_dataset("<this folder or Hub id>", split="train")']
    if parts.get("rejects"):
        load.append('rejects = load_dataset("<this folder or Hub id>", "rejects", split="train")')
    checked = "compared with evaluation sets" if run["contamination"] == "checked" else NOT_CHECKED
    directions = [
        (direction, write_number(rows["out"])) for direction, rows in run["counts"]["curation"]["directions"].items()
    ]
    return "\n\n".join(
        [
            front_matter(
                record,
                title,
                tags,
                parts,
                dict(directions),
                [run["data"]["license"]],
            ),
            f"# {escape(title)}",
            f"**Synthetic data**, {run['rows']:,} pairs: the {into} side was written by the model "
            f"{escape(model['source'])}{via_pivot}; no person has checked it. {SIDES[settings['as']]} "
            f"Overlap with evaluation sets: {checked}.",
            "## What became of the texts",
            table(("", ""), count_rows(run)),
            "## Directions",
            table(("direction", "rows"), directions),
            "## How it was made",
            table(("", ""), _made_rows(run)),
            "## Columns",
            table(("column", "what it holds"), COLUMNS.items()),
            "## Load it",
            "```python\nfrom datasets import load_dataset\n\n" + "\n".join(load) + "\n```",
            "## Repeat it",
            "Local paths are shown by their last part.",
            command_block(record),
            "",
        ]
    )


def _made_rows(run: Mapping[str, Any]) -> list[tuple[str, Any]]:
    model, data = run["model"], run["data"]
    prompt = model["prompt"]
    unknown = "unknown; ask before you pass these rows on"
    curation = [
        f"{step} ({', '.join(f'{option}: {value}' for option, value in options.items())})" if options else step
        for step, options in run["settings"]["steps"].items()
    ]
    versions = [f"{name} {number}" for name, number in run["versions"].items()]
    return [
        ("model", model["source"]),
        ("model revision", model["revision"]),
        ("license of the model", model["license"] or unknown),
        ("weights", model["made_by"]["model"]),
        ("decoding", _decoding_words(model)),
        ("prompt", f"{prompt['name']}, {prompt['form']}, SHA-256 {prompt['sha256']}"),
        ("wording", repr(prompt["wording"]["plain"])),
        ("data", shown_name(data["source"])),
        ("license of the data", data["license"] or NOT_RECORDED),
        ("fingerprint of the data", data["fingerprint"]),
        ("curation", "; ".join(curation) or "none"),
        ("versions", ", ".join([f"hf_lmt {run['package']['version']}", *versions])),
    ]


def _decoding_words(model: Mapping[str, Any]) -> str:
    beams = model["made_by"]["beams"]
    search = "greedy" if beams == 1 else f"beam search, {beams} beams"
    fewer = ", fewer for short texts" if model["length_caps"] else ""
    hints = "" if model["hints"] == "none" else f", hints {model['hints']}"
    return f"{search}, at most {model['max_new_tokens']} new tokens{fewer}{hints}"
