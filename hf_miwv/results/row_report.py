"""Sentences about rows before they are scored: faults, what is not used, what a trainer will do."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hf_miwv.prompts.tokenization import TokenizedRows
from hf_miwv.results.scored_record import ScoredRecord

FIRST_KINDS = 5  # of faults that a line on the screen lists

logger = logging.getLogger(__name__)


def tell_of_rows(table: TokenizedRows, trainer_max_length: int, columns_not_read: Sequence[str] = ()) -> None:
    """Log once each: unreadable rows, what is not rendered, what a trainer will do otherwise.

    Args:
        table (`TokenizedRows`): The rows.
        trainer_max_length (`int`): Tokens at which the trainer will cut a row.
        columns_not_read (`Sequence[str]`, *optional*, defaults to `()`): Columns of the data set that are no
            part of prompt or response.
    """
    rows = len(table)
    if columns_not_read:
        logger.info("no part of prompt or response: the columns %s", ", ".join(columns_not_read))
    if table.faults:
        kinds = table.fault_counts()[:FIRST_KINDS]
        logger.warning(
            "%d of %d rows cannot be read: kept in place without a score (%s)",
            len(table.faults),
            rows,
            "; ".join(f"{kind['rows']} x {kind['fault']}" for kind in kinds),
        )
    if table.unused:
        logger.warning(
            "the rows have, and the template does not render, so that it is neither scored nor trained on: %s",
            ", ".join(f"{name} ({count} rows)" for name, count in table.unused.most_common()),
        )
    if table.lost_prompt_ends:
        logger.warning(
            "%d of %d rows: the template ends the prompt otherwise when it stands alone; that end "
            "is left out, as in training with trl",
            table.lost_prompt_ends,
            rows,
        )
    cut = table.trainer_counts(trainer_max_length)
    if any(cut.values()):
        logger.warning(
            "a trainer with max_length %d will cut the responses of %d rows and never see those "
            "of %d (--trainer-max-length, if yours is another)",
            trainer_max_length,
            cut["responses_cut"],
            cut["responses_gone"],
        )
    if table.earlier_answers:
        logger.info(
            "%d of %d rows have answers before the last one: a trainer may learn from them, and "
            "the score is over the last one alone",
            table.earlier_answers,
            rows,
        )


def row_remarks(run: ScoredRecord) -> list[tuple[str, int]]:
    """List the same remarks from the run.json of a scoring; older ones have none.

    Args:
        run (`ScoredRecord`): The record.

    Returns:
        `list[tuple[str, int]]`: Words, and the number of rows.
    """
    trainer = run.get("trainer") or {}
    remarks = [(f"{name}: in the rows, not rendered", count) for name, count in (run.get("unused") or {}).items()]
    remarks += [(f"cannot be read: {kind['fault']}", kind["rows"]) for kind in run.get("unreadable") or ()]
    length = trainer.get("max_length")
    words = {
        "prompt_ends_lost": "the end of the prompt, rendered alone, is left out",
        "responses_cut": f"response cut by a trainer with max_length {length}",
        "responses_gone": f"response beyond a trainer's max_length {length}",
        "earlier_answers_not_scored": "earlier answers that are not scored",
    }
    return remarks + [(text, trainer[name]) for name, text in words.items() if trainer.get(name)]
