"""The objects of one scoring run, made of names and settings, before any work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.batch_tokens import default_batch_tokens
from hf_miwv.common.models.causality import check_causal
from hf_miwv.common.models.model_tokenizer import text_tokenizer
from hf_miwv.common.models.models import LoadedModel, length_limit, load_embedder, load_model
from hf_miwv.common.models.quantization import quantization_by
from hf_miwv.common.models.vocabulary import check_ids, check_tables
from hf_miwv.common.runs.processes import Processes
from hf_miwv.losses.demonstrations import response_context
from hf_miwv.neighbors.embed import Embedder
from hf_miwv.neighbors.index import choose_search
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.prompts.tokenization import tokenize_rows
from hf_miwv.results.row_report import tell_of_rows
from hf_miwv.results.scored_record import ScoredRecord
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import ALPAGASUS, ALSO_COLUMNS, DEITA, FURTHER_COLUMNS, INFLUENCE, Shape, unread_columns
from hf_miwv.scoring.journey import Journey
from hf_miwv.scoring.rating_judge import open_rating_judge
from hf_miwv.scoring.scorers import open_scorers
from hf_miwv.scoring.scoring_record import start_record
from hf_miwv.scoring.target_set import TargetRows, open_target

logger = logging.getLogger(__name__)


def make_journey(
    dataset: Dataset,
    shape: Shape,
    model: Any,
    target_rows: TargetRows | None,
    settings: Mapping[str, Any],
    *,
    origin: Mapping[str, Any],
    today: date | Callable[[Any], date | None],
    processes: Processes,
    progress: bool,
) -> tuple[Journey, ScoredRecord]:
    """Load the models and tokenize the rows.

    Args:
        dataset (`Dataset`): The rows, without columns of ours.
        shape (`Shape`): Their shape.
        model (`Any`): As in `score`.
        target_rows (`TargetRows`, *optional*): Rows of another set, behind which each row is scored, too.
        settings (`Mapping[str, Any]`): The arguments of `score` of these names, checked; all of them.
        origin (`Mapping[str, Any]`): Where the rows come from, for the record.
        today (`date | Callable[[Any], date | None]`): The date for a chat template that prints it, or what says it
            of the tokenizer.
        processes (`Processes`): The processes of the run.
        progress (`bool`): Show bars.

    Returns:
        `tuple[Journey, ScoredRecord]`: The run and its record, as it begins.

    Raises:
        InputError: as `score`.
    """
    device, trust_remote_code = settings["device"], settings["trust_remote_code"]
    also, embedder = settings["also"], settings["embedder"]
    loaded = _load_model(
        model,
        settings["tokenizer"],
        revision=settings["model_revision"],
        dtype=settings["dtype"],
        attn_implementation=settings["attn_implementation"],
        quantization=quantization_by(settings["load_in_4bit"], settings["load_in_8bit"]),
        device=device,
        trust_remote_code=trust_remote_code,
    )
    if isinstance(embedder, (str, Path)):
        embedder = load_embedder(
            str(embedder),
            revision=settings["embedder_revision"],
            device=device,
            trust_remote_code=trust_remote_code,
        )
    rows = Rows(dataset, shape, origin.get("source") or "")
    day = today(loaded.tokenizer) if callable(today) else today
    prompts = choose_prompts(settings["template"], loaded.tokenizer, shape.name, rows.conversational(), day)
    table = tokenize_rows(rows, prompts, progress, settings["unreadable_rows"])
    if processes.first:
        tell_of_rows(table, settings["trainer_max_length"], unread_columns(shape, dataset.column_names))
    target = None
    if target_rows is not None:
        target = open_target(target_rows, table, prompts, settings["neighbors"], settings["unreadable_rows"], progress)
        check_tables(loaded.model, loaded.tokenizer, [target.table.prompts, target.table.responses])
    if target is not None and target.in_target.any() and processes.first:
        logger.warning(
            "%d of %d rows have a prompt of the target set: flagged in_target, and not chosen from by select",
            int(target.in_target.sum()),
            len(table),
        )
    contexts = {name: response_context(name, loaded.tokenizer) for name in ALSO_COLUMNS if name in also}
    # Ids beyond the embedding matrix would fail deep in a forward pass: refuse them before any work.
    check_tables(loaded.model, loaded.tokenizer, [table.prompts, table.responses])
    for name, context in contexts.items():
        check_ids(loaded.model, loaded.tokenizer, context, f"what {name} puts before a response")
    device_of_model = loaded.model.get_input_embeddings().weight.device
    journey = Journey(
        dataset=dataset,
        shape=shape,
        table=table,
        model=loaded.model,
        prompts=prompts,
        embedder=Embedder(embedder, settings["pooling"]),
        embed_text=settings["embed_text"],
        search=choose_search(len(dataset), settings["search"]),
        max_length=length_limit(loaded.model, settings["max_length"]),
        batch_tokens=settings["batch_tokens"] or default_batch_tokens(device_of_model),
        neighbor_count=settings["neighbors"],
        avoid_duplicates=settings["avoid_duplicate_neighbors"],
        also=contexts,
        further=tuple(name for name in FURTHER_COLUMNS if name in also),
        tokenizer=loaded.tokenizer,
        scorers=open_scorers(settings) if DEITA in also else {},
        rating=open_rating_judge(settings) if ALPAGASUS in also else None,
        target=target,
        adds_influence=settings["neighbors"] > 1 or INFLUENCE in also,
        keep_embeddings=settings["keep_embeddings"],
        unreadable_rows=settings["unreadable_rows"],
        trainer_max_length=settings["trainer_max_length"],
        processes=processes,
        progress=progress,
    )
    return journey, start_record(journey, loaded.revision, origin)


def _load_model(model: Any, tokenizer: Any, **settings: Any) -> LoadedModel:
    """Load the model by name, with these settings for `load_model`; or take it with its tokenizer."""
    if isinstance(model, (str, Path)):
        loaded = load_model(str(model), **settings)
        if tokenizer is None:
            return loaded
        return loaded._replace(tokenizer=text_tokenizer(tokenizer))
    if tokenizer is None:
        raise InputError("a loaded model needs its tokenizer: score(dataset, model, tokenizer=...)")
    check_causal(model, model.name_or_path or type(model).__name__)
    return LoadedModel(model, text_tokenizer(tokenizer), None)
