"""Whether a Trainer can be watched, before anything is read or translated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.models.model_kinds import OTHER_KINDS
from hf_miwv.common.trainer.divided_weights import weights_divided_by
from hf_miwv.common.trainer.live_trainer import tokenizer_of


def check_trainer(trainer: Any) -> None:
    """Check that a trainer's model can be watched.

    Not served: weights that lie in parts on several devices' processes (FSDP, DeepSpeed ZeRO-3,
    tensor parallel), because each process translates its own share of the rows with the whole
    model; no tokenizer; no evaluation; reward models and classifiers, which write no text;
    encoder-decoders; virtual tokens.

    Args:
        trainer (`Trainer`): The trainer.

    Raises:
        InputError: it cannot be watched; the setting is named.
    """
    args, model = trainer.args, trainer.accelerator.unwrap_model(trainer.model)
    if divided_by := weights_divided_by(trainer):
        raise InputError(
            f"{divided_by} divides the model's weights over the processes, and each process reads its share of the "
            "rows with the whole model; train with DDP, DeepSpeed ZeRO-2 or on one device, or leave the watching by "
            "direction out (translate: false, losses: false in a recipe) and run hf-lmt evaluate "
            "on the checkpoints"
        )
    if tokenizer_of(trainer) is None:
        raise InputError("the trainer has no tokenizer; give it processing_class=tokenizer")
    if args.eval_strategy == "no":
        raise InputError(
            "eval_strategy is 'no', so there is no evaluation to watch at; give "
            "eval_strategy='steps' with eval_steps, or 'epoch', and an eval_dataset"
        )
    if getattr(args, "predict_with_generate", False):
        raise InputError(
            "predict_with_generate=True is the generation of encoder-decoders; set it to False, "
            "or judge an encoder-decoder with make_compute_metrics"
        )
    _check_writes_text(trainer, model)
    if getattr(model.config, "is_encoder_decoder", False):
        raise InputError(
            f"{type(model).__name__} is an encoder-decoder (is_encoder_decoder), and LMT's prompts "
            "are for causal language models; with a Seq2SeqTrainer take make_compute_metrics"
        )
    for name, adapter in (getattr(model, "peft_config", {}) or {}).items():
        if getattr(adapter, "is_prompt_learning", False):
            raise InputError(
                f"the adapter {name!r} puts virtual tokens before each row, which translating "
                "does not know; use LoRA, or leave the watching by direction out"
            )


def check_best_metric(
    args: Any, keys: Collection[str], prefixes: Sequence[str], lower_is_better: Collection[str]
) -> None:
    """Check that `metric_for_best_model` can be one of ours, where it is meant to be.

    Args:
        args (`TrainingArguments`): Settings of the trainer.
        keys (`Collection[str]`): Keys that are added to the metrics.
        prefixes (`Sequence[str]`): Beginnings of our keys.
        lower_is_better (`Collection[str]`): Those of `keys` for which greater_is_better has to be False.

    Raises:
        InputError: it begins as ours do and is not measured, or the worst model would be kept.
    """
    name = args.metric_for_best_model
    if name is None:
        return
    key = name if name.startswith("eval_") else f"eval_{name}"
    if key not in keys:
        if key.startswith(tuple(prefixes)):
            raise InputError(
                f"metric_for_best_model {name!r} is not among what is measured on these rows: "
                f"{did_you_mean(key, keys)}"
            )
        return
    if args.greater_is_better == (key in lower_is_better):
        raise InputError(
            f"metric_for_best_model {name!r} with greater_is_better={args.greater_is_better} "
            f"would keep the worst model; give greater_is_better={not args.greater_is_better}"
        )


def move_before_early_stopping(trainer: Any, callback: TrainerCallback) -> None:
    """Let early stopping find what this callback adds to the metrics of an evaluation.

    The list of callbacks is replaced and not changed, because the handler may be going through it.

    Args:
        trainer (`Trainer`): The trainer, with this callback.
        callback (`TrainerCallback`): The callback.
    """
    handler = trainer.callback_handler
    others = [other for other in handler.callbacks if other is not callback]
    stops = [i for i, other in enumerate(others) if isinstance(other, EarlyStoppingCallback)]
    if stops and handler.callbacks.index(callback) > stops[0]:
        handler.callbacks = [*others[: stops[0]], callback, *others[stops[0] :]]


def _check_writes_text(trainer: Any, model: Any) -> None:
    """Raise InputError for a model that cannot write: a reward model, a classifier, a bare body.

    With an adapter it is the model underneath that counts: PEFT hands its class name on.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    name = type(base).__name__
    kind = next((words for end, words in OTHER_KINDS.items() if name.endswith(end)), None)
    can_generate = getattr(base, "can_generate", None)
    if kind is None and can_generate is not None and can_generate():
        return
    raise InputError(
        f"the model of this {type(trainer).__name__} is {kind or 'without generate()'} ({name}): "
        "it writes no translation that could be watched; leave the callback out, or add it to the "
        "training of a causal language model (AutoModelForCausalLM)"
    )
