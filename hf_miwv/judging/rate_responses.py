"""AlpaGasus (arXiv 2307.08701): a judge rates each response from 0 to 5."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.judging.rating_question import RATING_FORM, rating_prompt_sha256, rating_question
from hf_miwv.judging.verdicts import Judge, collect_verdicts

logger = logging.getLogger(__name__)


class ResponseRatings(NamedTuple):
    """Hold the ratings of N responses.

    Attributes:
        ratings (`np.ndarray`): (N,) float64 from 0 to 5; nan where there is none.
        questions (`int`): Questions that differ from one another: copies of a row are asked for once.
        unreadable (`int`): Responses whose rating cannot be read, though it was asked for twice.
        refused (`int`): Responses that the judge did not take.
    """

    ratings: np.ndarray
    questions: int
    unreadable: int
    refused: int


def rate_responses(
    judge: Judge,
    dimension: str,
    pairs: Sequence[tuple[str, str] | None],
    workspace: Workspace,
    progress: bool = True,
) -> ResponseRatings:
    """Ask the judge for a rating of each response; every reply is written down when it comes.

    Args:
        judge (`Judge`): The judge.
        dimension (`str`): What is rated.
        pairs (`Sequence[tuple[str, str] | None]`): (N,) what was asked and what was answered; None is not rated.
        workspace (`Workspace`): Holds the journal.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.

    Returns:
        `ResponseRatings`: The ratings.

    Raises:
        InputError: the judge cannot be asked at all, or refuses every response.
    """
    asked_in = [judge.identity, rating_prompt_sha256(), dimension]
    keys = [
        None if pair is None else hashlib.sha256(json.dumps([*asked_in, *pair], sort_keys=True).encode()).hexdigest()
        for pair in pairs
    ]
    questions = {
        key: rating_question(dimension, *pair)
        for key, pair in zip(keys, pairs, strict=True)
        if key is not None and pair is not None
    }
    verdicts = collect_verdicts(judge, questions, workspace, progress, RATING_FORM)
    ratings = np.full(len(pairs), np.nan)
    refusals, unreadable = [], []
    for row, key in enumerate(keys):
        if key is None:
            continue
        verdict = verdicts[key]
        if verdict.scores is not None:
            (ratings[row],) = verdict.scores
        elif verdict.refusal is not None:
            refusals.append(verdict.refusal)
        else:
            unreadable.append(verdict.replies[-1])
    if refusals and len(refusals) == len(pairs) - keys.count(None):
        raise InputError(f"the judge refuses all {len(refusals)} responses; the first with: {refusals[0]}")
    if refusals:
        logger.warning("the judge refuses %d responses; the first with: %s", len(refusals), refusals[0])
    if unreadable:
        logger.warning(
            "%d of %d replies have no readable rating; the first begins: %.80r",
            len(unreadable),
            len(pairs) - keys.count(None),
            unreadable[0],
        )
    return ResponseRatings(ratings, len(questions), len(unreadable), len(refusals))
