"""Estimate what a training by rewards will generate, and the memory that it takes beside that of training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.reinforcement import Reinforcement, longest_rollout, rollouts_of
from hf_lmt.rewards.named_rewards import make_reward
from hf_lmt.training.estimate import WIDTHS, Memory, Shape, memory_of

COMET_PARAMETERS = 581_936_130
"""Of COMET-22: XLM-R large with 559,890,432, mixed by layer, and a head of 6 x 1,024 -> 3,072 -> 1,024 -> 1."""
WEIGHTS = ("model.safetensors", "checkpoints/model.ckpt")


def count_rollouts(
    reinforcement: Reinforcement,
    training: Mapping[str, Any],
    launch: Launch,
    steps: int | None,
    target_tokens: float | None,
) -> dict[str, Any]:
    """Count prompts, completions and tokens of a training by rewards.

    Args:
        reinforcement (`Reinforcement`): The keys of the stage.
        training (`Mapping[str, Any]`): Keys of trl.GRPOConfig.
        launch (`Launch`): How many processes there are.
        steps (`int`, *optional*): Optimizer steps, where they are known.
        target_tokens (`float`, *optional*): Mean tokens of a reference, where rows are here.

    Returns:
        `dict[str, Any]`: `prompts` and `completions` of a step, `generations` of each prompt, `at_once` on a device;
        and of the whole training `completions_in_all`, `tokens_at_most`, and `tokens`, as if completions were as long
        as the references. None for what is not known.
    """
    rollouts = rollouts_of(training, launch.processes)
    in_all = None if steps is None else steps * rollouts.step // rollouts.iterations
    longest = longest_rollout(reinforcement, training) - reinforcement.max_prompt_length
    return {
        "prompts": rollouts.step // rollouts.generations,
        "completions": rollouts.step,
        "generations": rollouts.generations,
        "at_once": rollouts.at_once,
        "completions_in_all": in_all,
        "tokens_at_most": None if in_all is None else in_all * longest,
        "tokens": None if in_all is None or target_tokens is None else round(in_all * target_tokens),
    }


def grpo_memory(
    shape: Shape,
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    launch: Launch,
    reinforcement: Reinforcement,
) -> Memory:
    r"""Estimate the memory of each GPU, roughly: that of training, and what GRPO has beside it.

        reference      w N, the weights once more; none with an adapter, which is switched off, or with beta 0
        rollouts       c x 2 bytes (4 in float32) x (prompt + completion) x completions at once on a device;
                       with ZeRO-3 also all weights, which are gathered to generate (ds3_gather_for_generation)
        reward model   581.9 million x 2 bytes (4 in float32) for each COMET that lies on this device

    c: numbers that a token leaves in the cache. With vLLM beside the training its share of the GPU,
    `vllm_gpu_memory_utilization`, comes in the place of the rollouts, and is not in the sum.

    Args:
        shape (`Shape`): Of the model.
        model (`Mapping[str, Any]`): Keys of trl.ModelConfig.
        training (`Mapping[str, Any]`): Keys of trl.GRPOConfig.
        launch (`Launch`): How many processes there are, and how weights are sharded.
        reinforcement (`Reinforcement`): The keys of the stage.

    Returns:
        `Memory`: Bytes.
    """
    longest = longest_rollout(reinforcement, training)
    memory = memory_of(shape, model, training, launch, longest)
    half = training.get("bf16") or training.get("fp16") or WIDTHS[model.get("dtype") or "float32"] == 2
    width = 2 if half else 4
    gathered = launch.sharding == "zero3" and training.get("ds3_gather_for_generation", True)
    rows = 0 if training.get("use_vllm") else rollouts_of(training, launch.processes).at_once
    whole = not shape.adapter and training.get("beta", 0.0) != 0
    return memory._replace(
        reference=memory.weights if whole else 0.0,
        rollouts=float(shape.cached * width * longest * rows + (shape.parameters * width if gathered else 0)),
        reward_model=sum(
            _comet_bytes(settings.model, settings.dtype, bool(training.get("use_cpu")))
            for settings in (*reinforcement.rewards, *reinforcement.watched)
            if settings.device is None and settings.base_url is None and _is_comet(settings.reward)
        ),
    )


def _is_comet(name: str) -> bool:
    function: Any = make_reward(name)
    return hasattr(getattr(function, "reward", function), "model")


def _comet_bytes(model: str | None, dtype: str | None, on_cpu: bool) -> float:
    """Return the bytes of a COMET model: by its file where it is here, whose weights are in float32."""
    width = WIDTHS[dtype or ("float32" if on_cpu else "bfloat16")]
    files = [Path(model, name) for name in WEIGHTS] if model else []
    sizes = [file.stat().st_size for file in files if file.is_file()]
    return (sizes[0] / 4 if sizes else COMET_PARAMETERS) * width
