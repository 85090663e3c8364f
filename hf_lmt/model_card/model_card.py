"""The card (README.md) of a translation model, filled from what was recorded and nothing else.

Text that comes from data, paths or recipes is escaped wherever it enters the Markdown, and the
metadata is written by a YAML library. Local paths are shown by their last part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.metrics.judgeable import why_unreliable
from hf_lmt.model_card import paper
from hf_lmt.model_card.made import (
    language_header,
    language_rows,
    movement_rows,
    reward_rows,
    setting_rows,
    source_rows,
)
from hf_lmt.model_card.metadata import CardAdditions, base_model, front_matter, recorded
from hf_lmt.model_card.owner_words import marked
from hf_lmt.model_card.results import HEAT_MAP, sections
from hf_lmt.model_card.subject import Subject, trained
from hf_lmt.model_card.trained_record import TrainedRecord
from hf_lmt.model_card.usage import example_direction, transformers_lines, translator_lines
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import command_block, markdown_environment, shown_name
from hf_miwv.common.hub.hub_card import HERE

CARD = "README.md"
CURVE = "training_curve.png"
TEMPLATE = "model_card.md.jinja"


def write_trained_card(run: TrainedRecord, folder: Path) -> None:
    """Write the card of a model just trained to its folder, beside the curve of the loss.

    Args:
        run (`TrainedRecord`): run.json of the training.
        folder (`Path`): Folder of the model.
    """
    text = render_model_card(trained(run))
    (folder / CARD).write_text(text, encoding="utf-8", newline="\n")


def render_model_card(
    subject: Subject,
    evaluations: Sequence[Evaluation] = (),
    additions: CardAdditions | None = None,
    words: str = "",
) -> str:
    """Render the card as text; equal records give equal cards.

    Args:
        subject (`Subject`): The model.
        evaluations (`Sequence[Evaluation]`, *optional*, defaults to `()`): Evaluations of this model; each lies
            in eval/ beside the card.
        additions (`CardAdditions`, *optional*): A person's additions to the recorded facts.
        words (`str`, *optional*, defaults to `""`): Words of the card's owner, for between the markers.

    Returns:
        `str`: Markdown with front matter.
    """
    additions = additions or CardAdditions()
    environment = markdown_environment()
    environment.filters.update(number=write_number, escape=escape)
    source = files("hf_lmt").joinpath("templates", TEMPLATE).read_text("utf-8")
    base = base_model(subject, additions)
    size = paper.paper_size(base or subject.base)
    title = _title(subject, additions)
    return environment.from_string(source).render(
        front_matter=front_matter(subject, evaluations, additions, title),
        title=escape(title),
        subject=subject,
        run=subject.run,
        base=escape(base or shown_name(subject.base)),
        base_on_hub=base is not None,
        name=_name(subject, additions),
        words=marked(words),
        curve=CURVE,
        heat_map=HEAT_MAP,
        example=example_direction(subject.directions),
        transformers_lines=transformers_lines(subject, _name(subject, additions)),
        translator_lines=translator_lines(subject, _name(subject, additions)),
        languages=table(language_header(subject), language_rows(subject)),
        doubtful=[LANGUAGES[code].name for code in subject.codes if why_unreliable("comet-22", code)],
        evaluations=sections(evaluations, size),
        paper=_paper(size) if size and not evaluations else None,
        sources=table(("corpus", "from", "license", "rows read"), source_rows(subject)),
        settings=table(("", ""), setting_rows(subject)),
        movement=table(("group", "measure", "first evaluation", "last"), movement_rows(subject)),
        rewards=table(("function", "weight", "model", "gates"), reward_rows(subject)) if subject.by_rewards else None,
        thinned=subject.settings["downsampling"],
        recipe=_fenced(subject.recipe_text, "yaml"),
        command=command_block(subject.run) if subject.run else None,
    )


def _title(subject: Subject, additions: CardAdditions) -> str:
    """Return the repository's name, else the base's with the purpose of the training."""
    if repository := additions.repository or recorded(subject, "repo_id"):
        return repository.rpartition("/")[2]
    purpose = "on monolingual and parallel text" if subject.prompts is None else "to translate"
    return f"{shown_name(base_model(subject, additions) or subject.base)}, trained {purpose}"


def _name(subject: Subject, additions: CardAdditions) -> str:
    """Return the name to load: the repository where it is known."""
    return additions.repository or recorded(subject, "repo_id") or HERE


def _paper(size: str) -> dict[str, str]:
    headers = [f"{words}, COMET-22 / BLEU" for words in paper.WAYS.values()]
    return {
        "size": size,
        "groups": table(("", *paper.TITLES.values()), paper.group_rows(size)),
        "languages": table(("language", *headers), paper.language_rows(size)),
    }


def _fenced(text: str, kind: str) -> str:
    """Write a block of code that its text cannot close."""
    # A fence ends at as many ticks as it began with: one more than the text has in a row cannot be closed by it.
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text.rstrip()}\n{fence}"
