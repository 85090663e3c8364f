"""The plain, slow version of everything: one row at a time, full logits, no batches, no padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


@torch.no_grad()
def plain_loss(model: Any, context: list[int], response: list[int]) -> float:
    """Mean over the response tokens of -log p(token | everything before it), in nats."""
    logits = model(input_ids=torch.tensor([context + response])).logits[0].float()
    log_probabilities = torch.log_softmax(logits, dim=-1)
    losses = [-log_probabilities[len(context) + step - 1, token].item() for step, token in enumerate(response)]
    return float(np.mean(losses))


def plain_neighbor(vectors: np.ndarray, row: int) -> int:
    """The other row with the largest cosine, the first of equals."""
    cosines = [
        -np.inf if other == row else float(np.dot(vectors[row], vectors[other])) for other in range(len(vectors))
    ]
    return int(np.argmax(cosines))


def plain_alpaca(row: dict[str, str]) -> str:
    """Stanford Alpaca's prompt."""
    if row["input"]:
        return (
            "Below is an instruction that describes a task, paired with an input that provides "
            "further context. Write a response that appropriately completes the request.\n\n"
            f"### Instruction:\n{row['instruction']}\n\n### Input:\n{row['input']}\n\n### Response:"
        )
    return (
        "Below is an instruction that describes a task. Write a response that appropriately "
        f"completes the request.\n\n### Instruction:\n{row['instruction']}\n\n### Response:"
    )


def plain_miwv(
    model: Any, tokenizer: Any, rows: list[dict[str, str]], neighbors: list[int], bos: list[int]
) -> list[tuple[float, float, float]]:
    """(loss_zero_shot, loss_one_shot, miwv) of Alpaca rows, with given neighbors."""

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    scores = []
    for row, neighbor in zip(rows, neighbors, strict=True):
        x, y = ids(plain_alpaca(row)), ids(row["output"])
        example = rows[neighbor]
        c = ids(plain_alpaca(example)) + ids(example["output"]) + ids("\n\n")
        zero_shot = plain_loss(model, bos + x, y)
        one_shot = plain_loss(model, bos + c + x, y)
        scores.append((zero_shot, one_shot, one_shot - zero_shot))
    return scores


def plain_neighbors(vectors: np.ndarray, row: int, count: int, allowed: list[int] | None = None) -> list[int]:
    """The `count` rows with the largest cosines, the first of equals first; of all other rows, or the allowed."""
    others = [other for other in range(len(vectors)) if other != row] if allowed is None else allowed
    return sorted(others, key=lambda other: -float(np.dot(vectors[row], vectors[other])))[:count]


def plain_influence(
    zero_shot: list[float], one_shot: list[list[float]], neighbors: list[list[int]], weights: list[list[float]]
) -> list[float | None]:
    """Of each row, the weighted mean of L(y_i|x_i) - L(y_i|x_i, C_k) over the rows i that have it as neighbor k."""
    saved: list[list[float]] = [[] for _ in zero_shot]
    for row, examples in enumerate(neighbors):
        for example, loss, weight in zip(examples, one_shot[row], weights[row], strict=True):
            saved[example].append(weight * (zero_shot[row] - loss))
    return [sum(values) / len(values) if values else None for values in saved]


def plain_advantages(rewards: list[list[float]], weights: list[float], generations: int) -> list[float]:
    """GRPO's advantages (arXiv 2402.03300), of several rewards by GDPO (arXiv 2601.05242); a list for each reward.

    Of one: (r - mean of its group) / (deviation of its group + 0.0001). Of several: that of each, times its weight,
    summed, and brought to mean 0 and deviation 1 over the whole batch.
    """

    def normalized(values: list[float]) -> list[float]:
        mean = sum(values) / len(values)
        deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
        return [(value - mean) / (deviation + 1e-4) for value in values]

    within = [
        [
            advantage
            for first in range(0, len(values), generations)
            for advantage in normalized(values[first : first + generations])
        ]
        for values in rewards
    ]
    if len(rewards) == 1:
        return within[0]
    return normalized(
        [
            sum(weight * part for weight, part in zip(weights, parts, strict=True))
            for parts in zip(*within, strict=True)
        ]
    )
