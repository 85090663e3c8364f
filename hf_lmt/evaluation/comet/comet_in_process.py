"""COMET scores of an evaluation by our own models, in blocks that a killed run does not lose."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

from hf_lmt.comet.comet_model import CometModel
from hf_lmt.evaluation.comet.comet import BLOCK, JOURNAL, SentenceScores, json_rows, sentence_scores
from hf_lmt.evaluation.metrics.corpus_scores import check_texts
from hf_lmt.evaluation.metrics.signatures import signature
from hf_miwv.common.runs.workspace import Workspace


def score_in_process(
    model: CometModel,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str] | None,
    workspace: Path,
) -> SentenceScores:
    """Score each row by a loaded COMET model.

    As with `CometScorer`, blocks of 512 rows lie in `workspace` as soon as they are done; the same call goes
    on behind them, with the same blocks, and so the same scores.

    Args:
        model (`CometModel`): The model.
        sources (`Sequence[str]`): (S,) texts.
        hypotheses (`Sequence[str]`): (S,) texts.
        references (`Sequence[str]`, *optional*): (S,) texts; None for a model without references.
        workspace (`Path`): A folder for unfinished work, gone after success.

    Returns:
        `SentenceScores`: (S,) scores, with a signature that names model, dtype and this implementation.

    Raises:
        InputError: The lists differ in length, are empty or hold something other than text.
    """
    columns = {"sources": sources, "hypotheses": hypotheses}
    check_texts(**columns, **({} if references is None else {"references": references}))
    signed = signature(model=model.identity, dtype=str(model.encoder.dtype).removeprefix("torch."), comet="hf_lmt")
    digest = hashlib.sha256("\n".join(json_rows(sources, hypotheses, references)).encode()).hexdigest()
    with Workspace(workspace) as work:
        work.claim({"model": signed, "rows": digest, "block": BLOCK})
        done = work.read_journal(JOURNAL)
        for start in range(BLOCK * len(done), len(sources), BLOCK):
            rows = slice(start, start + BLOCK)
            values = model.score(sources[rows], hypotheses[rows], None if references is None else references[rows])
            block = {
                "signature": signed,
                "scores": [value if math.isfinite(value) else None for value in values.tolist()],
            }
            work.append_journal(JOURNAL, block)
            done.append(block)
    return sentence_scores(done, model.identity)
