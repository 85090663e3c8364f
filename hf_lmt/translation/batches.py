"""Which prompts are decoded together."""

from __future__ import annotations

from collections.abc import Sequence

CPU_BATCH_TOKENS = 32_768
ACCELERATOR_BATCH_TOKENS = 131_072


def plan_batches(lengths: Sequence[int], caps: Sequence[int], beams: int, batch_tokens: int) -> list[list[int]]:
    """Places of prompts in batches, longest first, languages mixed.

        (longest prompt + highest cap) x beams x rows  <=  batch_tokens

    A prompt alone is always a batch. The batches hang on nothing but the arguments; prompts of the
    same length and cap stay in order.

    Args:
        lengths: (N,) tokens of each prompt. caps: (N,) tokens that may follow it.
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
    """Our choice: some 20 sentences with 5 beams on the CPU, four times that elsewhere."""
    return CPU_BATCH_TOKENS if device == "cpu" else ACCELERATOR_BATCH_TOKENS
