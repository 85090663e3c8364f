"""Scored rows -> the rows to keep: the highest score first; by MIWV, high = weak = keep."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
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
from hf_miwv.results.methods import RANDOM_BY_LENGTH, check_method, method_scores
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.score_pictures import draw_chosen, draw_length_comparison
from hf_miwv.results.scored_card import write_card
from hf_miwv.results.scored_record import Choice, ResponseFaults, ScoredRecord, SelectionFacts
from hf_miwv.results.statistics import compare_lengths, describe, summarize
from hf_miwv.rows.columns import read_embeddings
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import EMBEDDING_COLUMN, Shape, recognize
from hf_miwv.selection.diversity import check_diversity, choose_diverse
from hf_miwv.selection.method_defaults import diversity_of, limits_of, slides_window
from hf_miwv.selection.one_response import best_of_prompt, check_one_per
from hf_miwv.selection.prompt_completion import as_prompt_completion
from hf_miwv.selection.response_report import report_responses
from hf_miwv.selection.row_choice import check_choice, check_together, choose_rows, rank_rows
from hf_miwv.selection.row_groups import choose_within, group_rows
from hf_miwv.selection.window_sampling import WINDOW, sample_by_window

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
    within: str | None = None,
    like: str | None = None,
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
            (MIWV: nats per response token; of a method with `_low`: -1 times that). 4.5 for the method "alpagasus"
            where none of the three is given, as in its paper.
        diversity (`float`, *optional*): Going down the ranking, pass over a row whose prompt's embedding
            has a cosine above this with one chosen before it, until as many are chosen as without
            (ours). The embeddings are those that the neighbors were searched with, so the rows must have
            been scored with `keep_embeddings`: embedding them again could give others (another template,
            another version of the embedder). Prompts embedded with their template lie close together;
            `neighbor_similarity` shows how close. By default 0.9 for the method "deita" without `within`, as in
            its paper, and none for any other; 1 passes over no row. With the method "recost" any takes the place of
            the window that else slides down the ranking (see `hf_miwv.selection.window_sampling`).
        one_per (`str`, *optional*): "prompt": of several rows with one prompt choose at most the one with the
            highest score, as GRAPE does with the method "perplexity_low" (arXiv 2502.04194). With it fraction,
            count and threshold may be left out: one row of every prompt is then kept.
        within (`str`, *optional*): Choose the highest inside groups, of each group its share of the rows that
            have a score (ours): "length", quantile bins of response tokens; "source", the column that says where
            a row comes from; or a column, whose values are the groups.
        like (`str`, *optional*): For the method "random_by_length", the method whose choice has the lengths; by
            default "miwv".
        seed (`int`, *optional*, defaults to `0`): Seed of the random methods; no other depends on it.
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
            rows that have a score or are far enough apart; options that cannot be together: `within` with
            `diversity` or `threshold`, and "random_by_length" with `diversity` or `one_per`, which would change
            the lengths; groups that there are not, or more of them than rows to keep; an output folder that
            holds something; rows that cannot be written as prompt and completion.
    """
    check_one_per(one_per)
    choice = limits_of(method, fraction, count, threshold)
    check_choice(**choice, takes_all=one_per is not None)
    check_method(method, seed, like)
    check_diversity(diversity)
    check_together(method, within, choice["threshold"], diversity, one_per)
    folder = None if isinstance(scored, Dataset) else fetch_written(scored) or Path(scored)
    folder_run = None if output_dir is None else FolderRun(Path(output_dir), overwrite, inputs=[folder])
    dataset = scored if isinstance(scored, Dataset) else read_dataset(folder or scored)
    whole = ScoreColumns.from_dataset(dataset)
    # Answers that are marked as bad (KTO's label: false) are the ones that a model should not learn, and
    # those of the target set are the ones that it is to be measured by.
    undesired, in_target = (
        np.array([flag in flags for flags in whole.flags], dtype=bool) for flag in ("undesired_response", "in_target")
    )
    left_out = np.zeros(len(dataset), dtype=bool)
    for flagged, is_included, words, option in (
        (undesired, include_undesired, "say that their response is a bad one", "--include-undesired"),
        (in_target, include_target_rows, "are in the target set, too", "--include-target-rows"),
    ):
        passed = flagged & (np.array(whole.status) == "ok") & (not is_included)
        if passed.any():
            logger.info("%d rows %s, and are not chosen from (%s)", int(passed.sum()), words, option)
            left_out |= passed
    earlier: ScoredRecord | None = read_record(folder) if folder else None
    groups = None
    if within is not None:
        usable = (np.array(whole.status) == "ok") & ~left_out
        text_columns = earlier["data"]["columns"].values() if earlier and earlier.get("data") else ()
        groups = group_rows(dataset, within, whole.response_tokens, usable, text_columns)
    scores = method_scores(dataset, method, seed, like=like or "miwv", left_out=left_out, groups=groups)
    behind_another = 0
    if one_per is not None:
        best = best_of_prompt(Rows(dataset, _shape(dataset, earlier)), scores)
        behind_another = int((np.isfinite(scores) & np.isnan(best)).sum())
        scores = best
    # Without a limit, which one_per alone allows, every row that is left is kept.
    is_limited = any(value is not None for value in choice.values())
    limit: Choice = choice if is_limited else {**choice, "count": int(np.isfinite(scores).sum())}
    by_window = slides_window(method, diversity, within) and limit["threshold"] is None
    diversity = diversity_of(method, diversity, within)
    kept, report = _keep(dataset, scores, limit, diversity, groups, by_window)
    report["responses"] = _look_at_responses(dataset, earlier, kept)
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
        selection_facts: SelectionFacts = {"method": method, "seed": seed, **choice, "diversity": diversity}
        if by_window:
            selection_facts["window"] = WINDOW
        if undesired.any():
            selection_facts["include_undesired"] = include_undesired
        if in_target.any():
            selection_facts["include_target_rows"] = include_target_rows
        if one_per is not None:
            selection_facts["one_per"] = one_per
            report["behind_another_response"] = behind_another
        if within is not None:
            selection_facts["within"] = within
        if method == RANDOM_BY_LENGTH:
            selection_facts["like"] = like or "miwv"
        if prompt_completion:
            selection_facts["prompt_completion"] = True
        selection_facts["fraction"] = None if fraction is None else str(fraction)
        run = _record(origin or {}, earlier, whole, chosen)
        run["selection"] = {**selection_facts, **_outcome(scores, kept), **report}
        run["identity"] = {
            "scored rows": content_fingerprint(dataset),
            **selection_facts,
            "hf_miwv": run["package"]["version"],
        }
        _write(folder_run, chosen, run)
    return chosen


def _shape(dataset: Dataset, earlier: ScoredRecord | None) -> Shape:
    known = earlier["data"] if earlier else None
    return Shape(known["shape"], known["columns"]) if known else recognize(dataset.column_names)


def _look_at_responses(dataset: Dataset, earlier: ScoredRecord | None, kept: np.ndarray) -> ResponseFaults | None:
    """Count the chosen responses that would do harm, and say so; None where they cannot be read."""
    try:
        shape = _shape(dataset, earlier)
    except InputError:
        logger.info("the responses were not looked at: the rows have no run.json, and are of no known shape")
        return None
    report = report_responses(dataset, shape, kept)
    counts_in_words = [f"{count} {kind.replace('_', ' ')}" for kind, count in report["chosen"].items() if count]
    if counts_in_words:
        logger.warning(
            "among the %d chosen responses: %s; look at them before training", len(kept), ", ".join(counts_in_words)
        )
    return report


def _keep(
    dataset: Dataset,
    scores: np.ndarray,
    choice: Choice,
    diversity: float | None,
    groups: list[str] | None,
    by_window: bool,
) -> tuple[np.ndarray, SelectionFacts]:
    """Apply `choose_rows`, then `choose_within`, `choose_diverse` or `sample_by_window` of as many; report on it."""
    kept, note = choose_rows(scores, **choice)
    if groups is not None:
        if len(set(groups)) > len(kept):
            raise InputError(
                f"--within: {len(set(groups))} groups, and {len(kept)} rows are kept, so that some groups would have "
                "none; keep more rows, or give a column with fewer values"
            )
        kept = choose_within(scores, groups, len(kept))
        scored = Counter(groups[row] for row in rank_rows(scores).tolist())
        chosen = Counter(groups[row] for row in kept.tolist())
        counts = {name: {"scored": scored[name], "kept": chosen[name]} for name in sorted(scored)}
        return kept, {"passed_over": 0, "note": note, "groups": counts}
    if by_window:
        reach = rank_rows(scores)[: len(kept) + WINDOW - 1]
        positions = sample_by_window(read_embeddings(dataset.select(reach)), len(kept))
        return reach[positions], {"passed_over": int(positions[-1]) + 1 - len(kept), "note": note}
    if diversity is None:
        return kept, {"passed_over": 0, "note": note}
    row_count, all_that_reach = len(kept), choice["threshold"] is not None
    ranked = kept if all_that_reach else rank_rows(scores)
    kept, passed_over = choose_diverse(
        ranked, lambda rows: read_embeddings(dataset.select(rows)), row_count, diversity
    )
    if len(kept) < row_count and not all_that_reach:
        shortage = f"only {len(kept)} rows with a score have cosines of at most {diversity}"
        if choice["count"] is not None:
            raise InputError(
                f"count {row_count}: {shortage} to one another; give a lower count or a higher --diversity"
            )
        note = f"{row_count} rows were asked for, but {shortage} to one another: all of those kept"
    return kept, {"passed_over": passed_over, "note": note}


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
