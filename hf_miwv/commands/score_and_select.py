"""The work of the commands: names to data sets and folders, then the tables at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, IterableDataset

from hf_miwv.commands.train_elsewhere import train_elsewhere
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_written
from hf_miwv.common.hub.hub_names import path_name
from hf_miwv.common.hub.license import license_of
from hf_miwv.common.reading.reading import is_local, read_dataset, split_revision, state_of
from hf_miwv.common.runs.folder import check_output, read_record
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.results.methods import check_method, needed_columns
from hf_miwv.results.score_summary import show_selection, show_summary
from hf_miwv.rows.examples import read_example
from hf_miwv.rows.schema import Shape, parse_columns
from hf_miwv.rows.streaming import open_stream
from hf_miwv.scoring.scoring import DEFAULT_EMBEDDER, score
from hf_miwv.selection.diversity import check_diversity
from hf_miwv.selection.selection import check_choice, select

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
    **settings: Any,
) -> None:
    """Run `hf-miwv score`: read, score, write, show."""
    (data, of_data), (model, of_model) = split_revision(data), split_revision(model)
    data_revision, model_revision = data_revision or of_data, model_revision or of_model
    check_output(output, overwrite, _local(data))
    data_revision, model_revision = _revisions(data, model, revision, data_revision, model_revision)
    if max_samples is not None and not streaming:
        raise InputError(f"--max-samples {max_samples}: is for --streaming; else give --split train[:{max_samples}]")
    logger.info("reading %s", data)
    wanted = {"split": split, "config": data_config, "revision": data_revision, "field": field}
    dataset: Dataset | IterableDataset
    if streaming:
        dataset, split = open_stream(data, **wanted, limit=max_samples)
    else:
        dataset = read_dataset(data, **wanted)
    scored = score(
        dataset,
        model,
        output_dir=output,
        columns=parse_columns(columns) if columns else None,
        embedder=embedder or DEFAULT_EMBEDDER,
        model_revision=model_revision,
        load_in_4bit=load_in_4bit,
        load_in_8bit=load_in_8bit,
        overwrite=overwrite,
        origin={
            "source": _name(data),
            "split": split,
            "config": data_config,
            "revision": data_revision,
            "field": field,
            "license": license or license_of(data, data_revision),
            "state": state_of(Path(data).expanduser()) if streaming and is_local(data) else None,
            "command_line": ["hf-miwv", *sys.argv[1:]],
        },
        **settings,
    )
    if Processes.launched().first:
        show_scored(scored, read_record(output) or {})
        logger.info("written: %s", output)


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
    include_undesired: bool = False,
    prompt_completion: bool = False,
    **settings: Any,
) -> None:
    """Run `hf-miwv select`: with a model, score into the workspace first; then choose, write, show."""
    # Everything that can be refused is refused before the scoring, which may take hours.
    check_choice(fraction, count, threshold)
    check_method(method, seed)
    check_diversity(diversity)
    check_output(output, overwrite, _local(data))
    scored: Path | Dataset
    if model is not None:
        scored = workspace_of(output) / "scored"
        # The method may need losses that nobody has asked for by name.
        settings["also"] = (*settings["also"], *needed_columns(method))
        settings["keep_embeddings"] |= diversity is not None
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
        seed=seed,
        include_undesired=include_undesired,
        prompt_completion=prompt_completion,
        output_dir=output,
        overwrite=overwrite,
        origin={"command_line": ["hf-miwv", *sys.argv[1:]]},
    )
    run = read_record(output) or {}
    show_selection(run)
    logger.info("written: %s", output)
    if told := train_elsewhere(chosen[0], run, output):
        logger.info("%s", told)


def _scored(data: str, settings: Mapping[str, Any]) -> Path | Dataset:
    """Return the folder of `score`, here or on the Hub, with its run.json; or scored rows from elsewhere."""
    name, pinned = split_revision(data)
    revision = settings.get("revision") or settings.get("data_revision") or pinned
    options = {"config": settings.get("data_config"), "revision": revision}
    split = settings.get("split")
    if field := settings.get("field"):
        return read_dataset(name, split=split, field=field, **options)
    # A folder is passed on as a folder, because its run.json goes into the record.
    if is_local(name) and not any(options.values()):
        folder = None if split else Path(name)
    else:
        folder = None if is_local(name) else fetch_written(name, **options)
    if folder is None:
        return read_dataset(name, split=split, **options)
    return read_dataset(folder, split=split) if split else folder


def show_scored(scored: Dataset, run: dict[str, Any]) -> None:
    """Print the summary table, and the rows at both ends of the ranking.

    Args:
        scored (`Dataset`): The scored rows.
        run (`dict[str, Any]`): The record (run.json).
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
    data: str, model: str, revision: str | None, of_data: str | None, of_model: str | None
) -> tuple[str | None, str | None]:
    """Give --revision to the one of DATA and MODEL that is on the Hub."""
    if revision is None:
        return of_data, of_model
    on_hub = [not is_local(data), not Path(model).expanduser().exists()]
    if on_hub == [True, True]:
        raise InputError(
            f"--revision {revision}: both {data} and {model} are on the Hub; give --data-revision or --model-revision"
        )
    if on_hub == [False, False]:
        raise InputError(f"--revision {revision}: neither {data} nor {model} is on the Hub")
    return (revision, of_model) if on_hub[0] else (of_data, revision)


def _local(data: str) -> Path | None:
    return Path(data).expanduser() if is_local(data) else None


def _name(data: str) -> str:
    return path_name(data) if is_local(data) else data
