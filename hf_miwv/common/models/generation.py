"""Generation in batches: which prompts go together, and `generate` after prompts of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig


def plan_batches(lengths: Sequence[int], caps: Sequence[int], beams: int, batch_tokens: int) -> list[list[int]]:
    """Group prompts into batches, longest first.

        (longest prompt + highest cap) x beams x rows  <=  batch_tokens

    A prompt alone is always a batch. The batches depend on nothing but the arguments; prompts of the
    same length and cap stay in order.

    Args:
        lengths (`Sequence[int]`): (N,) tokens of each prompt.
        caps (`Sequence[int]`): (N,) tokens that may follow it.
        beams (`int`): Beams of the search; 1 for greedy generation.
        batch_tokens (`int`): Tokens of a batch, at most.

    Returns:
        `list[list[int]]`: Indices of the prompts of each batch.
    """
    batches: list[list[int]] = []
    highest = 0
    # Longest first, so that a lack of memory shows in the first batch.
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], -caps[index])):
        batch = batches[-1] if batches else []
        highest = max(highest, caps[index])
        if batch and (lengths[batch[0]] + highest) * beams * (len(batch) + 1) <= batch_tokens:
            batch.append(index)
        else:
            batches.append([index])
            highest = caps[index]
    return batches


@torch.inference_mode()
def generate_padded(
    model: Any, prompts: Sequence[list[int]], settings: GenerationConfig, **arguments: Any
) -> list[list[int]]:
    """Call `generate` for prompts of different lengths, by these settings alone.

    The checkpoint's own settings (sampling, penalties) are put aside, and put back afterwards.

    Args:
        model (`PreTrainedModel`): The causal LM.
        prompts (`Sequence[list[int]]`): Ids of B prompts.
        settings (`GenerationConfig`): All that decides about the search, with the padding token.
        **arguments (`Any`): Others of `generate`.

    Returns:
        `list[list[int]]`: B rows of the ids that follow, as long as the longest, with padding.
    """
    width = max(len(prompt) for prompt in prompts)
    device = model.get_input_embeddings().weight.device
    # Padded on the left, so that every row goes on at the same position.
    ids = torch.tensor([[settings.pad_token_id] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    # `generate` merges its arguments with the checkpoint's settings, so those have to be out of the way.
    checkpoint_settings, model.generation_config = model.generation_config, settings
    try:
        written = model.generate(input_ids=ids.to(device), attention_mask=mask.to(device), **arguments)
    finally:
        model.generation_config = checkpoint_settings
    return written[:, width:].tolist()
