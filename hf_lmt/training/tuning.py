"""One model trained on tokenized rows: trainer, checks before the first step, training."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from datasets import Dataset

from hf_lmt.model_card.trained_record import TrainedRecord
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.reinforcement import longest_rollout, rollouts_of
from hf_lmt.recipes.training_recipe import TrainingRecipe
from hf_lmt.training.checks_before import (
    check_evaluation,
    check_first_batch,
    check_prompts,
    check_special_tokens,
    check_world,
)
from hf_lmt.training.grpo.grpo_rows import rows_to_translate
from hf_lmt.training.grpo.grpo_settings import RECORDED, grpo_keys
from hf_lmt.training.grpo.reward_functions import RewardFunctions, check_rewards, reward_functions
from hf_lmt.training.grpo.reward_signs import reward_curve
from hf_lmt.training.grpo.reward_table import RewardTable
from hf_lmt.training.placement import adapter_of
from hf_lmt.training.prepared_rows import PreparedRows
from hf_lmt.training.segment_attention import INSTEAD_OF
from hf_lmt.training.training_tokens import Tokenized
from hf_lmt.training.watching.group_table import GroupTable
from hf_miwv.common.errors import InputError
from hf_miwv.common.internals.of_transformers import attention_of
from hf_miwv.common.models.memory import is_out_of_memory
from hf_miwv.common.models.models import length_limit
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.trainer.checkpoints import MarkWhole, newest_whole_checkpoint
from hf_miwv.common.trainer.dead_workers import explained_dead_workers
from hf_miwv.common.trainer.divided_weights import check_sharding
from hf_miwv.common.trainer.finite_steps import NotFiniteError, explain_not_finite, name_of_newest
from hf_miwv.common.trainer.trainable import EFFECTIVE, effective_settings, loss_curve, sort_adapter_modules
from hf_miwv.common.trainer.training_table import print_as_table

DEFAULTS = {"logging_steps": 1, "save_total_limit": 2}  # ours, where the recipe says nothing
HERE = ("max_length", "chat_template_path")  # acted on before the trainer has the rows

DISK_FULL = ("No space left", "os error 28", "file write failed", "fail at inline_container")

Watcher: TypeAlias = Callable[[Any], Sequence[Any]]
"""Makes TrainerCallbacks of a trainer; `tune` adds them, in their order."""

logger = logging.getLogger(__name__)


class Run(NamedTuple):
    """Hold the model, rows and settings of a training run.

    Attributes:
        recipe (`TrainingRecipe`): The recipe.
        launch (`Launch`): Processes and sharding.
        processes (`Processes`): The processes of the run.
        model (`PreTrainedModel`): The model to train.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        rows (`PreparedRows`): The rows.
        tokens (`Tokenized`): The same, tokenized.
    """

    recipe: TrainingRecipe
    launch: Launch
    processes: Processes
    model: Any
    tokenizer: Any
    rows: PreparedRows
    tokens: Tokenized


def tune(
    run: Run,
    checkpoints: Path,
    *,
    evaluation_rows: Dataset | None = None,
    watchers: Sequence[Watcher] = (),
    pushing: Any = None,
) -> tuple[Any, TrainedRecord]:
    """Train the model of a run to its last step.

    Goes on from the newest whole checkpoint in the folder, where there is one.

    Args:
        run (`Run`): Model, rows and settings.
        checkpoints (`Path`): Folder of the checkpoints.
        evaluation_rows (`Dataset`, *optional*): input_ids and labels of rows that are held out; with
            rewards their prompts.
        watchers (`Sequence[Watcher]`, *optional*, defaults to `()`): Each makes callbacks for the trainer, which
            are added in their order.
        pushing (`TrainerCallback`, *optional*): A callback that sees each checkpoint when it is whole.

    Returns:
        `tuple[SFTTrainer, TrainedRecord]`: The trainer after its last step, and what run.json says of the training.

    Raises:
        InputError: a check fails; the loss or the gradient is no number; memory or disk is full; a
            process that loads batches was killed.
    """
    from hf_lmt.training.stopping import explain_out_of_memory, name_sequences

    limit = max_length_of(run.recipe, run.model)
    arguments = training_arguments(run.recipe, checkpoints, limit)
    rewards = rewards_of(run.recipe)
    use_cache = run.model.config.use_cache
    with refused_settings():
        trainer = _make_trainer(run, arguments, evaluation_rows, rewards)
    # Else two trainings by one recipe would differ in adapter_config.json.
    sort_adapter_modules(trainer.accelerator.unwrap_model(trainer.model))
    print_as_table(trainer, GroupTable if rewards is None else RewardTable)
    for callback in (callback_of_watcher for watcher in watchers for callback_of_watcher in watcher(trainer)):
        trainer.add_callback(callback)
    trainer.add_callback(MarkWhole(run.processes))  # behind those that write into a checkpoint
    if pushing is not None:
        trainer.add_callback(pushing)
    warn_of_long_batches(run)
    check_sharding(trainer, run.launch.sharding)
    # With the trainer that will train, because what it makes of rows and settings is what counts.
    checks = _check(trainer, run, rewards)
    newest = newest_whole_checkpoint(checkpoints, run.processes)
    try:
        with full_disk(), explained_dead_workers(checkpoints):
            trainer.train(resume_from_checkpoint=newest)
        trainer.check_weights()
    except NotFiniteError as error:
        names = name_sequences(error.sequences, run.tokens.dataset, run.rows.dataset, run.tokenizer)
        kept = name_of_newest(checkpoints)
        raise explain_not_finite(error, names, kept, " (with another output_dir)") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        longest = run.tokens.counts["longest"] + (getattr(arguments, "max_completion_length", None) or 0)
        raise explain_out_of_memory(arguments, longest, run.recipe.model, run.launch) from error
    run.model.config.use_cache = use_cache  # the trainer turns it off
    return trainer, {**_report(trainer, rewards), "checks": checks}


def rewards_of(recipe: TrainingRecipe) -> RewardFunctions | None:
    """Return the functions of stage grpo; None in other stages.

    Args:
        recipe (`TrainingRecipe`): The recipe.

    Returns:
        `RewardFunctions | None`: The functions with their weights; None in other stages.
    """
    if recipe.reinforcement is None:
        return None
    return reward_functions(recipe.reinforcement, recipe.training.get("reward_weights"))


def _make_trainer(run: Run, arguments: Any, evaluation_rows: Dataset | None, rewards: RewardFunctions | None) -> Any:
    """Make TRL's trainer of the stage."""
    shared: dict[str, Any] = {
        "model": run.model,
        "args": arguments,
        "eval_dataset": evaluation_rows,
        "processing_class": run.tokenizer,
        "peft_config": adapter_of(run.recipe.model),
    }
    if rewards is None:
        from hf_lmt.training.stopping import WatchedTrainer

        return WatchedTrainer(train_dataset=run.tokens.dataset, **shared)
    from hf_lmt.training.grpo.grpo_trainer import WatchedGRPOTrainer

    assert run.rows.prompts is not None  # noqa: S101  not a mixture
    rows = rows_to_translate(run.rows.dataset, run.tokens)
    prompts = rollouts_of(run.recipe.training, run.launch.processes).prompts
    if len(rows) < prompts:
        raise InputError(
            f"{len(rows)} rows are fewer than the {prompts} prompts that a generation takes; give more rows, a "
            "smaller global_batch_size or more num_generations"
        )
    return WatchedGRPOTrainer(
        train_dataset=rows, reward_funcs=rewards.functions, thinking=run.rows.prompts["thinking"], **shared
    )


def warn_of_long_batches(run: Run) -> None:
    """Warn where attention costs by the square of all the tokens of a flattened batch, as some does.

    Args:
        run (`Run`): Model, rows and settings.
    """
    training, attention = run.recipe.training, attention_of(run.model.config)
    flat = training.get("padding_free") or training.get("packing")
    if flat and "flash" not in str(attention) and attention != INSTEAD_OF:
        logger.warning(
            "%s with attention %s: it is masked right, and computed over the whole batch of a "
            "device at once; give attn_implementation: sdpa or flash_attention_2, or fewer rows of "
            "a device (per_device_train_batch_size)",
            "packing" if training.get("packing") else "padding_free",
            attention,
        )


def training_arguments(recipe: TrainingRecipe, checkpoints: Path, limit: int | None) -> Any:
    """Make trl.SFTConfig by the recipe; TRL leaves the rows, tokenized and cut already, as they are.

    Packing is TRL's own, to `limit` tokens. With rewards it is trl.GRPOConfig.

    Args:
        recipe (`TrainingRecipe`): The recipe.
        checkpoints (`Path`): Folder of the checkpoints.
        limit (`int`, *optional*): Tokens of a packed sequence.

    Returns:
        `trl.SFTConfig`: The settings.

    Raises:
        InputError: settings that TRL or transformers refuse.
    """
    from trl import GRPOConfig, SFTConfig

    arguments = {name: value for name, value in recipe.training.items() if name not in HERE}
    always: dict[str, Any] = {"output_dir": str(checkpoints), "seed": recipe.data.seed}
    rewards = rewards_of(recipe)
    if rewards is not None:
        arguments.pop("eos_token", None)
        with refused_settings():
            return GRPOConfig(**always, **{**DEFAULTS, **grpo_keys(arguments, recipe.model, rewards)})
    ours = (
        {"max_length": limit}
        if arguments.get("packing")
        else {"max_length": None, "dataset_kwargs": {"skip_prepare_dataset": True}}
    )
    with refused_settings():
        return SFTConfig(**always, **{**DEFAULTS, **arguments, **ours})


def max_length_of(recipe: TrainingRecipe, model: Any) -> int | None:
    """Return the tokens that a sequence may have; 1,024 (TRL's default) where the recipe says nothing.

    With rewards they are those of the longest prompt and the longest completion.

    Args:
        recipe (`TrainingRecipe`): The recipe.
        model (`PreTrainedModel`): The model.

    Returns:
        `int | None`: Tokens; None where the recipe sets no limit.

    Raises:
        InputError: more than the model can read.
    """
    max_length = recipe.training.get("max_length", 1024)
    if recipe.reinforcement is not None:
        max_length = longest_rollout(recipe.reinforcement, recipe.training)
    return None if max_length is None else length_limit(model, max_length)


@contextmanager
def refused_settings() -> Iterator[None]:
    """Raise settings that TRL and transformers refuse when they are made as a fault of the recipe.

    Yields:
        `None`: Nothing.

    Raises:
        InputError: the library refused a setting, or needs a package that is missing.
    """
    try:
        yield
    except (ValueError, ImportError) as error:
        raise InputError(f"the trainer refuses the recipe: {error}") from error


@contextmanager
def full_disk() -> Iterator[None]:
    """Raise a full disk as OSError whatever the library calls it, for `write_errors` to explain.

    Yields:
        `None`: Nothing.

    Raises:
        OSError: ENOSPC, where an error of the library speaks of a full disk.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        if not any(words in str(error) for words in DISK_FULL):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def _check(trainer: Any, run: Run, rewards: RewardFunctions | None) -> dict[str, Any]:
    """Run the checks before the first step, and return their results for the record."""
    rows, mixture = run.rows.dataset, run.recipe.mixture
    embeddings = run.model.get_input_embeddings().num_embeddings
    checks: dict[str, Any] = {
        "processes": check_world(trainer, run.processes),
        "special_tokens": check_special_tokens(run.tokenizer, rows, embeddings),
    }
    if rewards is None:
        checks["first_batch"] = check_first_batch(trainer, rows, mixture)
    else:
        checks["rewards_of_references"] = check_rewards(rewards, trainer.train_dataset)
    if run.rows.prompts is not None:
        checks["prompts"] = check_prompts(run.tokenizer, rows, run.rows.prompts)
    sets = run.recipe.evaluation.get("sets", [])
    evaluation_overlap = check_evaluation(rows, sets) if run.processes.first else None
    checks["evaluation"] = run.processes.agree(evaluation_overlap)
    return checks


def _report(trainer: Any, rewards: RewardFunctions | None) -> TrainedRecord:
    """Return what run.json says of the training."""
    arguments = trainer.args
    names = [
        *(name for name in EFFECTIVE if name != "max_length"),
        *(("packing", "padding_free") if rewards is None else RECORDED),
        "adam_beta1",
        "adam_beta2",
    ]
    of_rewards: TrainedRecord = {}
    if rewards is not None:
        of_rewards = {
            "rewards": rewards.identities(loaded=True),
            "reward_curve": reward_curve(trainer.state.log_history),
        }
    return {
        **of_rewards,
        "settings": effective_settings(arguments, names),
        "seeds": {"training": arguments.seed, "data": arguments.data_seed},
        "steps": trainer.state.global_step,
        "epochs": trainer.state.epoch,
        "loss_curve": loss_curve(trainer.state.log_history),
        "evaluations": [
            entry for entry in trainer.state.log_history if any(name.startswith("eval_") for name in entry)
        ],
    }
