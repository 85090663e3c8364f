"""`train`: rows, tokens, checks, training; the folder of a model, whole or not there at all."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from hf_lmt.model_card.trained_record import TrainedRecord
from hf_lmt.recipes.evaluation_section import watching_settings
from hf_lmt.recipes.launch import Launch, check_devices
from hf_lmt.recipes.training_recipe import MODEL, TrainingRecipe, read_training_recipe
from hf_lmt.training.checkpoint import complete_checkpoint
from hf_lmt.training.claims import claim_contents, claim_recipe
from hf_lmt.training.clock import Clock
from hf_lmt.training.evaluation_rows import (
    prompt_evaluation,
    read_evaluation_rows,
    style_of_rows,
    tokenize_evaluation,
)
from hf_lmt.training.grpo.grpo_rows import LEFT_OUT, tokenize_prompts
from hf_lmt.training.grpo.grpo_settings import metrics_beside
from hf_lmt.training.placement import check_kind, load_tokenizer, load_trainable
from hf_lmt.training.prepared_rows import prepare_rows
from hf_lmt.training.training_record import start_record
from hf_lmt.training.training_tokens import check_embeddings, open_tokens, tokenize_rows
from hf_lmt.training.tuning import Run, Watcher, max_length_of, rewards_of, training_arguments, tune
from hf_lmt.training.watching.recipe_callbacks import callbacks_from
from hf_lmt.training.write_model import describe_run, write_model
from hf_miwv.common.hub.hub_section import finish_saves, open_hub, push_result, wait_for_saves, watch_saves
from hf_miwv.common.models.vocabulary import vocabulary_size
from hf_miwv.common.runs.folder import read_record, write_errors
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.launched_sharding import check_can_shard
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace, workspace_of
from hf_miwv.common.trainer.checkpoints import MARK
from hf_miwv.common.trainer.trainable import trainable_source

WEIGHTS = "*.safetensors"

logger = logging.getLogger(__name__)


def train(
    recipe: TrainingRecipe | str | Path,
    *,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
    watchers: Sequence[Watcher] = (),
) -> TrainedRecord:
    """Train the model of the recipe on its rows, and write it to its output_dir.

    The loss is -log p(token | all before it), in nats, the mean over all tokens of targets and
    their ends in a step, or over all tokens of the texts of a mixture (trl.SFTTrainer). With stage grpo it is
    that of trl.GRPOTrainer, over completions that the model writes itself. Killed at
    any moment, the same call goes on from the newest whole checkpoint, to the same weights.
    Unfinished work lies in OUTPUT.work beside the output.

    The folder holds weights (or an adapter) as safetensors, tokenizer, chat template, generation
    config, translation_prompt.json where there were prompts, the recipe, a card with the curve of
    the loss, and run.json.

    Args:
        recipe (`TrainingRecipe | str | Path`): A YAML file, or what `read_training_recipe` made of it.
        overwrite (`bool`, *optional*, defaults to `False`): Replace what the output holds.
        origin (`Mapping[str, Any]`, *optional*): "command_line", for the record.
        watchers (`Sequence[Watcher]`, *optional*, defaults to `()`): More callbacks, as in `tune`; those of the
            section `evaluation` come first.

    Returns:
        `TrainedRecord`: run.json.

    Raises:
        InputError: whatever cannot be used; what the recipe alone shows, before anything is read.
            Or the finished model cannot be pushed to where the section `hub` says.
    """
    launch = Launch.from_environment()
    if not isinstance(recipe, TrainingRecipe):
        recipe = read_training_recipe(Path(recipe), (), launch)
    use_cpu = bool(recipe.training.get("use_cpu"))
    check_devices(launch, use_cpu, torch.accelerator.device_count())
    check_can_shard(launch.sharding, use_cpu)
    processes = _processes(launch, use_cpu)
    folder_run = _folder_run(recipe, overwrite, processes)
    # Refused now or never; and ZeRO-3 wants it there while a model loads.
    settings = training_arguments(recipe, workspace_of(recipe.output), None)
    run = start_record(recipe, launch, origin or {})
    root = workspace_of(recipe.output)
    if folder_run.is_finished(run["identity"], partial(finish_saves, recipe.hub, root, root / "checkpoints")):
        run = read_record(recipe.output) or run
    else:
        if processes.first and recipe.hub.get("repo_id"):
            open_hub(recipe.hub)
        _train_to_folder(recipe, launch, processes, run, folder_run, overwrite, watchers)
    del settings
    if processes.first:
        push_result(recipe.output, recipe.hub)
    return run


def _train_to_folder(
    recipe: TrainingRecipe,
    launch: Launch,
    processes: Processes,
    run: TrainedRecord,
    folder_run: FolderRun,
    overwrite: bool,
    watchers: Sequence[Watcher],
) -> None:
    """Do the work, in a folder beside the output; add to the record `run` what is known by then."""
    root = workspace_of(recipe.output)
    with folder_run.work() if processes.first else write_errors(recipe.output) as workspace:
        if workspace is not None:
            claim_recipe(workspace, run["identity"], overwrite)
        processes.agree(None)  # nobody begins before the workspace is claimed
        clock = Clock(processes.first)
        prepared = _prepare(recipe, launch, processes, root, workspace, overwrite)
        held_out, watching = _watching(prepared, root)
        pushing = watch_saves(recipe.hub, MARK, partial(complete_checkpoint, prepared))
        trainer, report = tune(
            prepared,
            root / "checkpoints",
            evaluation_rows=held_out,
            watchers=[*watching, lambda _: [clock], *watchers],
            pushing=pushing,
        )
        run |= describe_run(prepared, report, clock.seconds)
        write_model(trainer, prepared, run, root)
        wait_for_saves(pushing)  # what waits lies in the workspace


def _folder_run(recipe: TrainingRecipe, overwrite: bool, processes: Processes) -> FolderRun:
    """Return the output folder of the run; refuse one that the model or the rows are read from."""
    paths_read = (recipe.rows, Path(str(recipe.model[MODEL])))
    inputs = [None, *(path for path in paths_read if path is not None and path.exists())]
    return FolderRun(recipe.output, overwrite, inputs=inputs, holds=WEIGHTS, processes=processes)


def _processes(launch: Launch, use_cpu: bool) -> Processes:
    """Return the processes of the launch, on the CPU where the recipe says so."""
    if launch.processes > 1 and use_cpu:
        from accelerate import PartialState

        PartialState(cpu=True)  # before anything asks for a GPU
    return Processes.launched()


def _prepare(
    recipe: TrainingRecipe,
    launch: Launch,
    processes: Processes,
    root: Path,
    workspace: Workspace | None,
    overwrite: bool,
) -> Run:
    """Prepare rows, tokens and model on every process; the first, which has the workspace, makes them."""
    name = str(recipe.model[MODEL])
    source = processes.agree(trainable_source(name) if processes.first else name)
    tokenizer = load_tokenizer(recipe, source)
    check_kind(recipe, source)
    rows = prepare_rows(recipe, source, root, processes)
    model = load_trainable(recipe, source, launch)
    if workspace is not None:
        claim_contents(workspace, rows.dataset, tokenizer, model, overwrite)
    limit, path = max_length_of(recipe, model), root / "tokens.arrow"
    if processes.first and recipe.reinforcement is not None:
        tokenize_prompts(rows.dataset, tokenizer, recipe.reinforcement.max_prompt_length, path, progress=True)
    elif processes.first:
        cut_at = None if recipe.training.get("packing") else limit  # packing cuts where it packs
        tokenize_rows(rows.dataset, tokenizer, cut_at, path, progress=True)
    processes.agree(None)  # the file is there, and is mapped by all
    tokens = open_tokens(path, rows.dataset)
    check_embeddings(tokens.dataset, rows.dataset, tokenizer, vocabulary_size(model))
    _tell_rows(recipe, launch, tokens.counts, limit)
    return Run(recipe, launch, processes, model, tokenizer, rows, tokens)


def _tell_rows(recipe: TrainingRecipe, launch: Launch, counts: Mapping[str, int], limit: int | None) -> None:
    """Log how much is trained on, and what is left out or cut."""
    if recipe.reinforcement is not None:
        logger.info("rewarded for translations of %d rows (%s)", counts["used"], launch.words)
        if counts["no_room"]:
            limit = recipe.reinforcement.max_prompt_length
            logger.warning("%d rows are left out: their prompts have more than %d tokens", counts["no_room"], limit)
        return
    logger.info(
        "training on %d rows, %d tokens, loss on %d (%s)",
        counts["used"],
        counts["tokens"],
        counts["target_tokens"],
        launch.words,
    )
    if counts["no_room"] or counts["cut"]:
        logger.warning(
            "%d rows have no room for a target in %s tokens and are left out, %d are cut",
            counts["no_room"],
            limit,
            counts["cut"],
        )


def _watching(run: Run, root: Path) -> tuple[Dataset | None, list[Watcher]]:
    """Return tokens of the held-out rows and the callbacks that the section `evaluation` asks for."""
    section = run.recipe.evaluation
    watching: list[Watcher] = [] if run.recipe.reinforcement is None else [partial(_reward_watch, run)]
    if run.recipe.training.get("eval_strategy", "no") == "no":
        return None, watching
    rows = read_evaluation_rows(section["sets"], run.recipe.data.directions)
    style, path = style_of_rows(run.rows), root / "evaluation.arrow"

    def by_direction(trainer: Any) -> Sequence[Any]:
        return callbacks_from(section, trainer, rows, prompt=style)

    if run.recipe.reinforcement is not None:
        prompted = prompt_evaluation(rows, section, style)
        held_out = prompted.remove_columns([name for name in LEFT_OUT if name in prompted.column_names])
        return held_out, [by_direction, *watching]
    if run.processes.first:
        tokenize_evaluation(rows, section, style, run.tokenizer, path, vocabulary_size(run.model))
    run.processes.agree(None)
    return Dataset.from_file(str(path)), [by_direction]


def _reward_watch(run: Run, trainer: Any) -> Sequence[Any]:
    """Make the callback that looks at rewards, with the metrics that the section `evaluation` asks for beside them."""
    from hf_lmt.training.grpo.reward_watch import RewardWatch

    reinforcement, rewards = run.recipe.reinforcement, rewards_of(run.recipe)
    assert reinforcement is not None  # noqa: S101  stage grpo
    assert rewards is not None  # noqa: S101  the same
    watched = watching_settings(run.recipe.evaluation)
    beside = metrics_beside(rewards, watched.metrics if watched.translate else ())
    folder = Path(trainer.args.output_dir)
    return [RewardWatch(reinforcement.max_steps_without_spread, beside, trainer.num_generations, folder)]
