"""The work of the commands: names to data sets and folders, then the tables at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from hf_miwv.commands.train_elsewhere import train_elsewhere
from hf_miwv.common.command_line import show_result
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_written
from hf_miwv.common.hub.license import license_of
from hf_miwv.common.reading.reading import read_dataset, state_of
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder import check_output, read_record
from hf_miwv.common.runs.launched_sharding import refuse_shards
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.results.methods import LOW, TARGET_METHODS, check_method, needed_columns
from hf_miwv.results.score_summary import show_selection, show_summary
from hf_miwv.results.scored_record import ScoredRecord
from hf_miwv.rows.examples import read_example
from hf_miwv.rows.schema import Shape, parse_columns
from hf_miwv.rows.streaming import open_stream
from hf_miwv.scoring.scoring import DEFAULT_EMBEDDER, score
from hf_miwv.selection.diversity import check_diversity
from hf_miwv.selection.method_defaults import limits_of, needs_embeddings
from hf_miwv.selection.row_choice import check_choice, check_together
from hf_miwv.selection.selection import select

SHOWN = 5  # rows shown from either end

logger = logging.getLogger(__name__)


def score_data(
    data: str,
    model: str,
    output: Path,
    split: str | None = None,
    data_config: str | None = None,
    field: str | None = None,
    columns: str | None = None,
    embedder: str | None = None,
    revision: str | None = None,
    data_revision: str | None = None,
    model_revision: str | None = None,
    load_in_4bit: bool = False,
    load_in_8bit: bool = False,
    overwrite: bool = False,
    streaming: bool = False,
    max_samples: int | None = None,
    license: str | None = None,
    as_json: bool = False,
    executor: str | None = None,
    executor_config: Path | None = None,
    **settings: Any,
) -> None:
    """Run `hf-miwv score`: read, score, write, show.

    Args:
        data (`str`): File, folder or Hub id of the rows.
        model (`str`): Hub id or folder of the model that scores.
        output (`Path`): The folder to write.
        split (`str`, *optional*): Split to read.
        data_config (`str`, *optional*): Configuration of a Hub data set.
        field (`str`, *optional*): Key of a JSON file under which its rows are.
        columns (`str`, *optional*): Columns of instruction, input and response, as `parse_columns` reads them.
        embedder (`str`, *optional*): Hub id or folder of the embedder; DEFAULT_EMBEDDER by default.
        revision (`str`, *optional*): Revision of data or model, where only one of them is on the Hub.
        data_revision (`str`, *optional*): Revision of the data.
        model_revision (`str`, *optional*): Revision of the model.
        load_in_4bit (`bool`, *optional*, defaults to `False`): Whether the weights are quantized to 4 bits.
        load_in_8bit (`bool`, *optional*, defaults to `False`): Whether the weights are quantized to 8 bits.
        overwrite (`bool`, *optional*, defaults to `False`): Whether another run's result in `output` is replaced.
        streaming (`bool`, *optional*, defaults to `False`): Whether the rows are read as a stream.
        max_samples (`int`, *optional*): Rows to read of a stream; all by default.
        license (`str`, *optional*): License of the data; by default the one that the source records.
        as_json (`bool`, *optional*, defaults to `False`): Whether the record is printed as JSON instead of tables.
        executor (`str`, *optional*): Where tasks run, such as "local:4"; without it, in this process.
        executor_config (`Path`, *optional*): The YAML file of the executor.
        **settings (`Any`): Further arguments of `score`.

    Raises:
        InputError: options that cannot be together, or as `score`.
    """
    refuse_shards("scoring")
    data_revision, model_revision = _revisions(data, model, revision, data_revision, model_revision)
    source = Source.parse(data, data_revision, split=split, config=data_config, field=field)
    scorer = Source.parse(model, model_revision)
    check_output(output, overwrite, source.local_path)
    if max_samples is not None and not streaming:
        raise InputError(f"--max-samples {max_samples}: is for --streaming; else give --split train[:{max_samples}]")
    logger.info("reading %s", source)
    settings |= {
        "columns": parse_columns(columns) if columns else None,
        "embedder": embedder or DEFAULT_EMBEDDER,
        "model_revision": scorer.revision,
        "load_in_4bit": load_in_4bit,
        "load_in_8bit": load_in_8bit,
        "overwrite": overwrite,
        "origin": {
            **source.facts(),
            "split": split,
            "license": license or license_of(source),
            "state": state_of(source.path) if streaming and source.is_local else None,
            "command_line": ["hf-miwv", *sys.argv[1:]],
        },
    }
    scored: Dataset
    if executor is not None:
        if streaming:
            raise InputError("--streaming: rows that come as a stream cannot be dealt to tasks; leave --executor out")
        scored = _score_in_tasks(source, scorer.id, output, executor, executor_config, settings)
    elif executor_config is not None:
        raise InputError(f"--executor-config {executor_config}: belongs to --executor; give that, too")
    elif streaming:
        stream, settings["origin"]["split"] = open_stream(source, limit=max_samples)
        scored = score(stream, scorer.id, output_dir=output, **settings)
    else:
        scored = score(read_dataset(source), scorer.id, output_dir=output, **settings)
    if Processes.launched().first:
        run: ScoredRecord = read_record(output) or ScoredRecord()
        show_result(as_json, run, lambda: show_scored(scored, run))
        logger.info("written: %s", output)


def _score_in_tasks(
    source: Source, model: str, output: Path, executor: str, config: Path | None, settings: dict[str, Any]
) -> Dataset:
    from hf_miwv.common.executors.executor_settings import read_executor
    from hf_miwv.common.recipes.yaml_file import load_mapping

    if settings.pop("demonstrations_from", None) is not None or settings.pop("demonstrations_split", None) is not None:
        raise InputError("--demonstrations-from: a target set is not scored behind in tasks yet; leave --executor out")
    executor_settings = read_executor(executor, load_mapping(config) if config else None)
    from hf_miwv.pipeline.score_in_tasks import score_in_tasks

    return score_in_tasks(source, model, output, executor_settings, **settings)


def select_data(
    data: str,
    model: str | None,
    output: Path,
    fraction: str | None,
    count: int | None,
    threshold: float | None,
    overwrite: bool,
    method: str = "miwv",
    seed: int = 0,
    diversity: float | None = None,
    one_per: str | None = None,
    within: str | None = None,
    like: str | None = None,
    include_undesired: bool = False,
    include_target_rows: bool = False,
    prompt_completion: bool = False,
    as_json: bool = False,
    **settings: Any,
) -> None:
    """Run `hf-miwv select`: with a model, score into the workspace first; then choose, write, show.

    Args:
        data (`str`): File, folder or Hub id: scored rows, or with a model rows to score.
        model (`str | None`): Hub id or folder of the model that scores first; None where the rows are scored.
        output (`Path`): The folder to write.
        fraction (`str | None`): Share of all rows to keep, such as "0.01".
        count (`int | None`): Rows to keep.
        threshold (`float | None`): Smallest score of a row to keep.
        overwrite (`bool`): Whether another run's result in `output` is replaced.
        method (`str`, *optional*, defaults to `"miwv"`): Name of the method that ranks the rows.
        seed (`int`, *optional*, defaults to `0`): Seed of methods that draw.
        diversity (`float`, *optional*): Pass over a row whose prompt has a cosine above this with one chosen
            before it.
        one_per (`str`, *optional*): "prompt": of several rows with one prompt keep at most one.
        within (`str`, *optional*): Groups of which each gives its share: "length", "source" or a column.
        like (`str`, *optional*): For the method "random_by_length", the method whose lengths the choice has.
        include_undesired (`bool`, *optional*, defaults to `False`): Whether rows with an undesired response may be
            kept.
        include_target_rows (`bool`, *optional*, defaults to `False`): Whether rows whose prompt is one of the
            target set may be kept.
        prompt_completion (`bool`, *optional*, defaults to `False`): Whether the rows are written as `prompt` and
            `completion`.
        as_json (`bool`, *optional*, defaults to `False`): Whether the record is printed as JSON instead of tables.
        **settings (`Any`): Options of the reading, and with a model of `score_data`.

    Raises:
        InputError: options that cannot be together, or as `score` and `select`.
    """
    # Everything that can be refused is refused before the scoring, which may take hours.
    limits = limits_of(method, fraction, count, threshold)
    check_choice(**limits, takes_all=one_per is not None)
    check_method(method, seed, like)
    check_diversity(diversity)
    check_together(method, within, limits["threshold"], diversity, one_per)
    if (
        model is not None
        and (like or method).removesuffix(LOW) in TARGET_METHODS
        and not settings.get("demonstrations_from")
    ):
        raise InputError(f"method {method!r} needs the rows of a target set; give --demonstrations-from TARGET, too")
    check_output(output, overwrite, Source.parse(data).local_path)
    scored: Path | Dataset
    if model is not None:
        scored = workspace_of(output) / "scored"
        # The method may need losses that nobody has asked for by name.
        settings["also"] = (*settings["also"], *needed_columns(method, like))
        settings["keep_embeddings"] |= needs_embeddings(method, diversity, within)
        score_data(data, model, scored, overwrite=True, **settings)  # only ever ours
        if not Processes.launched().first:
            return
    else:
        scored = _scored(data, settings)
    chosen = select(
        scored,
        method=method,
        fraction=fraction,
        count=count,
        threshold=threshold,
        diversity=diversity,
        one_per=one_per,
        within=within,
        like=like,
        seed=seed,
        include_undesired=include_undesired,
        include_target_rows=include_target_rows,
        prompt_completion=prompt_completion,
        output_dir=output,
        overwrite=overwrite,
        origin={"command_line": ["hf-miwv", *sys.argv[1:]]},
    )
    run: ScoredRecord = read_record(output) or ScoredRecord()
    show_result(as_json, run, lambda: show_selection(run))
    logger.info("written: %s", output)
    if trl_line := train_elsewhere(chosen[0], run, output):
        logger.info("%s", trl_line)


def _scored(data: str, settings: Mapping[str, Any]) -> Path | Dataset:
    """Return the folder of `score`, here or on the Hub, with its run.json; or scored rows from elsewhere."""
    source = Source.parse(
        data,
        settings.get("revision") or settings.get("data_revision"),
        split=settings.get("split"),
        config=settings.get("data_config"),
        field=settings.get("field"),
    )
    if not source.is_local and not source.field and (folder := fetch_written(source)):
        source = Source(str(folder), split=source.split)
    # A folder is passed on as a folder, because its run.json goes into the record.
    is_whole_folder = source.is_local and source == Source(source.id)
    return source.path if is_whole_folder else read_dataset(source)


def show_scored(scored: Dataset, run: ScoredRecord) -> None:
    """Print the summary table, and the rows at both ends of the ranking.

    Args:
        scored (`Dataset`): The scored rows.
        run (`ScoredRecord`): The record (run.json).
    """
    scores = np.array(scored["miwv"], dtype=float)
    ranked = np.argsort(-scores, kind="stable")[: int(np.isfinite(scores).sum())]
    shape = Shape(run["data"]["shape"], run["data"]["columns"])
    highest, lowest = (
        [_with_texts(scored[int(index)], shape) for index in part] for part in (ranked[:SHOWN], ranked[::-1][:SHOWN])
    )
    show_summary(run, highest, lowest)


def _with_texts(row: dict[str, Any], shape: Shape) -> dict[str, Any]:
    example = read_example(row, shape, row["row"])
    return {**row, "prompt": example.bare_prompt, "response": example.shown_response}


def _revisions(
    data: str, model: str, revision: str | None, data_revision: str | None, model_revision: str | None
) -> tuple[str | None, str | None]:
    """Give --revision to the one of DATA and MODEL that is on the Hub."""
    if revision is None:
        return data_revision, model_revision
    source, scorer = Source.parse(data), Source.parse(model)
    on_hub = [not source.is_local, not scorer.path.exists()]
    if on_hub == [True, True]:
        raise InputError(
            f"--revision {revision}: both {source} and {scorer} are on the Hub; "
            "give --data-revision or --model-revision"
        )
    if on_hub == [False, False]:
        raise InputError(f"--revision {revision}: neither {source} nor {scorer} is on the Hub")
    return (revision, model_revision) if on_hub[0] else (data_revision, revision)
