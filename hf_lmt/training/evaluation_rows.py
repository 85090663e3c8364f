"""The rows that a training is watched on: those of the recipe's evaluation sets, held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_lmt.data.corpora.sources import source_from
from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.data.method.prompts import Wording, find_wording
from hf_lmt.directions import Direction
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.recipes.evaluation_section import watching_settings
from hf_lmt.training.prepared_rows import PreparedRows
from hf_lmt.training.training_tokens import Tokenized, check_embeddings, tokenize_rows
from hf_lmt.training.watching.sample import choose_sample
from hf_lmt.translation.prompt_registry import PromptStyle
from hf_miwv.common.errors import InputError

AS_TEXT = {"wording": "released", "form": "text", "thinking": "disabled"}  # after a mixture: ours


def read_evaluation_rows(sets: Sequence[Any], directions: Sequence[Direction]) -> Dataset:
    """Read the rows of the sets in these directions, set after set.

    Args:
        sets (`Sequence[Any]`): Names, paths or fields of `Source`, as in the section `evaluation`.
        directions (`Sequence[Direction]`): The directions.

    Returns:
        `Dataset`: Rows with source, target and their languages, and the hint that the set has.

    Raises:
        InputError: a set cannot be read, or none has a row in these directions.
    """
    rows = [row for evaluation_set in sets for row in _rows(evaluation_set, directions)]
    if not rows:
        raise InputError(
            f"evaluation: sets: {sets}: none has a row in the directions of the "
            "recipe; give another set, or other directions"
        )
    return Dataset.from_list(rows)


def _rows(evaluation_set: Any, directions: Sequence[Direction]) -> Iterator[dict[str, Any]]:
    opened = open_set(
        source_from(evaluation_set, "evaluation: sets") if isinstance(evaluation_set, Mapping) else evaluation_set
    )
    for direction in opened.directions():
        lines = opened.lines(direction) if direction in directions else None
        for key, source, target, hint in zip(*lines[:4], strict=True) if lines else ():
            yield {
                "source_lang": direction.source,
                "target_lang": direction.target,
                "source": source,
                "target": target,
                "auxiliary_lang": lines.hint_lang if lines and hint else None,
                "auxiliary": hint,
                "corpus": opened.name,
                "row_key": key,
            }


def style_of_rows(rows: PreparedRows) -> PromptStyle:
    """Return how the rows ask for a translation; of a mixture, which asks for none, the words as text.

    Args:
        rows (`PreparedRows`): The rows of the training.

    Returns:
        `PromptStyle`: The style, named "recipe".
    """
    prompts = rows.prompts or AS_TEXT
    wording = prompts["wording"]
    templates = Wording(**wording) if isinstance(wording, dict) else find_wording(wording)
    return PromptStyle("recipe", templates, prompts["form"], prompts["thinking"])


def prompt_evaluation(rows: Dataset, section: Mapping[str, Any], style: PromptStyle) -> Dataset:
    """Return the watched sample of the rows with plain prompts.

    Args:
        rows (`Dataset`): Rows of the sets.
        section (`Mapping[str, Any]`): The section `evaluation`.
        style (`PromptStyle`): How the prompts are made.

    Returns:
        `Dataset`: With prompt, completion and the fields of a translation.
    """
    settings = watching_settings(section)
    sample = choose_sample(rows, settings.per_direction, settings.seed, settings.directions)
    step = ParallelMultilingualPrompting(0.0, wording=style.wording, form=style.form, thinking=style.thinking)
    texts = [
        {
            "source_lang": row.direction.source,
            "target_lang": row.direction.target,
            "source": row.source,
            "target": row.target,
            "row_key": str(index),
        }
        for index, row in enumerate(sample.rows)
    ]
    return step(Dataset.from_list(texts))


def tokenize_evaluation(
    rows: Dataset,
    section: Mapping[str, Any],
    style: PromptStyle,
    tokenizer: Any,
    path: Path,
    vocabulary: int,
) -> Tokenized:
    """Tokenize the watched sample of the rows as the trainer reads them: plain prompts, loss on the target.

    Without such rows a trainer does not evaluate at all.

    Args:
        rows (`Dataset`): Of `read_evaluation_rows`.
        section (`Mapping[str, Any]`): The section `evaluation` of the recipe.
        style (`PromptStyle`): Of `style_of_rows`.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        path (`Path`): File of the tokens.
        vocabulary (`int`): Token ids that the model knows.

    Returns:
        `Tokenized`: The tokens.

    Raises:
        InputError: as `tokenize_rows`, or a row has a token that the model does not know.
    """
    prompted = prompt_evaluation(rows, section, style)
    tokens = tokenize_rows(prompted, tokenizer, None, path, progress=False)
    check_embeddings(tokens.dataset, prompted, tokenizer, vocabulary)
    return tokens
