"""run.json: what was done, with what, in which versions; everything a card says comes from here.

All of it but "timing" is the same for the same run, also after a kill.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

from hf_miwv.common.internals.of_transformers import attention_of
from hf_miwv.common.models.quantization import quantization_of
from hf_miwv.common.runs.fingerprints import content_fingerprint, model_fingerprint, token_fingerprint
from hf_miwv.common.runs.record import new_record, peak_memory
from hf_miwv.neighbors.embed import Embedder
from hf_miwv.results.scored_record import DataFacts, EmbedderFacts, ModelFacts, ScoredRecord, Statistics, TargetFacts
from hf_miwv.rows.schema import INFLUENCE, unread_columns
from hf_miwv.scoring.journey import Journey
from hf_miwv.scoring.target_set import TargetSet


def start_record(
    journey: Journey,
    model_revision: str | None,
    origin: Mapping[str, Any],
) -> ScoredRecord:
    """Begin the record with the facts that are known before the first forward pass, and the run's "identity".

    Args:
        journey (`Journey`): The run.
        model_revision (`str`, *optional*): Commit of the model on the Hub.
        origin (`Mapping[str, Any]`): Where the rows come from.

    Returns:
        `ScoredRecord`: The record.
    """
    run: ScoredRecord = {**new_record("score", origin)}
    run["data"] = _describe_data(journey, origin)
    run["model"] = _describe_model(journey, model_revision)
    if run["model"]["quantization"]:
        run["versions"]["bitsandbytes"] = version("bitsandbytes")
    run["embedder"] = _describe_embedder(journey.embedder, journey.embed_text)
    run["template"] = {"name": journey.prompts.name, "sha256": journey.prompts.sha256}
    if journey.prompts.date is not None:
        run["template"]["date"] = journey.prompts.date.isoformat()
    run["settings"] = {
        "max_length": journey.max_length,
        "batch_tokens": journey.batch_tokens,
        "avoid_duplicate_neighbors": journey.avoid_duplicates,
        "also": list(journey.also),
        "keep_embeddings": journey.keep_embeddings,
        "unreadable_rows": journey.unreadable_rows,
    }
    if journey.neighbor_count != 1:
        run["settings"]["neighbors"] = journey.neighbor_count
    elif journey.adds_influence:
        run["settings"]["also"].append(INFLUENCE)
    run["settings"]["also"] += journey.further
    if journey.target is not None:
        run["target"] = _describe_target(journey.target)
    if journey.scorers:
        run["scorers"] = {name: dict(scorer.facts) for name, scorer in journey.scorers.items()}
    if journey.rating is not None:
        run["rating"] = journey.rating.facts
    table = journey.table
    run["trainer"] = {
        "max_length": journey.trainer_max_length,
        **table.trainer_counts(journey.trainer_max_length),
        "earlier_answers_not_scored": table.earlier_answers,
        "prompt_ends_lost": table.lost_prompt_ends,
    }
    run["unused"] = dict(table.unused.most_common())
    run["unreadable"] = table.fault_counts()
    run["identity"] = _identity(run, journey)
    return run


def complete_record(run: ScoredRecord, journey: Journey, statistics: Statistics) -> ScoredRecord:
    """Complete the record with the run's counts; "timing" is the one part that differs between runs.

    Args:
        run (`ScoredRecord`): The record as it was begun.
        journey (`Journey`): The finished run.
        statistics (`Statistics`): `describe` of the scored rows.

    Returns:
        `ScoredRecord`: The complete record.
    """
    stages = journey.stages
    prompts_cut = stages["embed"].pop("prompts_cut")
    return {
        **run,
        "embedder": {**run["embedder"], "prompts_cut": prompts_cut},
        "statistics": statistics,
        "demonstrations_with_empty_response": journey.empty_demonstrations,
        "stages": stages,
        "timing": {
            "peak_memory_bytes": peak_memory(journey.model.device),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": {name: round(value, 3) for name, value in journey.seconds.items()},
        },
    }


def _describe_data(journey: Journey, origin: Mapping[str, Any]) -> DataFacts:
    return {
        "source": origin.get("source"),
        "split": origin.get("split"),
        "config": origin.get("config"),
        "revision": origin.get("revision"),
        "license": origin.get("license"),
        **({"field": origin["field"]} if origin.get("field") else {}),
        "rows": len(journey.dataset),
        "shape": journey.shape.name,
        "columns": dict(journey.shape.columns),
        "columns_not_read": unread_columns(journey.shape, journey.dataset.column_names),
        "fingerprint": content_fingerprint(journey.dataset),
    }


def _describe_target(target: TargetSet) -> TargetFacts:
    rows = target.rows
    return {
        "source": rows.origin.get("source"),
        "split": rows.origin.get("split"),
        "config": rows.origin.get("config"),
        "revision": rows.origin.get("revision"),
        "license": rows.origin.get("license"),
        "rows": len(rows.dataset),
        "shape": rows.shape.name,
        "columns": dict(rows.shape.columns),
        "fingerprint": content_fingerprint(rows.dataset),
        "examples": len(target.examples),
        "rows_in_target": int(target.in_target.sum()),
    }


def _describe_model(journey: Journey, revision: str | None) -> ModelFacts:
    model = journey.model
    return {
        "source": model.name_or_path or None,
        "revision": revision,
        "dtype": str(model.dtype).removeprefix("torch."),
        "quantization": quantization_of(model),
        "attention": attention_of(model.config),
        "parameters": model.num_parameters(),
        "device": str(model.device),
        "fingerprint": model_fingerprint(model),
    }


def _describe_embedder(embedder: Embedder, text: str) -> EmbedderFacts:
    return {
        "source": embedder.name,
        "revision": embedder.revision,
        "pooling": embedder.pooling,
        "text": text,
        "max_tokens": embedder.max_tokens,
        "fingerprint": model_fingerprint(embedder.model),
    }


def _target_identity(facts: TargetFacts, target: TargetSet) -> dict[str, Any]:
    return {
        "target set": facts["fingerprint"],
        "target columns": facts["columns"],
        "target tokens": token_fingerprint(target.table.prompts, target.table.responses),
    }


def _identity(run: ScoredRecord, journey: Journey) -> dict[str, Any]:
    """Return all that the result depends on, under the names that a user is told when one differs."""
    scorer_identities = {name: scorer.identity for name, scorer in journey.scorers.items()}
    return {
        "data set": run["data"]["fingerprint"],
        "columns": run["data"]["columns"],
        "tokens": token_fingerprint(journey.table.prompts, journey.table.responses),
        "model": run["model"]["fingerprint"],
        "embedder": run["embedder"]["fingerprint"],
        "pooling": run["embedder"]["pooling"],
        "embedded text": run["embedder"]["text"],
        "template": run["template"],
        "max length": journey.max_length,
        # Batches and threads change the order of sums, and with it the last bits of the losses.
        "batch tokens": journey.batch_tokens,
        "neighbor search": journey.search,
        # Only where it is not the paper's, so that work which was begun before there was a choice still counts.
        **({"neighbors": journey.neighbor_count} if journey.neighbor_count != 1 else {}),
        "duplicate neighbors": "avoided" if journey.avoid_duplicates else "allowed",
        **({} if journey.target is None else _target_identity(run["target"], journey.target)),
        "also": journey.also,
        **({"influence": "added"} if INFLUENCE in run["settings"]["also"] else {}),
        **({"further methods": list(journey.further)} if journey.further else {}),
        **({"scorers": scorer_identities} if scorer_identities else {}),
        **({} if journey.rating is None else {"rating": journey.rating.identity}),
        "unreadable rows": journey.unreadable_rows,
        "embeddings": "kept" if journey.keep_embeddings else "not kept",
        "attention": run["model"]["attention"],
        "processes": journey.processes.world,
        "device": journey.model.device.type,
        "processor threads": torch.get_num_threads() if journey.model.device.type == "cpu" else None,
        "hf_miwv": run["package"]["version"],
        **run["versions"],
    }
