"""The plan of which prompts are decoded together."""

from __future__ import annotations

from collections.abc import Sequence

CPU_BATCH_TOKENS = 32_768
ACCELERATOR_BATCH_TOKENS = 131_072


def plan_batches(lengths: Sequence[int], caps: Sequence[int], beams: int, batch_tokens: int) -> list[list[int]]:
    """Group prompts into batches, longest first, languages mixed.

        (longest prompt + highest cap) x beams x rows  <=  batch_tokens

    A prompt alone is always a batch. The batches depend on nothing but the arguments; prompts of the
    same length and cap stay in order.

    Args:
        lengths (`Sequence[int]`): (N,) tokens of each prompt.
        caps (`Sequence[int]`): (N,) tokens that may follow it.
        beams (`int`): Beams of the search.
        batch_tokens (`int`): Tokens of a batch, at most.

    Returns:
        `list[list[int]]`: Positions of the prompts of each batch.
    """
    batches: list[list[int]] = []
    highest = 0
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], -caps[place])):
        batch = batches[-1] if batches else []
        highest = max(highest, caps[place])
        if batch and (lengths[batch[0]] + highest) * beams * (len(batch) + 1) <= batch_tokens:
            batch.append(place)
        else:
            batches.append([place])
            highest = caps[place]
    return batches


def default_batch_tokens(device: str) -> int:
    """Return our default: some 20 sentences with 5 beams on the CPU, four times that elsewhere.

    Args:
        device (`str`): "cpu", or an accelerator.

    Returns:
        `int`: Tokens of a batch.
    """
    return CPU_BATCH_TOKENS if device == "cpu" else ACCELERATOR_BATCH_TOKENS
