"""`evaluate`: a model, or hypotheses, and an evaluation set to a folder of figures."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_lmt.data.corpora.sources import Source as Corpus
from hf_lmt.directions import Direction
from hf_lmt.evaluation.comet.comet_scores import comet_statistics
from hf_lmt.evaluation.direction_scores import (
    Judged,
    Task,
    can_identify,
    judge_directions,
    score_figures,
    split_metrics,
)
from hf_lmt.evaluation.evaluation_folder import HYPOTHESES, Evaluation, read_evaluation
from hf_lmt.evaluation.evaluation_plan import Plan, check_training, make_plan, shown
from hf_lmt.evaluation.metrics.corpus_scores import DEFAULT_METRICS, Statistics
from hf_lmt.evaluation.results.evaluation_record import complete_record, start_record
from hf_lmt.evaluation.results.score_files import summarize
from hf_lmt.evaluation.sets.hypotheses import HypothesisSources, align, matched_by_id, read_hypotheses
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.evaluation.translating import count_rows, translate_lines
from hf_lmt.evaluation.write_evaluation import write_evaluation
from hf_lmt.translation.requests import check_hints
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError
from hf_miwv.common.former_names import former_names
from hf_miwv.common.progress import stage
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.workspace import Workspace

logger = logging.getLogger(__name__)

Rows = dict[Direction, list[dict[str, Any]]]


@former_names({"output": "output_dir", "limit": "max_samples"})
def evaluate(
    data: str | Corpus,
    output_dir: str | Path,
    *,
    model: str | Translator | None = None,
    hypotheses: HypothesisSources | None = None,
    directions: Sequence[str] | None = None,
    split: str | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    hints: str = "none",
    max_samples: int | None = None,
    seed: int = 0,
    num_proc: int = 1,
    allow_contaminated: bool = False,
    comet_python: Path | None = None,
    install_comet: bool = False,
    comet_dtype: str | None = None,
    overwrite: bool = False,
    work: Path | None = None,
    origin: Mapping[str, Any] | None = None,
    progress: bool = True,
    **translating: Any,
) -> Evaluation:
    """Translate an evaluation set with a model, or take hypotheses, and judge them: see `folder`.

    Examples:
        >>> found = evaluate("flores-devtest", "EVAL", model="NiuTrans/LMT-60-0.6B")  # doctest: +SKIP
        >>> found.scores["groups"]["en2x"]["scores"]["chrf++"]["mean"]                # doctest: +SKIP

    A run that was killed goes on with the translations that it has, to the same bytes; so does one
    with other metrics or more directions.

    Args:
        data (`str | Corpus`): The evaluation set, as in `sets.open_set`.
        output_dir (`str | Path`): Folder to write, whole or not at all.
        model (`str | Translator`, *optional*): Name or folder, or a Translator; or else `hypotheses`.
        hypotheses (`HypothesisSources`, *optional*): Translations, as in `hypotheses.read_hypotheses`.
        directions (`Sequence[str]`, *optional*): Directions and globs; by default all that the set has,
            or that there are hypotheses for. One that is named must be in the set; one that a glob
            stands for and that is not is recorded as missing.
        split (`str`, *optional*): Split of the set, as in `sets.open_set`.
        metrics (`Sequence[str]`, *optional*, defaults to `DEFAULT_METRICS`): Of `corpus_scores.METRICS`
            and `judgeable.COMET_METRICS`.
        hints (`str`, *optional*, defaults to `"none"`): "none", "self" (PMP-S), "given" (PMP-O: the
            set's text in the auxiliary language).
        max_samples (`int`, *optional*): Limit on the lines, as in `sets.open_set`.
        seed (`int`, *optional*, defaults to `0`): Seed, as in `sets.open_set`.
        num_proc (`int`, *optional*, defaults to `1`): Processes that score.
        allow_contaminated (`bool`, *optional*, defaults to `False`): Judge also where the model was
            trained on the set, and mark it.
        comet_python (`Path`, *optional*): As in `comet_scores.find_comet`; by default COMET runs in this
            process. Where its model cannot be had the rest goes on, and its figures say why they are missing.
        install_comet (`bool`, *optional*, defaults to `False`): As in `comet_scores.find_comet`.
        comet_dtype (`str`, *optional*, defaults to `"float32"`): Of COMET's encoder in this process, "float32" or
            "bfloat16", which needs half the memory.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output_dir` where it holds something.
        work (`Path`, *optional*): A folder to keep translations in for other runs, too.
        origin (`Mapping[str, Any]`, *optional*): `command_line`, for the record.
        progress (`bool`, *optional*, defaults to `True`): Show bars.
        **translating (`Any`): Arguments of `Translator` beside model, hints and work, for a model by
            its name.

    Returns:
        `Evaluation`: The folder, read.

    Raises:
        InputError: The set, hypotheses, model or output_dir cannot be used; a direction that is named
            has no lines; the model was trained on the set.
    """
    if (model is None) == (hypotheses is None):
        raise InputError("give a model or hypotheses, one of both")
    if hypotheses is not None and hints != "none":
        raise InputError(f"hints {hints!r} go with a model; leave them out with hypotheses")
    if num_proc < 1:
        raise InputError(f"num_proc {num_proc}: give 1 or more processes")
    output, began = Path(output_dir), time.monotonic()
    source = None
    if isinstance(model, str):
        source = Source.parse(model, translating.get("revision"))
        model, translating["revision"] = source.id, source.revision
    check_hints(hints)
    split_metrics(metrics)  # refuses what cannot be measured before a set or model is loaded
    folder_run = FolderRun(output, overwrite, holds=f"{HYPOTHESES}/*.jsonl")
    opened = open_set(data, split, max_samples, seed)
    written_hypotheses = None if hypotheses is None else read_hypotheses(hypotheses)
    plan = make_plan(
        opened,
        directions,
        metrics,
        available=written_hypotheses,
        hints=hints,
        comet_python=comet_python,
        install_comet=install_comet,
        comet_dtype=comet_dtype,
        contamination=check_training(opened, source, allow_contaminated),
    )
    with folder_run.work() as workspace:
        store = work or workspace.folder / "translations"
        translator = None if model is None else _loaded(model, store, translating)
        rows = (
            {direction: align(written_hypotheses[direction], opened, direction) for direction in plan.lines}
            if written_hypotheses
            else {}
        )
        by_id = [
            str(direction)
            for direction in plan.lines
            if written_hypotheses and matched_by_id(written_hypotheses[direction], opened, direction)
        ]
        if by_id:
            logger.info(
                "hypotheses are matched with the lines of the set by their ids, in any order: %s",
                shown(by_id),
            )
        run = start_record(plan, translator, rows, hints, None if source is None else source.id, origin or {})
        run["matched_by_id"] = by_id
        if folder_run.is_finished(run["identity"]):
            return read_evaluation(output)
        if translator is not None:
            rows = translate_lines(translator, plan.lines, hints, progress)
        translated = time.monotonic()
        judged = _judge(plan, rows, num_proc, workspace, progress)
        figures = {judged_direction.direction: judged_direction.figures for judged_direction in judged}
        seconds = {"translating": translated - began, "judging": time.monotonic() - translated}
        run = complete_record(run, count_rows(rows), plan.marks, seconds)
        write_evaluation(output, workspace, run, summarize(figures, plan), rows, judged, plan)
    return read_evaluation(output)


def _loaded(model: str | Translator, work: Path, translating: Mapping[str, Any]) -> Translator:
    if isinstance(model, Translator):
        if translating:
            raise InputError(f"{', '.join(translating)}: the Translator has settings of its own")
        return model
    logger.info("loading %s", model)
    return Translator(model, work=work, **translating)


def _judge(plan: Plan, rows: Rows, num_proc: int, workspace: Workspace, progress: bool) -> list[Judged]:
    """Compute the figures of every direction: those that are counted, then COMET's."""
    identify = can_identify()
    if not identify:
        logger.warning("no off_target_language: its identifier comes with pip install 'hf-miwv-lmt[curate]'")
    tasks = [
        Task(
            direction,
            lines.sources,
            [row["hypothesis"] for row in rows[direction]],
            lines.references,
            plan.counted,
            identify,
        )
        for direction, lines in plan.lines.items()
    ]
    judged = []
    with stage("scoring", "direction", len(tasks), show=progress) as bar:
        for judged_direction in judge_directions(tasks, num_proc):
            judged.append(judged_direction)
            bar.update()
    for metric in plan.learned:
        statistics_by_direction: dict[Direction, Statistics] = {}
        if metric not in plan.unavailable:
            statistics_by_direction = comet_statistics(metric, tasks, plan.comet, plan.comet_dtype, workspace.folder)
        for judged_direction in judged:
            statistics, reason = statistics_by_direction.get(judged_direction.direction), plan.unavailable.get(metric)
            judged_direction.figures["scores"][metric] = score_figures(
                statistics, metric, judged_direction.direction, reason
            )
            if statistics is not None:
                judged_direction.counts.statistics[metric] = statistics
    return judged
