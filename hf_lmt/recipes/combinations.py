"""Keys that cannot be together in a recipe, though each by itself may; with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from hf_lmt.recipes.evaluation_section import check_measurable
from hf_lmt.recipes.launch import Launch
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.hub_section import hub_faults

FLASH = ("flash_attention_2", "flash_attention_3")


def model_faults(model: Mapping[str, Any], launch: Launch) -> list[str]:
    """Check adapters and quantized weights: what each needs, and where it cannot work.

    Args:
        model (`Mapping[str, Any]`): The recipe's keys about the model.
        launch (`Launch`): The launch.

    Returns:
        `list[str]`: A line for each fault.
    """
    small = [name for name in ("load_in_4bit", "load_in_8bit") if model.get(name)]
    adapter = bool(model.get("use_peft"))
    faults = []
    if not model.get("model_name_or_path"):
        faults.append("model_name_or_path is missing: a Hub id, a folder or a GGUF file")
    if len(small) == 2:
        faults.append("give one of load_in_4bit and load_in_8bit")
    if small and not adapter:
        faults.append(
            f"{small[0]} holds the weights still, so full tuning cannot be; add use_peft: true "
            "(QLoRA), or leave it out"
        )
    if small and find_spec("bitsandbytes") is None:
        faults.append(
            f"{small[0]} needs the package bitsandbytes, which is not installed; run "
            "pip install 'hf-miwv-lmt[quantization]'"
        )
    if model.get("load_in_8bit") and launch.sharded:
        faults.append(
            f"load_in_8bit cannot be with {launch.sharding}: 8-bit weights are whole numbers with "
            "scales beside them, which cannot be cut into shards; take load_in_4bit, or a launch "
            "file without sharding (ddp.yaml)"
        )
    faults += [
        f"{name} has no effect without use_peft: true; add it, or leave {name} out"
        for name in model
        if name.startswith(("lora_", "use_rslora", "use_dora")) and not adapter
    ]
    return faults


def merge_faults(merge: bool, model: Mapping[str, Any], launch: Launch) -> list[str]:
    """Check that an adapter to merge exists, and that a process can hold the whole base.

    Args:
        merge (`bool`): Whether the adapter is to be merged after training.
        model (`Mapping[str, Any]`): The recipe's keys about the model.
        launch (`Launch`): The launch.

    Returns:
        `list[str]`: A line for each fault.
    """
    if merge and not model.get("use_peft"):
        return ["merge puts an adapter into the weights, and there is none; add use_peft: true, or leave merge out"]
    if merge and launch.sharding == "zero3":
        return [
            "merge loads the whole base in one process, and ZeRO-3 cuts every model; "
            "leave merge out, and call hf_lmt.training.merge.merge_adapter later"
        ]
    return []


def precision_faults(model: Mapping[str, Any], training: Mapping[str, Any]) -> list[str]:
    """List number formats that lose what is trained, or exclude each other.

    Args:
        model (`Mapping[str, Any]`): The recipe's keys about the model.
        training (`Mapping[str, Any]`): The recipe's keys about training.

    Returns:
        `list[str]`: A line for each fault.
    """
    faults = []
    if training.get("bf16") is True and training.get("fp16") is True:
        faults.append("give one of bf16 and fp16")
    if model.get("dtype") == "float16" and not model.get("use_peft"):
        faults.append("dtype: float16: full tuning in it loses the small steps; give float32 with bf16: true")
    return faults


def sequence_faults(model: Mapping[str, Any], training: Mapping[str, Any], mixture: bool) -> list[str]:
    """Check packing, attention and kernels.

    Args:
        model (`Mapping[str, Any]`): The recipe's keys about the model.
        training (`Mapping[str, Any]`): The recipe's keys about training.
        mixture (`bool`): Whether the rows are a mixture for continued pre-training.

    Returns:
        `list[str]`: A line for each fault.
    """
    faults = []
    if training.get("packing") and training.get("max_length", 1024) is None:
        faults.append("packing: max_length is null; packed sequences need a length")
    if training.get("packing") and not mixture:
        faults.append(
            "packing: it would join several rows to one, and the batch would count other things "
            "than rows; for translation rows give padding_free: true, which pads nothing either"
        )
    if training.get("padding_free") and training.get("packing"):
        faults.append("packing pads nothing anyway; leave padding_free out")
    attention = str(model.get("attn_implementation"))
    if attention in FLASH and find_spec("flash_attn") is None:
        faults.append(
            f"attn_implementation: {attention} needs the package flash-attn, which is not "
            "installed; run pip install flash-attn --no-build-isolation, or give sdpa"
        )
    if "/" in attention and find_spec("kernels") is None:
        faults.append(
            f"attn_implementation: {attention} is a kernel of the Hub, for which the package "
            "kernels is needed; run pip install kernels, or give sdpa"
        )
    if training.get("use_liger_kernel") and find_spec("liger_kernel") is None:
        faults.append(
            "use_liger_kernel needs the package liger-kernel, which is not installed; run "
            "pip install liger-kernel, or leave it out"
        )
    return faults


def saving_faults(training: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[str]:
    """List settings that would leave a killed run without a checkpoint, or a watch without anything to watch.

    Args:
        training (`Mapping[str, Any]`): The recipe's keys about training.
        evaluation (`Mapping[str, Any]`): The section `evaluation`.

    Returns:
        `list[str]`: A line for each fault.
    """
    faults = []
    if training.get("save_total_limit") == 1:
        faults.append(
            "save_total_limit: 1: the older checkpoint goes before the new one is whole, and a run "
            "killed then would have none; give 2 or more"
        )
    if training.get("eval_strategy", "no") != "no" and not evaluation:
        faults.append("eval_strategy: there is nothing to evaluate on; add a section evaluation")
    elif training.get("eval_strategy", "no") != "no":
        try:
            check_measurable(evaluation)
        except InputError as error:
            faults.append(f"evaluation: {error}, or set translate: false")
    return faults


def publishing_faults(
    hub: Mapping[str, Any],
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    launch: Launch,
) -> list[str]:
    """List the faults of publishing: `hub_section.hub_faults`, and checkpoints in shards.

    Args:
        hub (`Mapping[str, Any]`): The section `hub`.
        model (`Mapping[str, Any]`): The recipe's keys about the model.
        training (`Mapping[str, Any]`): The recipe's keys about training.
        launch (`Launch`): The launch.

    Returns:
        `list[str]`: A line for each fault.
    """
    name = str(model.get("model_name_or_path"))
    faults = hub_faults(hub, name, bool(model.get("use_peft")), training)
    if hub.get("every_save") and launch.sharding == "fsdp":
        faults.append(
            "hub: every_save: checkpoints of an FSDP launch are in shards, which nobody could "
            "load; leave every_save out (the finished model is whole), or take ddp.yaml"
        )
    return faults
