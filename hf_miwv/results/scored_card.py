"""The data set card (README.md) of an output folder, filled from its run.json and nothing else.

Text that comes from data sets, paths or file names is escaped wherever it enters the Markdown,
and the front matter is written by a YAML library, so that no name can break either. Local paths
are shown by their last part only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.numbers import write_number, write_share
from hf_miwv.common.cards.parts import (
    NOT_RECORDED,
    command_block,
    data_name,
    markdown_environment,
    run_digest,
    shown_name,
    size_category,
)
from hf_miwv.common.hub.license import license_words
from hf_miwv.results.card_tables import (
    column_rows,
    count_rows,
    fifth_rows,
    length_table,
    made_rows,
    quantile_table,
    response_table,
    score_table,
)
from hf_miwv.results.card_words import SEEN_OF_MIWV, correlation_words, length_words
from hf_miwv.results.methods import LOW, method_label, method_words
from hf_miwv.results.scored_record import ScoredRecord


def write_card(run: ScoredRecord, pictures: list[str], folder: Path) -> None:
    """Write README.md to `folder` from the run.json `run` and the PNGs that lie beside it.

    A score's run is described by `scored_card.md.jinja`, a selection's by `chosen_card.md.jinja`.

    Args:
        run (`ScoredRecord`): The record (run.json).
        pictures (`list[str]`): Names of the PNGs that lie beside it.
        folder (`Path`): The folder.
    """
    text = render_card(run, pictures)
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")


def render_card(run: ScoredRecord, pictures: list[str]) -> str:
    """Render the card as text; run["timing"] is not used, so equal runs have equal cards.

    Args:
        run (`ScoredRecord`): The record (run.json).
        pictures (`list[str]`): Names of the PNGs that lie beside it.

    Returns:
        `str`: The card.
    """
    environment = markdown_environment()
    environment.filters.update(number=write_number, escape=escape)
    environment.globals.update(
        correlation_words=correlation_words,
        length_words=length_words,
        share=write_share,
        length_table=length_table,
        quantile_table=quantile_table,
        score_table=score_table,
        command_block=command_block,
        method_words=method_words,
        response_table=response_table,
        seen_of_miwv=SEEN_OF_MIWV,
    )
    template = "scored_card.md.jinja" if run["command"] == "score" else "chosen_card.md.jinja"
    return environment.get_template(template).render(_values(run, pictures))


def _values(run: ScoredRecord, pictures: list[str]) -> dict[str, Any]:
    """Return the templates' variables. `scoring_run` is the run that scored, None where it was not recorded."""
    scoring_run = run if run["command"] == "score" else run["scored_run"]
    if scoring_run and not scoring_run["model"]:
        scoring_run = None
    return {
        "run": run,
        "made": scoring_run,
        "statistics": run["statistics"],
        "pictures": pictures,
        "front_matter": front_matter(run),
        "name": escape(data_name(run)),
        "model": escape(shown_name(scoring_run["model"]["source"])) if scoring_run else "whose name is not recorded",
        "license": license_sentence(run),
        "counts": table(("", "rows"), count_rows(run)),
        "fifths": table(("cosine from", "to", "median MIWV"), fifth_rows(run["statistics"])),
        "columns": table(("column", "what it holds"), column_rows(run)),
        "chosen_by": method_label(chosen_by(run)),
        "how_made": table(("", ""), made_rows(scoring_run)) if scoring_run else NOT_RECORDED,
    }


def front_matter(run: ScoredRecord) -> str:
    """Return the YAML block at the head of the card, which tells the Hub where the data lies.

    Args:
        run (`ScoredRecord`): The record (run.json).

    Returns:
        `str`: The block, with its marks.
    """
    import yaml

    kind = "scored" if run["command"] == "score" else "chosen"
    method = chosen_by(run)
    content: dict[str, Any] = {
        "pretty_name": f"{data_name(run)}, {kind} by {method_label(method)}",
        "task_categories": ["text-generation"],
        "tags": ["instruction-tuning", "data-selection", method.removesuffix(LOW)],
        "size_categories": [size_category(run["statistics"]["rows"])],
        "configs": [
            {
                "config_name": kind,
                # A word that changes with the rows; `run_digest` says why.
                "description": f"run {run_digest(run)}",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }
    if run["data"] and run["data"].get("license"):
        content["license"] = run["data"]["license"]
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6)}---"


def chosen_by(run: ScoredRecord) -> str:
    """Return the method that the rows are ranked by: MIWV, or the method that a selection asked for.

    Args:
        run (`ScoredRecord`): The record (run.json).

    Returns:
        `str`: One of METHODS.
    """
    return "miwv" if run["command"] == "score" else run["selection"]["method"]


def license_sentence(run: ScoredRecord) -> str:
    """Say under which license the rows came, which are passed on here.

    Args:
        run (`ScoredRecord`): The record (run.json).

    Returns:
        `str`: The sentence.
    """
    license = license_words((run["data"] or {}).get("license"))
    if license is None:
        return "License of the data: not recorded. Look it up before you pass these rows on."
    return f"License of the data: {escape(license)}."
