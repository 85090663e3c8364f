"""An estimate of the memory that a recipe takes of each GPU, before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from hf_lmt.recipes.launch import Launch
from hf_miwv.common.recipes.batch import DEFAULT_PER_DEVICE, PER_DEVICE

WIDTHS = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "auto": 2.0}  # bytes a weight
QUANTIZED = {"4bit": 0.516, "8bit": 1.004}  # with scales: QLoRA, section 3; LLM.int8()
MOMENTS = 2  # of AdamW
LAYER = 34  # bytes a token and hidden unit in a layer: arXiv 2205.05198, equation 2, attention apart
CONTEXT = 2**30  # of CUDA and its libraries; ours


class Memory(NamedTuple):
    """Hold the bytes of each GPU.

    Attributes:
        weights (`float`): Bytes of the weights.
        gradients (`float`): Bytes of the gradients.
        optimizer (`float`): Bytes of AdamW's moments.
        activations (`float`): Bytes that the backward pass needs of the forward pass.
        context (`float`): Bytes of CUDA and its libraries.
        reference (`float`): Bytes of the weights that the KL divergence is counted from; of a training by rewards,
            like the next two.
        rollouts (`float`): Bytes of keys and values of the completions while they are written.
        reward_model (`float`): Bytes of COMET, where one is on this device.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    context: float = CONTEXT
    reference: float = 0.0
    rollouts: float = 0.0
    reward_model: float = 0.0

    @property
    def total(self) -> float:
        """Return the sum of all parts."""
        return sum(self)


class Shape(NamedTuple):
    """Hold a model's shape by its config.

    Attributes:
        parameters (`int`): All parameters, N.
        linear (`int`): Parameters of linear layers, the output layer apart.
        layers (`int`): Layers, L.
        hidden (`int`): Hidden units, h.
        adapter (`int`): Parameters of the LoRA adapter, A; 0 without.
        cached (`int`): Numbers that a token leaves in the cache of keys and values.
    """

    parameters: int
    linear: int
    layers: int
    hidden: int
    adapter: int = 0
    cached: int = 0  # numbers that a token leaves in the cache: 2 x layers x heads of keys x their width


def shape_of(config: Any, model: Mapping[str, Any]) -> Shape:
    """Count the shape on a model without any storage.

    Args:
        config (`PretrainedConfig`): Config of a causal language model.
        model (`Mapping[str, Any]`): The recipe's keys of trl.ModelConfig, for the adapter.

    Returns:
        `Shape`: The shape.

    Raises:
        ValueError: the config is of no causal language model.
        ImportError: its code needs a package that is missing.
    """
    import torch
    from transformers import AutoModelForCausalLM

    text_config = config.get_text_config()
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(config)
    output = built.get_output_embeddings()
    layers = [module for module in built.modules() if isinstance(module, torch.nn.Linear) and module is not output]
    rank = model.get("lora_r", 16)
    target_modules = model.get("lora_target_modules")
    names = {name.rpartition(".")[2]: module for name, module in built.named_modules()}
    adapted = sum(
        module.in_features + module.out_features
        for name, module in built.named_modules()
        if module in layers and _is_target(name.rpartition(".")[2], target_modules, names)
    )
    return Shape(
        built.num_parameters(),
        sum(module.weight.numel() for module in layers),
        text_config.num_hidden_layers,
        text_config.hidden_size,
        rank * adapted if model.get("use_peft") else 0,
        cached_numbers(text_config),
    )


def cached_numbers(config: Any) -> int:
    """Count the numbers that a token leaves in the cache of keys and values.

    Args:
        config (`PretrainedConfig`): Of the text model.

    Returns:
        `int`: 2 x layers x heads of keys x width of a head.
    """
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(2 * config.num_hidden_layers * (getattr(config, "num_key_value_heads", None) or heads) * width)


def _is_target(name: str, target_modules: Any, names: Mapping[str, Any]) -> bool:
    """Check whether an adapter is put on a layer; without names in the recipe, by peft's choice for Llama and Qwen."""
    if target_modules is None:
        return name in ("q_proj", "v_proj")
    return name in names if target_modules == "all-linear" else name in target_modules


def memory_of(
    shape: Shape, model: Mapping[str, Any], training: Mapping[str, Any], launch: Launch, longest: int | None = None
) -> Memory:
    """Estimate weights, gradients, AdamW's two moments and activations of one GPU, roughly.

        full     (w + g + m) N      w, g: bytes of dtype; m = 2 x bytes of dtype
        adapter  w N or 0.516 linear + 2 (N - linear), and (4 + 4 + 8) A (8 A beside 4-bit weights)
        FSDP and ZeRO-3 divide all three by the processes, ZeRO-2 gradients and moments, ZeRO-1
        the moments; DDP holds gradients twice, in the buckets that it sends
        activations  T h (2 L + 34) with activation checkpointing, T h 34 L without

    N parameters, A of the adapter, L layers, h hidden units, T = rows of a device x max_length (or `longest`)
    tokens, as if every row had the full length. Logits are not counted: TRL computes the loss in
    chunks. What the allocator leaves unused comes on top.

    Args:
        shape (`Shape`): Of `shape_of`.
        model (`Mapping[str, Any]`): The recipe's keys of trl.ModelConfig.
        training (`Mapping[str, Any]`): The recipe's keys of trl.SFTConfig.
        launch (`Launch`): Processes and sharding.
        longest (`int`, *optional*): Tokens of a sequence, by default the recipe's max_length.

    Returns:
        `Memory`: Bytes of each GPU.
    """
    weights, trained, width = _held(shape, model)
    parts = {
        name: launch.processes if _shards(launch.sharding, name) else 1
        for name in ("weights", "gradients", "optimizer")
    }
    length = longest or training.get("max_length") or 1024
    tokens = training.get(PER_DEVICE, DEFAULT_PER_DEVICE) * length
    checkpointing = training.get("activation_checkpointing", training.get("gradient_checkpointing", True))
    copies = launch.processes > 1 and launch.sharding == "none"
    layers = 2 * shape.layers + LAYER if checkpointing else LAYER * shape.layers
    return Memory(
        weights=weights / parts["weights"],
        gradients=trained * width * (2 if copies else 1) / parts["gradients"],
        optimizer=trained * width * MOMENTS / parts["optimizer"],
        activations=float(tokens * shape.hidden * layers),
    )


def _held(shape: Shape, model: Mapping[str, Any]) -> tuple[float, int, float]:
    """Return bytes of all weights, how many are trained, bytes of each of these."""
    width = WIDTHS[model.get("dtype") or "float32"]
    if not shape.adapter:
        return shape.parameters * width, shape.parameters, width
    quantization = next((size for size in QUANTIZED if model.get(f"load_in_{size}")), None)
    if quantization is None:
        return shape.parameters * width + shape.adapter * 4.0, shape.adapter, 4.0
    rest = 2.0 * (shape.parameters - shape.linear)
    return shape.linear * QUANTIZED[quantization] + rest + shape.adapter * 2.0, shape.adapter, 2.0


def _shards(sharding: str, part: str) -> bool:
    """Check whether a way of sharding divides this part over the processes."""
    return part in {
        "fsdp": ("weights", "gradients", "optimizer"),
        "zero3": ("weights", "gradients", "optimizer"),
        "zero2": ("gradients", "optimizer"),
        "zero1": ("optimizer",),
    }.get(sharding, ())


def steps_of(rows: int | None, batch: int, training: Mapping[str, Any]) -> int | None:
    """Count optimizer steps: max_steps, or epochs of ceil(rows / batch).

    Args:
        rows (`int`, *optional*): Rows of the training; None where they are unknown.
        batch (`int`): Rows a step.
        training (`Mapping[str, Any]`): The recipe's keys of trl.SFTConfig.

    Returns:
        `int | None`: Steps; None where the rows decide and are unknown.
    """
    if training.get("max_steps", -1) > 0:
        return int(training["max_steps"])
    if rows is None:
        return None
    return math.ceil(math.ceil(rows / batch) * training.get("num_train_epochs", 3.0))
