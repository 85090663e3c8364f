"""One model tuned on the chosen rows by TRL's SFTTrainer: all its weights, or a LoRA adapter.

Imports trl and peft only when it is called: they are optional.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.internals.of_transformers import attention_of
from hf_miwv.common.models.devices import pick_device
from hf_miwv.common.models.memory import is_out_of_memory
from hf_miwv.common.models.model_kinds import check_trainable
from hf_miwv.common.models.models import LoadedModel, length_limit, load_model
from hf_miwv.common.models.quantization import quantization_of
from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.common.models.vocabulary import check_ids, check_tables
from hf_miwv.common.runs.fingerprints import model_fingerprint
from hf_miwv.common.runs.launched_sharding import sharding_by_settings
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.trainer.checkpoints import (
    EndsAtItsLastStep,
    MarkWhole,
    ResumesInTheSameDtypes,
    newest_whole_checkpoint,
)
from hf_miwv.common.trainer.dead_workers import explained_dead_workers
from hf_miwv.common.trainer.divided_weights import check_sharding
from hf_miwv.common.trainer.finite_steps import FiniteSteps, NotFiniteError, explain_not_finite, name_of_newest
from hf_miwv.common.trainer.trainable import (
    effective_settings,
    loss_curve,
    release_memory,
    sort_adapter_modules,
)
from hf_miwv.common.trainer.training_table import print_as_table
from hf_miwv.prompts.choose_prompts import Prompts, choose_prompts
from hf_miwv.prompts.run_date import parse_date
from hf_miwv.results.scored_record import ModelFacts
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import Shape, recognize
from hf_miwv.training.chosen_rows import TrainingRows, check_trainer, compare_with_inference, prepare_rows
from hf_miwv.training.tuned_record import TunedRecord

logger = logging.getLogger(__name__)


class Tuning(NamedTuple):
    """Hold a model, its loading and its settings for tuning, before anything is loaded.

    Attributes:
        source (`str`): A name for `from_pretrained`: a Hub id or a safetensors folder.
        loading (`Mapping[str, Any]`): Arguments of `load_model`.
        settings (`Mapping[str, Any]`): Arguments of trl.SFTConfig.
        lora (`Mapping[str, Any]`, *optional*): Arguments of peft.LoraConfig; None where all weights are tuned.
        template (`str`, *optional*): Template of the rows, as in `score`.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of the data set.
    """

    source: str
    loading: Mapping[str, Any]
    settings: Mapping[str, Any]
    lora: Mapping[str, Any] | None
    template: str | None
    columns: Mapping[str, str] | None


def try_out(tuning: Tuning) -> ModelFacts:
    """Load the model once as it will be tuned, and return its description for run.json.

    Args:
        tuning (`Tuning`): The model and its settings.

    Returns:
        `ModelFacts`: The description.

    Raises:
        InputError: model, adapter or training settings that cannot be: hours before the training.
    """
    from peft import get_peft_model

    loaded = load_model(tuning.source, **tuning.loading)
    model = loaded.model
    check_trainable(model.config, tuning.source)
    described: ModelFacts = {
        "revision": loaded.revision,
        "dtype": str(model.dtype).removeprefix("torch."),
        "quantization": quantization_of(model),
        "attention": attention_of(model.config),
        "parameters": model.num_parameters(),
        "device": model.device.type,
        "fingerprint": model_fingerprint(model),
    }
    if described["dtype"] == "float16" and tuning.lora is None:
        raise InputError(
            "these weights are float16, in which full tuning loses the small steps; give dtype: float32 and "
            "bf16: true or fp16: true"
        )
    ends = [loaded.tokenizer.eos_token_id, loaded.tokenizer.pad_token_id]
    known = [token for token in ends if token is not None]
    check_ids(model, loaded.tokenizer, known, "what ends and fills up rows in training")
    _check_arguments(_arguments(tuning, Path("unused"), model), model)
    if tuning.lora is not None:
        try:
            model = get_peft_model(model, _adapter(tuning.lora))
        except (ValueError, TypeError) as error:
            raise InputError(f"lora: {error}") from error
    trained = sum(part.numel() for part in model.parameters() if part.requires_grad)
    # Scoring loads the model anew, and two of them would not fit into memory.
    del model, loaded
    release_memory()
    return {**described, "trained_parameters": trained}


def _arguments(tuning: Tuning, folder: Path, model: Any) -> Any:
    """Make trl.SFTConfig with our own defaults: every step is logged, max_length is the scoring's."""
    from trl import SFTConfig

    on_cpu = pick_device(tuning.loading.get("device")).type == "cpu"
    limit: int | None = length_limit(model, tuning.settings.get("max_length"))
    if tuning.settings.get("padding_free"):
        limit = None  # TRL asks for it: rows come to it cut
    settings = {"logging_steps": 1, **tuning.settings, "max_length": limit}
    try:
        return SFTConfig(output_dir=str(folder), use_cpu=on_cpu, **settings)
    except (ValueError, ImportError) as error:
        raise InputError(f"the trainer refuses the recipe: {error}") from error


def _check_arguments(arguments: Any, model: Any) -> None:
    """Check for all that the trainer would refuse when it is made, or at its first step."""
    from trl import SFTTrainer

    if arguments.n_gpu > 1:
        raise InputError(
            "several GPUs are visible to one process; start one process for each with `accelerate "
            "launch` (`hf-miwv recipe copy accelerate/multi_gpu`), or set CUDA_VISIBLE_DEVICES to one of them"
        )
    try:
        SFTTrainer.get_optimizer_cls_and_kwargs(arguments, model)
    except (ValueError, ImportError) as error:
        raise InputError(f"the trainer refuses the recipe: {error}") from error


def _adapter(lora: Mapping[str, Any]) -> Any:
    from peft import LoraConfig

    return LoraConfig(task_type="CAUSAL_LM", **lora)


def tune(
    tuning: Tuning,
    chosen: Dataset,
    checkpoints: Path,
    processes: Processes,
    callbacks: Sequence[Any] = (),
    date: str | None = None,
    held_out: Dataset | None = None,
) -> tuple[Any, TunedRecord]:
    """Tune the model on the chosen rows.

    Resumes from the newest whole checkpoint in the folder `checkpoints`, where there is one.

    Args:
        tuning (`Tuning`): The model and its settings.
        chosen (`Dataset`): The chosen rows, with their scores.
        checkpoints (`Path`): Folder of the trainer's checkpoints.
        processes (`Processes`): The processes that train together.
        callbacks (`Sequence[Any]`, *optional*, defaults to `()`): Callbacks, which see each checkpoint when it
            is whole.
        date (`str`, *optional*): The date that the chat template printed when the rows were scored.
        held_out (`Dataset`, *optional*): Rows as they came, whose loss is measured where the settings have an
            `eval_strategy`.

    Returns:
        `tuple[SFTTrainer, TunedRecord]`: The trainer after its last step, and run.json's part on the
        training.

    Raises:
        InputError: none of the rows can be trained on, or not as they were scored; a loss,
            gradient or weights are no numbers; memory is used up; a process that loads batches was killed.
    """
    began = time.perf_counter()
    loaded = load_model(tuning.source, **tuning.loading)
    use_cache = loaded.model.config.use_cache
    arguments = _arguments(tuning, checkpoints, loaded.model)
    max_length = length_limit(loaded.model, tuning.settings.get("max_length"))
    _set_end(loaded, arguments.eos_token)
    shape = recognize(chosen.column_names, tuning.columns)
    conversational = Rows(chosen, shape).conversational()
    prompts = choose_prompts(tuning.template, loaded.tokenizer, shape.name, conversational, parse_date(date))
    rows = prepare_rows(chosen, shape, prompts, loaded.tokenizer, max_length)
    ids = TokenTable(rows.dataset["input_ids"])
    # On an accelerator an id without an embedding ends the process without a reason.
    check_tables(loaded.model, loaded.tokenizer, [ids], "training row {}".format)
    difference = compare_with_inference(chosen, shape, prompts, loaded.tokenizer)
    evaluation = None
    if held_out is not None:
        of_held_out = recognize(held_out.column_names, tuning.columns)
        evaluation = prepare_rows(held_out, of_held_out, prompts, loaded.tokenizer, max_length)
    logger.info("training on %d rows, %d tokens", rows.counts["used"], rows.counts["tokens"])
    trainer = _trainer(tuning, loaded, arguments, rows, evaluation, [MarkWhole(processes), *callbacks])
    try:
        with explained_dead_workers(checkpoints):
            trainer.train(resume_from_checkpoint=newest_whole_checkpoint(checkpoints, processes))
        # No loss is computed after the last step, so its weights are looked at here.
        trainer.check_weights()
    except NotFiniteError as error:
        names = _name_sequences(error.sequences, chosen, shape, prompts)
        raise explain_not_finite(error, names, name_of_newest(checkpoints)) from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        size = arguments.per_device_train_batch_size
        raise InputError(
            f"out of memory in training on {size} rows of up to {int(ids.lengths.max())} tokens at once: give "
            f"per_device_train_batch_size: {max(1, size // 2)} with more gradient_accumulation_steps, or "
            "gradient_checkpointing: true; or use_peft: true, load_in_4bit: true, or a smaller max_length"
        ) from error
    trainer.model.config.use_cache = use_cache  # the trainer turns it off
    return trainer, {
        "template": {"name": prompts.name, "sha256": prompts.sha256},
        "settings": {**effective_settings(arguments), "max_length": max_length},
        "seeds": {"training": arguments.seed, "data": arguments.data_seed},
        "rows": rows.counts,
        "prompts_unlike_inference": difference,
        "steps": trainer.state.global_step,
        "epochs": trainer.state.epoch,
        "loss_curve": loss_curve(trainer.state.log_history),
        "held_out": None if evaluation is None else {"rows": evaluation.counts, "losses": _held_out_losses(trainer)},
        "timing": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": {"training": round(time.perf_counter() - began, 3)},
        },
    }


def _trainer(
    tuning: Tuning,
    loaded: LoadedModel,
    arguments: Any,
    rows: TrainingRows,
    evaluation: TrainingRows | None,
    callbacks: Sequence[Any],
) -> Any:
    from trl import SFTTrainer

    class Trainer(EndsAtItsLastStep, ResumesInTheSameDtypes, FiniteSteps, SFTTrainer):
        """TRL's, for runs that go on after a kill, and end before a step spoils the model."""

    trainer = Trainer(
        model=loaded.model,
        args=arguments,
        train_dataset=rows.dataset,
        eval_dataset=None if evaluation is None else evaluation.dataset,
        processing_class=loaded.tokenizer,
        peft_config=None if tuning.lora is None else _adapter(tuning.lora),
        callbacks=list(callbacks),
    )
    # Before any checkpoint: the adapter's configuration must have the same bytes in every run.
    sort_adapter_modules(trainer.model)
    print_as_table(trainer)
    check_trainer(trainer, rows)
    check_sharding(trainer, sharding_by_settings(tuning.settings))
    return trainer


def _held_out_losses(trainer: Any) -> list[dict[str, Any]]:
    """List each evaluation's step and loss: mean nats per token of the held-out responses and their ends."""
    return [
        {"step": entry["step"], "loss": entry["eval_loss"]}
        for entry in trainer.state.log_history
        if "eval_loss" in entry
    ]


def _set_end(loaded: LoadedModel, token: str | None) -> None:
    """Make a token of the vocabulary the end of a sequence, for tokenizer and model, as TRL's `eos_token` does."""
    if token is None:
        return
    if token not in loaded.tokenizer.get_vocab():
        raise InputError(
            f"eos_token {token!r} is not in the tokenizer's vocabulary; give one that is, such as the one that ends "
            "a turn of its chat template"
        )
    loaded.tokenizer.eos_token = token
    for config in (loaded.model.config, loaded.model.generation_config):
        config.eos_token_id = loaded.tokenizer.eos_token_id


def _name_sequences(sequences: Sequence[np.ndarray], chosen: Dataset, shape: Shape, prompts: Prompts) -> list[str]:
    """Name the chosen row behind each sequence: its number and how it begins."""
    names = [""] * len(sequences)
    rows = Rows(chosen, shape)
    examples = (example for block in rows.blocks() for example in block)
    encoded = (tokens for block in rows.blocks() for tokens in prompts.encode(block))
    for row, example, tokens in zip(chosen["row"], examples, encoded, strict=True):
        ids = [*tokens.prompt, *tokens.response]
        for number, sequence in enumerate(sequences):
            # behind x + y stands the end of the turn, or y was cut
            if sequence[: len(ids)].tolist() == ids[: len(sequence)]:
                names[number] = f"row {row} ({example.bare_prompt[:60]!r})"
    return names
