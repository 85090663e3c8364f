"""The folder of a trained model: weights and all that lies beside them, put in place as a whole."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from hf_lmt.model_card.model_card import write_trained_card
from hf_lmt.model_card.subject import wording_of
from hf_lmt.model_card.trained_record import TrainedRecord
from hf_lmt.recipes.training_recipe import MODEL
from hf_lmt.training.curve import draw_loss
from hf_lmt.training.merge import merge_adapter
from hf_lmt.training.training_record import save_recipe
from hf_lmt.training.tuning import Run, full_disk
from hf_lmt.training.watching.curves import draw_curves
from hf_lmt.training.watching.watched_record import FOLDER as EVALUATIONS
from hf_lmt.translation.prompt_registry import save_prompt_identity
from hf_miwv.common.internals.of_transformers import attention_of, commit_of
from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.common.runs.flushing import flush_all
from hf_miwv.common.runs.folder import RECORD
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.trainer.divided_weights import save_whole_model
from hf_miwv.common.trainer.trainable import trainable_source

ADAPTER = "adapter"
COMPLETIONS = "completions"  # TRL's folder, which it writes where log_completions is true


def describe_run(run: Run, report: TrainedRecord, seconds: float) -> TrainedRecord:
    """Describe the training for run.json.

    Args:
        run (`Run`): Model, rows and settings.
        report (`TrainedRecord`): Of `tune`.
        seconds (`float`): Seconds of the training, over all its starts; see `Clock`.

    Returns:
        `TrainedRecord`: Model, data, rows, prompts, the report and "timing".
    """
    model, prepared = run.model, run.rows.run
    counts: Any = run.tokens.counts
    trained = sum(part.numel() for part in model.parameters() if part.requires_grad)
    return {
        "model": {
            "source": run.recipe.content[MODEL],
            "revision": commit_of(model.config),
            "dtype": str(model.dtype).removeprefix("torch."),
            "attention": attention_of(model.config),
            "parameters": model.num_parameters(),
            "trained_parameters": trained,
            "device": model.device.type,
            "device_name": torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else None,
        },
        "data": prepared["data"],
        "prepared": {
            "settings": prepared["settings"],
            "counts": prepared["counts"],
            "contamination": prepared["contamination"],
        },
        "rows": {**counts, "fingerprint": content_fingerprint(run.rows.dataset)},
        "prompts": run.rows.prompts,
        **report,
        "timing": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
        },
    }


def write_model(trainer: Any, run: Run, record: TrainedRecord, root: Path) -> None:
    """Save in `root`, then rename it to the output.

    The model is saved by all processes together, all else by the first.

    Args:
        trainer (`SFTTrainer`): The trainer after its last step.
        run (`Run`): Model, rows and settings.
        record (`TrainedRecord`): run.json; the names of the pictures are added to it.
        root (`Path`): Folder of unfinished work, on the file system of the output.
    """
    draft, replaced, output = root / "output", root / "replaced", run.recipe.output
    if run.processes.first:
        for folder in (draft, replaced):
            shutil.rmtree(folder, ignore_errors=True)
    run.processes.agree(None)
    with full_disk():
        save_whole_model(trainer, draft)
        if run.processes.first:
            _complete(draft, trainer, run, record)
            flush_all(draft)
            if output.exists():
                os.rename(output, replaced)
            _keep_completions(Path(trainer.args.output_dir), output)
            os.rename(draft, output)
    run.processes.agree(None)  # nobody leaves before the output is there


def _complete(draft: Path, trainer: Any, run: Run, record: TrainedRecord) -> None:
    """Write the files beside the weights."""
    (draft / "training_args.bin").unlink(missing_ok=True)  # pickled, and with local paths
    (draft / "README.md").unlink(missing_ok=True)  # peft's
    trainer.accelerator.unwrap_model(trainer.model).generation_config.save_pretrained(draft)
    if run.recipe.merge:
        _merge(draft, run)
    save_origin(draft, run)
    _save_watched(draft, trainer, record)
    text = json_text(record, indent=2)
    (draft / RECORD).write_text(text + "\n", "utf-8")
    draw_loss(record, draft)
    write_trained_card(record, draft)


def _save_watched(draft: Path, trainer: Any, record: TrainedRecord) -> None:
    """Save the results watched by direction: the pictures, and the figures of each evaluation."""
    figures = Path(trainer.args.output_dir) / EVALUATIONS
    if figures.is_dir():
        shutil.copytree(figures, draft / EVALUATIONS)
    if record["evaluations"] or "rewards" in record:
        record["pictures"] = draw_curves(trainer.state.log_history, draft)


def _keep_completions(checkpoints: Path, output: Path) -> None:
    """Put the tables of `log_completions` beside the model: they hold sources, which are not to be pushed with it."""
    tables = checkpoints / COMPLETIONS
    if tables.is_dir():
        shutil.copytree(tables, output.with_name(f"{output.name}-{COMPLETIONS}"), dirs_exist_ok=True)


def save_origin(folder: Path, run: Run) -> None:
    """Save the recipe, and how the model was asked for translations.

    Args:
        folder (`Path`): Folder of a model or checkpoint.
        run (`Run`): Model, rows and settings.
    """
    if run.rows.prompts is not None:
        style = {name: run.rows.prompts[name] for name in ("form", "thinking")}
        save_prompt_identity(folder, wording=wording_of(run.rows.prompts), **style)
    save_recipe(run.recipe, folder)


def _merge(draft: Path, run: Run) -> None:
    """Put the adapter of the draft into the weights of its base, in the same folder."""
    adapter = draft / ADAPTER
    adapter.mkdir()
    for path in draft.glob("adapter_*"):
        path.rename(adapter / path.name)
    revision = run.recipe.model.get("model_revision")
    loading = {
        "trust_remote_code": bool(run.recipe.training.get("trust_remote_code")),
        "revision": None if revision == "main" else revision,
    }
    # Merging saves the base's generation config: the trained model's is put in its place again.
    generation_config = (draft / "generation_config.json").read_bytes()
    merge_adapter(adapter, trainable_source(str(run.recipe.model[MODEL])), draft, loading)
    (draft / "generation_config.json").write_bytes(generation_config)
