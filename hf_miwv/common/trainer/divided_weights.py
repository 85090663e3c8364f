"""Whether a Trainer divides the weights of its model over processes, and its whole model on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.distributed.tensor import DTensor
from transformers.integrations import is_deepspeed_zero3_enabled

from hf_miwv.common.errors import InputError

DATA_PARALLEL = ("NO", "MULTI_")  # how the names of accelerate's distributed types begin that divide nothing


def weights_divided_by(trainer: Any) -> str | None:
    """Name what divides the model's weights over the processes.

    Args:
        trainer (`transformers.Trainer`): The trainer.

    Returns:
        `str | None`: "FSDP", "DeepSpeed ZeRO-3" or "tensor parallelism (tp_plan)"; None where each process has
        the whole model.
    """
    if trainer.is_fsdp_enabled:
        return "FSDP"
    if is_deepspeed_zero3_enabled():
        return "DeepSpeed ZeRO-3"
    model = trainer.accelerator.unwrap_model(trainer.model)
    if any(isinstance(weight, DTensor) for weight in model.parameters()):
        return "tensor parallelism (tp_plan)"
    return None


def check_sharding(trainer: Any, requested: str) -> None:
    """Check that a trainer divides the weights as the launch file asks, before its first step.

    Args:
        trainer (`transformers.Trainer`): The trainer.
        requested (`str`): As the functions of `launched_sharding` return it.

    Raises:
        InputError: it does otherwise.
    """
    state = trainer.accelerator.state
    kind = state.distributed_type.value
    sharding = kind.lower()
    if kind.startswith(DATA_PARALLEL):
        sharding = "none"
    elif kind == "DEEPSPEED":
        sharding = f"zero{state.deepspeed_plugin.zero_stage}"
    if sharding != requested:
        raise InputError(
            f"launch file and recipe ask for sharding {requested}, and the trainer has {sharding} "
            f"(distributed_type {kind}); start it with `accelerate launch --config_file FILE` and no other "
            "launcher around it"
        )


def save_whole_model(trainer: Any, folder: Path) -> None:
    """Save the trained model whole, by all processes together, also where its checkpoints are in shards.

    Args:
        trainer (`transformers.Trainer`): The trainer after its last step.
        folder (`Path`): The folder to write.
    """
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(str(folder))
