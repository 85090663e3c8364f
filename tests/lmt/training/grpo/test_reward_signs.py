"""What the log of a training by rewards shows: no spread, and a reward that is gamed."""

from __future__ import annotations

from typing import Any

import pytest

from hf_lmt.training.grpo.reward_signs import explain_no_spread, reward_signs, steps_without_spread

BESIDE = {"eval_rewards/chrf/mean": 0.01, "eval_bleu_overall": 1.0}


@pytest.mark.parametrize(
    ("shares", "steps"),
    [([], 0), ([1.0], 1), ([1.0, 1.0, 1.0], 3), ([1.0, 0.75, 1.0, 1.0], 2), ([1.0, 1.0, 0.0], 0)],
)
def test_steps_without_spread(shares: list[float], steps: int) -> None:
    history: list[dict[str, Any]] = [
        {"step": step, "rollouts/no_spread": share} for step, share in enumerate(shares, 1)
    ]
    assert steps_without_spread([*history, {"step": 9, "eval_loss": 1.0}]) == steps


def test_an_entry_stands_for_the_steps_that_it_is_the_mean_of() -> None:
    history = [{"step": 10, "rollouts/no_spread": 0.9}, {"step": 20, "rollouts/no_spread": 1.0}]
    assert steps_without_spread(history) == 10


def test_a_gate_that_lets_nothing_pass_is_named() -> None:
    entry = {"step": 7, "reward": 0.0, "gate/length_ratio": 0.01, "gate/right_script": 0.9}
    message = explain_no_spread(entry, 5, 8)
    assert "in 5 steps up to step 7 the 8 completions of every prompt had the same reward (0 on average)" in message
    assert "length_ratio lets 1.0% pass. Start from a model that translates already" in message
    assert "right_script" not in message


def entry(step: int, reward: float, chrf: float, bleu: float) -> dict[str, float]:
    return {"step": step, "eval_reward": reward, "eval_rewards/chrf/mean": chrf, "eval_bleu_overall": bleu}


@pytest.mark.parametrize(
    ("history", "now", "names"),
    [
        ([entry(2, 0.50, 0.40, 20.0)], entry(4, 0.60, 0.37, 20.0), ["chrf fell by 0.03 to 0.37"]),
        ([entry(2, 0.50, 0.40, 20.0)], entry(4, 0.60, 0.39, 19.0), []),  # within the noise
        ([entry(2, 0.50, 0.40, 20.0)], entry(4, 0.50, 0.30, 10.0), []),  # the reward falls, too
        ([], entry(4, 0.60, 0.30, 10.0), []),
        (
            [entry(2, 0.50, 0.40, 18.0), entry(4, 0.55, 0.42, 20.0)],
            entry(6, 0.60, 0.39, 17.0),
            ["since step 4 the held-out reward rose by 0.050 to 0.600, while chrf", "bleu_overall fell by 3 to 17"],
        ),
    ],
    ids=["falls", "noise", "both", "first", "two"],
)
def test_a_reward_that_rises_while_a_metric_falls(
    history: list[dict[str, Any]], now: dict[str, float], names: list[str]
) -> None:
    # the trainer's numbers and those of a callback may stand in two entries of one step
    divided = [
        {"step": logged["step"], **{key: logged[key] for key in keys}}
        for logged in history
        for keys in (("eval_reward", "eval_rewards/chrf/mean"), ("eval_bleu_overall",))
    ]
    for entries in (history, divided):
        signs = reward_signs(entries, now, BESIDE)
        assert len(signs) == len(names)
        for sign, name in zip(signs, names, strict=True):
            assert sign.startswith("the reward rises and the metric beside it falls: ")
            assert name in sign
