"""`train`: score, select, tune, save; the folder of a tuned model, whole or not there at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from hf_miwv.common.former_names import former_names, loaded_in
from hf_miwv.common.hub.hub_section import (
    finish_saves,
    open_hub,
    push_result,
    wait_for_saves,
    watch_saves,
    write_checkpoint_card,
)
from hf_miwv.common.models.devices import pick_device
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.common.runs.flushing import flush_all
from hf_miwv.common.runs.folder import (
    RECORD,
    read_record,
    write_errors,
)
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.launched_sharding import check_can_shard, sharding_by_settings
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.record import new_record
from hf_miwv.common.runs.workspace import Workspace, workspace_of
from hf_miwv.common.trainer.checkpoints import MARK
from hf_miwv.common.trainer.divided_weights import save_whole_model
from hf_miwv.common.trainer.trainable import release_memory, trainable_source
from hf_miwv.scoring.scoring import score
from hf_miwv.scoring.target_set import target_identity
from hf_miwv.selection.selection import select
from hf_miwv.training.sft_tuning import Tuning, try_out, tune
from hf_miwv.training.tuned_card import card_metadata, draw_curve, write_model_card
from hf_miwv.training.tuned_record import TunedRecord

LIBRARIES = ("trl", "peft", "accelerate")  # beside those of `new_record`

logger = logging.getLogger(__name__)


@former_names({"output": "output_dir"})
def train(
    dataset: Dataset,
    model: str,
    *,
    output_dir: str | Path,
    selection: Mapping[str, Any],
    training: Mapping[str, Any] | None = None,
    lora: Mapping[str, Any] | None = None,
    loading: Mapping[str, Any] | None = None,
    scoring: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    held_out: Dataset | None = None,
    scored: str | Path | None = None,
    license: str | None = None,
    hub: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> TunedRecord:
    """Score the rows with the model, choose, tune the model on the chosen ones, and save it.

    The loss is -log p(token | all before it), in nats, over the tokens of the response and the
    end of turn, the mean over all such tokens of a step (trl.SFTTrainer). Prompts and responses
    are the very tokens that were scored. Killed at any moment, the same call goes on: from the
    scored rows so far, then from the newest whole checkpoint.

    Args:
        dataset (`Dataset`): Rows of a known shape, as in `score`.
        model (`str`): Name of the causal LM: a Hub id, a folder or a GGUF file (converted once).
        output_dir (`str | Path`): A folder to write: the model (or adapter) as safetensors, tokenizer and
            chat template, model card, training curve, run.json.
        selection (`Mapping[str, Any]`): Arguments of `select`.
        training (`Mapping[str, Any]`, *optional*): Arguments of trl.SFTConfig.
        lora (`Mapping[str, Any]`, *optional*): Arguments of peft.LoraConfig; None tunes all weights.
        loading (`Mapping[str, Any]`, *optional*): Arguments of `load_model`. `score` takes attn_implementation,
            dtype and quantization of these unless `scoring` says otherwise.
        scoring (`Mapping[str, Any]`, *optional*): Arguments of `score`.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set, for
            rows of another shape.
        held_out (`Dataset`, *optional*): Rows of the same shape that are not trained on; their loss is
            measured where `training` has an `eval_strategy`.
        scored (`str | Path`, *optional*): Where the scored rows are kept, for other runs to choose from;
            by default they are removed when the model is saved.
        license (`str`, *optional*): License of the tuned model, for its card, where it is known.
        hub (`Mapping[str, Any]`, *optional*): Where on the Hub the model goes, as in
            `common.hub.hub_section.HUB_KEYS`; nowhere without.
        recipe (`str`, *optional*): Text that is kept beside the model, as recipe.yaml.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output_dir` where it holds something.
        origin (`Mapping[str, Any]`, *optional*): Facts of the data and the command for run.json, as in
            `score`.

    Returns:
        `TunedRecord`: The record of the run, as run.json has it.

    Raises:
        InputError: An argument that cannot be used; what can be seen from the model and the
            settings alone, before anything is scored. Or the finished model cannot be pushed.
    """
    hub = hub or {}
    output, loading, scoring = Path(output_dir), dict(loading or {}), dict(scoring or {})
    origin, processes = origin or {}, Processes.launched()
    folder_run = FolderRun(output, overwrite, holds="*.safetensors", processes=processes)
    check_can_shard(sharding_by_settings(training or {}), pick_device(loading.get("device")).type == "cpu")
    tuning = Tuning(
        source=trainable_source(model),
        loading=loading,
        settings=dict(training or {}),
        lora=lora,
        template=scoring.get("template"),
        columns=columns,
    )
    run = _start_record(dataset, model, tuning, scoring, selection, origin, license)
    if held_out is not None:
        run["data"]["held_out"] = {"rows": len(held_out), "fingerprint": content_fingerprint(held_out)}
        run["identity"]["held-out rows"] = run["data"]["held_out"]["fingerprint"]
    root = workspace_of(output)
    # A run that was killed behind its last step may still have checkpoints to push.
    if folder_run.is_finished(run["identity"], partial(finish_saves, hub, root, root / "training" / "checkpoints")):
        run = read_record(output) or TunedRecord()
    else:
        if processes.first and hub.get("repo_id"):
            open_hub(hub)
        # The lock belongs to the first process: the others of this run would find it taken.
        with Workspace(root) if processes.first else nullcontext():
            # A folder of the user's is never replaced, the one in the workspace is only ever ours.
            score_before_tuning(
                dataset, model, tuning, scoring, Path(scored or root / "scored"), scored is None, origin
            )
            if processes.first:
                logger.info("choosing from %s", scored or root / "scored")
                chosen = select(
                    Path(scored or root / "scored"),
                    output_dir=root / "chosen",
                    overwrite=True,
                    origin=origin,
                    **selection,
                )
                logger.info("%d rows chosen", len(chosen))
            processes.agree(None)
            _tune_to_folder(tuning, run, folder_run, processes, hub, recipe, held_out)
    if processes.first:
        push_result(output, hub)
    return run


def _start_record(
    dataset: Dataset,
    model: str,
    tuning: Tuning,
    scoring: Mapping[str, Any],
    selection: Mapping[str, Any],
    origin: Mapping[str, Any],
    license_name: str | None,
) -> TunedRecord:
    """Record the facts known before anything is scored, with the run's "identity"."""
    run: TunedRecord = {**new_record("train", origin)}
    run["versions"] |= {name: version(name) for name in LIBRARIES}
    run["license"] = license_name
    run["data"] = {
        "source": origin.get("source"),
        "split": origin.get("split"),
        "config": origin.get("config"),
        "revision": origin.get("revision"),
        "rows": len(dataset),
        "fingerprint": content_fingerprint(dataset),
    }
    run["model"] = {"source": model, **try_out(tuning)}
    if run["model"]["quantization"]:
        run["versions"]["bitsandbytes"] = version("bitsandbytes")
    run["recipe"] = {
        "loading": dict(tuning.loading),
        "scoring": dict(scoring),
        "selection": dict(selection),
        "training": dict(tuning.settings),
        "lora": None if tuning.lora is None else {**tuning.lora},
        "columns": None if tuning.columns is None else {**tuning.columns},
    }
    processor = torch.get_num_threads() if run["model"]["device"] == "cpu" else None
    identity = {
        "data set": run["data"]["fingerprint"],
        "model": run["model"]["fingerprint"],
        **run["recipe"],
        **target_identity(scoring, tuning.columns, dataset),
        "license": license_name,
        "processes": Processes.launched().world,
        "device": run["model"]["device"],
        "processor threads": processor,
        "hf_miwv": run["package"]["version"],
        **run["versions"],
    }
    run["identity"] = json.loads(json.dumps(identity))  # as it will be read again
    return run


def score_before_tuning(
    dataset: Dataset,
    model: str,
    tuning: Tuning,
    scoring: Mapping[str, Any],
    output_dir: Path,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Score the rows as the model will be tuned, unless `output_dir` holds that result already.

    Args:
        dataset (`Dataset`): Rows of a known shape.
        model (`str`): Name of the causal LM.
        tuning (`Tuning`): How it will be tuned: dtype, attention and quantization are the same for scoring.
        scoring (`Mapping[str, Any]`): Arguments of `score`, over those.
        output_dir (`Path`): Folder of the scored rows.
        overwrite (`bool`, *optional*, defaults to `False`): Replace other scored rows there.
        origin (`Mapping[str, Any]`, *optional*): Facts of the data for run.json, as in `score`.
    """
    shared = dict(tuning.loading)
    shared |= loaded_in(shared.pop("quantization", None))
    # what the trainer will cut is counted by its own limit, where the recipe gives one
    length = tuning.settings.get("max_length") or scoring.get("max_length") or 2048
    score(
        dataset,
        model,
        output_dir=output_dir,
        columns=tuning.columns,
        model_revision=shared.pop("revision", None),
        overwrite=overwrite,
        origin=origin,
        **{**shared, "trainer_max_length": length, **scoring},
    )
    # The trainer needs the memory that the scored model has held.
    release_memory()


def _tune_to_folder(
    tuning: Tuning,
    run: TunedRecord,
    folder_run: FolderRun,
    processes: Processes,
    hub: Mapping[str, Any],
    recipe: str | None,
    held_out: Dataset | None,
) -> None:
    output = folder_run.output
    root = workspace_of(output)
    chosen = read_dataset(root / "chosen")
    run["chosen_run"] = read_record(root / "chosen")
    identity = {**run["identity"], "chosen rows": content_fingerprint(chosen)}
    with folder_run.work(identity, part="training") if processes.first else write_errors(output):
        processes.agree(None)
        pushing = watch_saves(hub, MARK, partial(_complete_checkpoint, run, hub))
        trainer, report = tune(
            tuning,
            chosen,
            root / "training" / "checkpoints",
            processes,
            callbacks=[pushing] if pushing else [],
            date=((run["chosen_run"] or {}).get("template") or {}).get("date"),
            held_out=held_out,
        )
        run |= report
        _write(trainer, run, root, output, processes, recipe)
        wait_for_saves(pushing)  # what waits lies in the workspace


def _complete_checkpoint(run: TunedRecord, hub: Mapping[str, Any], folder: Path, step: int) -> None:
    write_checkpoint_card(folder, card_metadata(run), hub["repo_id"], step)


def _write(
    trainer: Any,
    run: TunedRecord,
    root: Path,
    output: Path,
    processes: Processes,
    recipe: str | None,
) -> None:
    """Save the model by all processes together, all else by the first."""
    draft, replaced = root / "output", root / "replaced"
    if processes.first:
        for folder in (draft, replaced):
            shutil.rmtree(folder, ignore_errors=True)
    processes.agree(None)
    save_whole_model(trainer, draft)
    if processes.first:
        (draft / "training_args.bin").unlink(missing_ok=True)  # pickled, and with local paths
        text = json_text(run, indent=2)
        (draft / RECORD).write_text(text + "\n", "utf-8")
        if recipe is not None:
            (draft / "recipe.yaml").write_text(recipe, "utf-8")
        write_model_card(run, draw_curve(run["loss_curve"], draft), draft)
        flush_all(draft)
        # Renamed, not copied: whenever a kill comes, both folders are whole.
        if output.exists():
            os.rename(output, replaced)
        os.rename(draft, output)
    processes.agree(None)  # nobody leaves before the output is there
