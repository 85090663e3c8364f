"""How launcher and settings ask for a model to be divided over processes; refusals where that cannot be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes.yaml_file import load_mapping

NOT_KNOWN = {"MEGATRON_LM": "Megatron-LM", "PARALLELISM_CONFIG": "tensor or context parallelism (parallelism_config)"}

WHOLE = "accelerate/multi_gpu, or where a GPU cannot hold the model accelerate/split_model with --device split"


def asked_sharding(environment: Mapping[str, str] | None = None) -> str:
    """Read how the weights are to be divided, from the environment that `accelerate launch` has set.

    Args:
        environment (`Mapping[str, str]`, *optional*): The environment; by default this process's.

    Returns:
        `str`: "none" (each process holds the whole model), "fsdp", "zero1", "zero2" or "zero3".

    Raises:
        InputError: the launch file asks for something that none of our commands knows.
    """
    environment = os.environ if environment is None else environment
    for name, words in NOT_KNOWN.items():
        if _is_on(environment, name):
            raise InputError(
                f"the launch file asks for {words}, which is not known here; take one that comes with the package "
                "(`recipe list`), accelerate/fsdp2 where a GPU cannot hold what training needs"
            )
    if _is_on(environment, "FSDP"):
        return "fsdp"
    if _is_on(environment, "DEEPSPEED"):
        return f"zero{environment.get('ACCELERATE_DEEPSPEED_ZERO_STAGE', '2')}"
    return "none"


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(f"ACCELERATE_USE_{name}", "").lower() == "true"


def sharding_by_settings(settings: Mapping[str, Any]) -> str:
    """Read how the weights are to be divided, from the settings of a trainer.

    Args:
        settings (`Mapping[str, Any]`): Arguments of transformers.TrainingArguments.

    Returns:
        `str`: As `asked_sharding`.
    """
    deepspeed = settings.get("deepspeed")
    if settings.get("fsdp"):
        return "fsdp"
    if not deepspeed:
        return "none"
    content = deepspeed if isinstance(deepspeed, Mapping) else load_mapping(Path(deepspeed))  # JSON is YAML
    return f"zero{(content.get('zero_optimization') or {}).get('stage', 0)}"


def check_can_shard(sharding: str, use_cpu: bool) -> None:
    """Check that accelerate would divide the weights on these devices, before anything is loaded.

    On the CPU accelerate (1.15) has neither FSDP nor DeepSpeed: such a launch trains by DDP, without a word.

    Args:
        sharding (`str`): As `asked_sharding` or `sharding_by_settings` returns it.
        use_cpu (`bool`): Whether the training is to be on the CPU.

    Raises:
        InputError: it would not.
    """
    if sharding == "none":
        return
    from accelerate import PartialState

    try:
        kind = PartialState(cpu=use_cpu).distributed_type.value
    except ImportError as error:  # DeepSpeed is a package of its own
        raise InputError(f"{sharding} is asked for: {error}") from error
    if kind in ("NO", "MULTI_CPU"):
        raise no_shards(sharding, kind)


def no_shards(sharding: str, kind: str) -> InputError:
    """Say that accelerate would not divide the weights.

    Args:
        sharding (`str`): As `asked_sharding` or `sharding_by_settings` returns it, other than "none".
        kind (`str`): accelerate's distributed_type in place of it.

    Returns:
        `InputError`: The refusal.
    """
    return InputError(
        f"the launch file or the recipe asks for {sharding}, which accelerate has for several accelerators only: "
        f"here it would train without shards (distributed_type {kind}) and not say so; take accelerate/cpu on "
        "the CPU, accelerate/one_gpu on one GPU, and leave fsdp and deepspeed out of the recipe"
    )


def refuse_shards(work: str, instead: str = WHOLE, environment: Mapping[str, str] | None = None) -> None:
    """Refuse a launch that divides the model, where each process needs the whole one.

    Under FSDP and ZeRO-3 a model that is loaded for something else than the training has its weights in one
    process only (transformers' `is_fsdp_enabled`), and the others would compute with random ones.

    Args:
        work (`str`): The work to be done, for the message: "scoring".
        instead (`str`, *optional*): Launch to take in place of it, for the message.
        environment (`Mapping[str, str]`, *optional*): The environment; by default this process's.

    Raises:
        InputError: it does.
    """
    sharding = asked_sharding(environment)
    if sharding != "none":
        raise InputError(
            f"the launch file asks for {sharding}, and {work} needs the whole model in each process; take {instead}"
        )
