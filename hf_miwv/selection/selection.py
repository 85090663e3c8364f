"""Scored rows -> the rows to keep: the highest score first; by MIWV, high = weak = keep."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.former_names import former_names
from hf_miwv.common.hub.fetching import fetch_written
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.common.runs.folder import read_record, write_folder
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.record import new_record
from hf_miwv.results.methods import check_method, method_scores
from hf_miwv.results.score_pictures import draw_chosen, draw_length_comparison
from hf_miwv.results.scored_card import write_card
from hf_miwv.results.scored_record import Choice, ScoredRecord, SelectionFacts
from hf_miwv.results.statistics import ScoreColumns, compare_lengths, describe, summarize
from hf_miwv.rows.columns import read_embeddings
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import EMBEDDING_COLUMN, Shape, recognize
from hf_miwv.selection.diversity import check_diversity, choose_diverse
from hf_miwv.selection.one_response import best_of_prompt, check_one_per
from hf_miwv.selection.prompt_completion import as_prompt_completion

logger = logging.getLogger(__name__)


@former_names({"output": "output_dir"})
def select(
    scored: Dataset | str | Path,
    *,
    method: str = "miwv",
    fraction: float | str | Decimal | None = None,
    count: int | None = None,
    threshold: float | None = None,
    diversity: float | None = None,
    one_per: str | None = None,
    seed: int = 0,
    include_undesired: bool = False,
    include_target_rows: bool = False,
    prompt_completion: bool = False,
    output_dir: str | Path | None = None,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> Dataset:
    """Choose the rows with the highest score, sorted by falling score, ties by row order.

    Args:
        scored (`Dataset | str | Path`): The result of `score`, or the folder that it wrote, here or on
            the Hub (OWNER/NAME, OWNER/NAME@REVISION).
        method (`str`, *optional*, defaults to `"miwv"`): What the score is, one of
            `hf_miwv.results.methods.METHODS`.
        fraction (`float | str | Decimal`, *optional*): Keep floor(all rows x fraction), in decimal
            arithmetic, at least 1 and at most the rows that have a score (arXiv 2511.07074: 52,002 rows
            at 1 % -> 520).
        count (`int`, *optional*): Keep this many rows.
        threshold (`float`, *optional*): Keep every row with a score >= threshold, in the method's unit
            (MIWV: nats per response token; of a method with `_low`: -1 times that).
        diversity (`float`, *optional*): Going down the ranking, pass over a row whose prompt's embedding
            has a cosine above this with one chosen before it, until as many are chosen as without
            (ours). The embeddings are those that the neighbors were searched with, so the rows must have
            been scored with `keep_embeddings`: embedding them again could give others (another template,
            another version of the embedder). Prompts embedded with their template lie close together;
            `neighbor_similarity` shows how close.
        one_per (`str`, *optional*): "prompt": of several rows with one prompt choose at most the one with the
            highest score, as GRAPE does with the method "perplexity_low" (arXiv 2502.04194). With it fraction,
            count and threshold may be left out: one row of every prompt is then kept.
        seed (`int`, *optional*, defaults to `0`): Seed of the method "random"; no other depends on it.
        include_undesired (`bool`, *optional*, defaults to `False`): Choose also from rows flagged
            `undesired_response` (KTO's `label: false`), by default from none of them.
        include_target_rows (`bool`, *optional*, defaults to `False`): Choose also from rows flagged `in_target`,
            whose prompt is one of the target set that they were scored with, by default from none of them by any
            method: to train on a target's own rows would be leakage, if the model is judged by that target.
        prompt_completion (`bool`, *optional*, defaults to `False`): Write each row as `prompt` and
            `completion`, as it was scored, in place of the columns that it had: what TRL's SFTTrainer
            reads. Only for a folder, whose run.json says what the columns are.
        output_dir (`str | Path`, *optional*): A folder to write: parquet, card, pictures, run.json.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output_dir` where it holds something.
        origin (`Mapping[str, Any]`, *optional*): Facts of the command for run.json ("command_line").

    Returns:
        `Dataset`: The chosen rows with all their columns but the embeddings.

    Raises:
        InputError: Not exactly one of fraction, count and threshold; a value out of range; an
            unknown method, or one whose column the rows lack; no scored rows; a count above the
            rows that have a score or are far enough apart; an output folder that holds something; rows
            that cannot be written as prompt and completion.
    """
    check_one_per(one_per)
    check_choice(fraction, count, threshold, takes_all=one_per is not None)
    check_method(method, seed)
    check_diversity(diversity)
    folder = None if isinstance(scored, Dataset) else fetch_written(scored) or Path(scored)
    folder_run = None if output_dir is None else FolderRun(Path(output_dir), overwrite, inputs=[folder])
    dataset = scored if isinstance(scored, Dataset) else read_dataset(folder or scored)
    whole = ScoreColumns.from_dataset(dataset)
    scores = method_scores(dataset, method, seed)
    # Answers that are marked as bad (KTO's label: false) are the ones that a model should not learn, and
    # those of the target set are the ones that it is to be measured by.
    undesired, in_target = (
        np.array([flag in flags for flags in whole.flags], dtype=bool) for flag in ("undesired_response", "in_target")
    )
    for flagged, is_included, words, option in (
        (undesired, include_undesired, "say that their response is a bad one", "--include-undesired"),
        (in_target, include_target_rows, "are in the target set, too", "--include-target-rows"),
    ):
        passed = flagged & np.isfinite(scores) & (not is_included)
        if passed.any():
            logger.info("%d rows %s, and are not chosen from (%s)", int(passed.sum()), words, option)
            scores = np.where(passed, np.nan, scores)
    choice: Choice = {"fraction": fraction, "count": count, "threshold": threshold}
    earlier: ScoredRecord | None = read_record(folder) if folder else None
    behind_another = 0
    if one_per is not None:
        known = earlier["data"] if earlier else None
        shape = Shape(known["shape"], known["columns"]) if known else recognize(dataset.column_names)
        best = best_of_prompt(Rows(dataset, shape), scores)
        behind_another = int((np.isfinite(scores) & np.isnan(best)).sum())
        scores = best
    # Without a limit, which one_per alone allows, every row that is left is kept.
    is_limited = any(value is not None for value in choice.values())
    limit: Choice = choice if is_limited else {**choice, "count": int(np.isfinite(scores).sum())}
    kept, report = _keep(dataset, scores, limit, diversity)
    # Vectors of 4 KB a row are of no use to a trainer.
    ours = [name for name in (EMBEDDING_COLUMN,) if name in dataset.column_names]
    chosen = dataset.select(kept).remove_columns(ours)
    if prompt_completion:
        if not earlier or not earlier.get("data") or not earlier.get("template"):
            raise InputError(
                f"{folder or 'the rows'}: no run.json says how they were scored, so they cannot be written as prompt "
                "and completion; give the folder that score or select wrote"
            )
        scored_shape = Shape(earlier["data"]["shape"], earlier["data"]["columns"])
        chosen, shape = as_prompt_completion(chosen, scored_shape, earlier["template"])
        earlier = {**earlier, "data": {**earlier["data"], "shape": shape.name, "columns": dict(shape.columns)}}
    if folder_run is not None:
        asked: SelectionFacts = {"method": method, "seed": seed, **choice, "diversity": diversity}
        if undesired.any():
            asked["include_undesired"] = include_undesired
        if in_target.any():
            asked["include_target_rows"] = include_target_rows
        if one_per is not None:
            asked["one_per"] = one_per
            report["behind_another_response"] = behind_another
        if prompt_completion:
            asked["prompt_completion"] = True
        asked["fraction"] = None if fraction is None else str(fraction)
        run = _record(origin or {}, earlier, whole, chosen)
        run["selection"] = {**asked, **_outcome(scores, kept), **report}
        run["identity"] = {
            "scored rows": content_fingerprint(dataset),
            **asked,
            "hf_miwv": run["package"]["version"],
        }
        _write(folder_run, chosen, run)
    return chosen


def check_choice(
    fraction: float | str | Decimal | None, count: int | None, threshold: float | None, takes_all: bool = False
) -> None:
    """Check that exactly one of fraction, count and threshold is set, and in range.

    Args:
        fraction (`float | str | Decimal`, *optional*): Share of all rows, in (0, 1].
        count (`int`, *optional*): Rows to keep, 1 or more.
        threshold (`float`, *optional*): The lowest score to keep, a finite number.
        takes_all (`bool`, *optional*, defaults to `False`): Whether none of them may be set.

    Raises:
        InputError: None of them is set, or several, or the value is out of range.
    """
    limits = {"fraction": fraction, "count": count, "threshold": threshold}
    named = [f"--{name}" for name, value in limits.items() if value is not None]
    if len(named) != 1 and not (takes_all and not named):
        names = " and ".join(named) or "none of them"
        raise InputError(f"give one of --fraction, --count and --threshold; got {names}")
    if fraction is not None and not 0 < _decimal(fraction) <= 1:
        raise InputError(f"fraction {fraction} is outside (0, 1]; 0.01 keeps 1 %")
    if count is not None and count < 1:
        raise InputError(f"count {count} keeps nothing; give 1 or more")
    if threshold is not None and not np.isfinite(threshold):
        raise InputError(f"threshold {threshold} is no finite number of nats")


def choose(
    columns: ScoreColumns,
    *,
    fraction: float | str | Decimal | None = None,
    count: int | None = None,
    threshold: float | None = None,
) -> tuple[np.ndarray, str | None]:
    """Choose rows as `choose_rows` does, by MIWV.

    Args:
        columns (`ScoreColumns`): The columns that `score` adds.
        fraction (`float | str | Decimal`, *optional*): Share of all rows, in (0, 1].
        count (`int`, *optional*): Rows to keep.
        threshold (`float`, *optional*): The lowest MIWV to keep, in nats per response token.

    Returns:
        `tuple[np.ndarray, str | None]`: Positions of the rows to keep, (K,) int64, best first, and a
        note where K is not as asked.
    """
    return choose_rows(columns.miwv, fraction=fraction, count=count, threshold=threshold)


def choose_rows(
    scores: np.ndarray,
    *,
    fraction: float | str | Decimal | None = None,
    count: int | None = None,
    threshold: float | None = None,
) -> tuple[np.ndarray, str | None]:
    """Choose the rows with the highest of (N,) scores; rows without a score (nan) never are.

    Args:
        scores (`np.ndarray`): (N,) float64, nan for none.
        fraction (`float | str | Decimal`, *optional*): Share of all N rows, in (0, 1].
        count (`int`, *optional*): Rows to keep.
        threshold (`float`, *optional*): The lowest score to keep, in the method's unit.

    Returns:
        `tuple[np.ndarray, str | None]`: Positions of the rows to keep, (K,) int64, best first, and a
        note where K is not as asked.

    Raises:
        InputError: No row has a score, none reaches the threshold, or fewer than `count` have a score.
    """
    ranked = rank_rows(scores)
    if len(ranked) == 0:
        raise InputError("no row has a score, so there is nothing to choose from")
    if threshold is not None:
        kept = ranked[scores[ranked] >= threshold]
        if len(kept) == 0:
            best = scores[ranked[0]]
            raise InputError(f"no row reaches threshold {threshold}: the highest score is {best:.4f}")
        return kept, None
    if count is not None:
        if count > len(ranked):
            raise InputError(f"count {count} is above the {len(ranked)} rows that have a score")
        return ranked[:count], None
    return _top_share(ranked, len(scores), _decimal(fraction))


def rank_rows(scores: np.ndarray) -> np.ndarray:
    """Rank the rows that have a score: falling scores, ties by row order.

    Args:
        scores (`np.ndarray`): (N,) float64, nan for none.

    Returns:
        `np.ndarray`: (R,) int64, positions of the R rows that have a score.
    """
    order = np.argsort(-scores, kind="stable")  # nan sorts last
    return order[: int(np.isfinite(scores).sum())]


def _keep(
    dataset: Dataset, scores: np.ndarray, choice: Choice, diversity: float | None
) -> tuple[np.ndarray, SelectionFacts]:
    """Apply `choose_rows`, and with `diversity` the `choose_diverse` of as many; say what to report."""
    kept, note = choose_rows(scores, **choice)
    if diversity is None:
        return kept, {"passed_over": 0, "note": note}
    wanted, all_that_reach = len(kept), choice["threshold"] is not None
    ranked = kept if all_that_reach else rank_rows(scores)
    kept, passed_over = choose_diverse(ranked, lambda rows: read_embeddings(dataset.select(rows)), wanted, diversity)
    if len(kept) < wanted and not all_that_reach:
        shortage = f"only {len(kept)} rows with a score have cosines of at most {diversity}"
        if choice["count"] is not None:
            raise InputError(f"count {wanted}: {shortage} to one another; give a lower count or a higher --diversity")
        note = f"{wanted} rows were asked for, but {shortage} to one another: all of those kept"
    return kept, {"passed_over": passed_over, "note": note}


def _top_share(ranked: np.ndarray, rows: int, fraction: Decimal) -> tuple[np.ndarray, str | None]:
    # Decimal, because 0.29 * 100 is 28.999... in binary, and one row would be lost.
    wanted = int(rows * fraction)
    if wanted < 1:
        return ranked[:1], f"{fraction} of {rows} rows is less than one row: one row kept"
    if wanted > len(ranked):
        note = f"{fraction} of {rows} rows is {wanted}, but only {len(ranked)} rows have a score"
        return ranked, f"{note}: all of those kept"
    return ranked[:wanted], None


def _decimal(fraction: float | str | Decimal | None) -> Decimal:
    try:
        value = Decimal(str(fraction))
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise InputError(f"fraction {fraction!r} is not a number; 0.01 keeps 1 %")
    return value


def _record(
    origin: Mapping[str, Any], earlier: ScoredRecord | None, whole: ScoreColumns, chosen: Dataset
) -> ScoredRecord:
    run: ScoredRecord = {**new_record("select", origin)}
    scoring: Any = earlier or {}
    run["data"], run["model"] = scoring.get("data"), scoring.get("model")
    run["embedder"], run["template"] = scoring.get("embedder"), scoring.get("template")
    run["settings"] = scoring.get("settings")
    columns = ScoreColumns.from_dataset(chosen)
    run["statistics"] = describe(columns)
    scored_tokens = whole.response_tokens[whole.scored]
    run["lengths"] = compare_lengths(columns.response_tokens, scored_tokens)
    run["scored_run"] = earlier
    return run


def _outcome(scores: np.ndarray, kept: np.ndarray) -> SelectionFacts:
    """Describe the rows that were chosen from, and the scores of the chosen ones."""
    known = scores[np.isfinite(scores)]
    return {
        "all_rows": len(scores),
        "scored_rows": len(known),
        "kept": len(kept),
        "lowest_kept_score": float(scores[kept[-1]]),
        "scores": {"chosen": summarize(scores[kept]), "all": summarize(known)},
    }


def _write(folder_run: FolderRun, chosen: Dataset, run: ScoredRecord) -> None:
    if folder_run.is_finished(run["identity"]):
        return
    columns = ScoreColumns.from_dataset(chosen)

    def decorate(folder: Path) -> None:
        write_card(run, _draw(columns, run, folder), folder)

    with folder_run.work() as workspace:
        write_folder(folder_run.output, workspace, chosen, run, decorate)


def _draw(columns: ScoreColumns, run: ScoredRecord, folder: Path) -> list[str]:
    """Draw the pictures: those of MIWV only where the rows were chosen by it."""
    if run["selection"]["method"] == "miwv":
        return draw_chosen(columns, run, folder)
    if run["scored_run"] is None:
        return []
    return [draw_length_comparison(columns.response_tokens, run["scored_run"]["statistics"], folder)]
