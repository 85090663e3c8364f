"""judge_answers(): two files of answers and a judge in, verdicts and a win score out."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.folder import (
    read_record,
    write_folder,
)
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.record import new_record
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.judging.answer_pairs import Pair, Pairs, pair_answers, read_answers
from hf_miwv.judging.judged_card import write_judged_card
from hf_miwv.judging.judged_record import AnswerFile, JudgedRecord
from hf_miwv.judging.outcome_picture import draw_outcomes
from hf_miwv.judging.question import PROTOCOL, judge_question, prompt_sha256
from hf_miwv.judging.verdicts import Judge, Verdict, collect_verdicts, verdict_key
from hf_miwv.judging.win_score import CONFIDENCE, RESAMPLES, Judged, tally, tally_sets

SCORES = ("a_first_score_a", "a_first_score_b", "b_first_score_a", "b_first_score_b")
FEATURES = Features(
    {name: Value("string") for name in ("id", "set", "prompt", "answer_a", "answer_b", "outcome", "status")}
    | {name: Value("float64") for name in SCORES}
    | {name: List(Value("string")) for name in ("a_first_replies", "b_first_replies")}
    | {"refusal": Value("string")}
)

logger = logging.getLogger(__name__)


def judge_answers(
    a: Path,
    b: Path,
    judge: Judge,
    output: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> JudgedRecord:
    """Judge A's answers against B's in both orders, write the folder `output`, return its record.

    The protocol of arXiv 2511.07074: win, tie or lose of each pair over both orders, win score =
    (wins - losses) / judged pairs + 1, over all pairs and for each test set; see `judge_scores`.
    Pairs with a reply that cannot be read (asked for twice), or that the judge refuses, have no
    outcome, are counted, and left out of the score. An empty answer is judged as it is, and
    counted.

    Every verdict is written down in OUTPUT.work when it comes, under a hash of judge, question
    and order; a later call, also with more answers, asks only for the others.

    Args:
        a (`Path`): JSON Lines file of A's answers, see `read_answers`.
        b (`Path`): JSON Lines file of B's answers; matched with A's by `pair_answers`.
        judge (`Judge`): The judge to ask.
        output (`Path`): The folder to write.
        seed (`int`, *optional*, defaults to `0`): Seed of the bootstrap interval.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output` where it holds something.
        origin (`Mapping[str, Any]`, *optional*): Facts of the command for run.json ("command_line").
        progress (`bool`, *optional*, defaults to `True`): Show a bar.

    Returns:
        `JudgedRecord`: The record of the run, as run.json has it.

    Raises:
        InputError: Files that cannot be read or matched, an output that holds something else, a
            judge that cannot be asked, or that refuses every pair.
    """
    folder_run = FolderRun(output, overwrite, inputs=[a, b])
    answers = [read_answers(path) for path in (a, b)]
    matched = pair_answers(*answers)
    files: dict[str, AnswerFile] = {
        name: {"file": path.name, "rows": len(rows), "sha256": _sha256(path)}
        for name, path, rows in zip("ab", (a, b), answers, strict=True)
    }
    identity = {
        "answers of A": files["a"]["sha256"],
        "answers of B": files["b"]["sha256"],
        "judge": judge.identity,
        "judge's question": prompt_sha256(),
        "seed": seed,
    }
    if folder_run.is_finished(identity):
        return read_record(output) or JudgedRecord()
    with folder_run.work() as workspace:
        began = time.perf_counter()
        verdicts = _ask(judge, matched.pairs, workspace, progress)
        outcomes = [_judged(pair.test_set, *both) for pair, both in zip(matched.pairs, verdicts, strict=True)]
        rows = [
            _row(pair, judged, *both) for pair, judged, both in zip(matched.pairs, outcomes, verdicts, strict=True)
        ]
        _tell_of_gaps(rows)
        run = _record(origin or {}, files, matched, judge, outcomes, seed)
        run["identity"] = identity
        run["timing"] = {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": {"judge": round(time.perf_counter() - began, 3)},
        }

        def decorate(folder: Path) -> None:
            write_judged_card(run, draw_outcomes(run["scores"], folder), folder)

        dataset = Dataset.from_list(rows, features=FEATURES)
        write_folder(output, workspace, dataset, run, decorate)
    return run


def _ask(judge: Judge, pairs: Sequence[Pair], workspace: Workspace, progress: bool) -> list[tuple[Verdict, Verdict]]:
    """Return the verdicts on each pair, A first and B first; equal questions are asked once."""
    questions = {}
    keys = []
    for pair in pairs:
        orders = ((pair.a, pair.b), (pair.b, pair.a))
        both = [verdict_key(judge, pair.prompt, first, second) for first, second in orders]
        for key, (first, second) in zip(both, orders, strict=True):
            questions[key] = judge_question(pair.prompt, first, second)
        keys.append(both)
    verdicts = collect_verdicts(judge, questions, workspace, progress)
    return [(verdicts[a_first], verdicts[b_first]) for a_first, b_first in keys]


def _row(pair: Pair, judged: Judged, a_first: Verdict, b_first: Verdict) -> dict[str, Any]:
    """Write a pair as a row of the output."""
    scores = (*(judged.a_first or (None, None)), *(judged.b_first or (None, None)))
    return {
        "id": pair.id,
        "set": pair.test_set,
        "prompt": pair.prompt,
        "answer_a": pair.a,
        "answer_b": pair.b,
        "outcome": judged.outcome,
        "status": judged.status,
        **dict(zip(SCORES, scores, strict=True)),
        "a_first_replies": a_first.replies,
        "b_first_replies": b_first.replies,
        "refusal": a_first.refusal or b_first.refusal,
    }


def _judged(test_set: str | None, a_first: Verdict, b_first: Verdict) -> Judged:
    """Turn the scores of both orders to (A's, B's), and say whether both can be read."""
    straight = None if a_first.scores is None else (a_first.scores[0], a_first.scores[1])
    turned = None if b_first.scores is None else (b_first.scores[1], b_first.scores[0])
    if a_first.refusal or b_first.refusal:
        return Judged(test_set, "refused", straight, turned)
    return Judged(test_set, "judged" if straight and turned else "unparseable", straight, turned)


def _tell_of_gaps(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError where the judge refuses every pair; warn of single pairs without outcome."""
    refused = [row for row in rows if row["status"] == "refused"]
    if len(refused) == len(rows):
        raise InputError(f"the judge refuses all {len(rows)} pairs; the first with: {rows[0]['refusal']}")
    if refused:
        logger.warning(
            "the judge refuses %d of %d pairs, which are left out; the first with: %s",
            len(refused),
            len(rows),
            refused[0]["refusal"],
        )
    unreadable = sum(row["status"] == "unparseable" for row in rows)
    if unreadable:
        logger.warning(
            "%d of %d pairs have a reply without readable scores and are left out; the replies "
            "stand in the columns a_first_replies and b_first_replies",
            unreadable,
            len(rows),
        )


def _record(
    origin: Mapping[str, Any],
    files: dict[str, AnswerFile],
    matched: Pairs,
    judge: Judge,
    outcomes: Sequence[Judged],
    seed: int,
) -> JudgedRecord:
    return {
        **new_record("judge", origin),
        "answers": files,
        "pairs": {
            "matched_by": matched.matched_by,
            "only_in_a": matched.only_in_a,
            "only_in_b": matched.only_in_b,
            "empty_answers": {
                name: sum(not getattr(pair, name).strip() for pair in matched.pairs) for name in ("a", "b")
            },
        },
        "judge": judge.description,
        "prompt": {"sha256": prompt_sha256(), "protocol": PROTOCOL},
        "settings": {"seed": seed, "confidence": CONFIDENCE, "resamples": RESAMPLES},
        "scores": {"all": tally(outcomes, seed), "sets": tally_sets(outcomes, seed)},
    }


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
