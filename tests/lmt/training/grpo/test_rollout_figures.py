"""The figures of a generation, by group of directions."""

from __future__ import annotations

import numpy as np
import pytest

from hf_lmt.directions import Direction
from hf_lmt.training.grpo.rollout_figures import describe_rollouts, rollout_figures, without_spread

EN_DE, DE_EN, ZH_EN = Direction("en", "de"), Direction("de", "en"), Direction("zh", "en")
REWARDS = np.array([[0.5, 9.0], [0.7, 9.0], [0.4, 1.0], [0.4, 2.0], [0.1, 3.0], [0.1, 3.0]])
SOURCES = ["A house.", "A house.", "Ein Baum.", "Ein Baum.", "房子很大。", "房子很大。"]
TEXTS = ["Ein Haus steht.", "Дом стоит на горе.", "The tree is here.", "A tree.", "The tree is here.", "Big."]


def test_groups_without_spread_are_those_of_the_rewards_that_count() -> None:
    assert without_spread(REWARDS, 2).tolist() == [False, False, True]
    assert without_spread(REWARDS[:, :1], 2).tolist() == [False, True, True]


def test_figures_by_group() -> None:
    directions = [EN_DE, EN_DE, DE_EN, DE_EN, ZH_EN, ZH_EN]
    gates = {"right_script": [True, False, True, True, True, False]}
    rollouts = describe_rollouts(directions, SOURCES, TEXTS, [3, 5, 4, 2, 4, 1], None, gates)
    figures = rollout_figures(rollouts, REWARDS, [2.0, 0.0], 2)
    expected = {
        "rollouts/no_spread": 2 / 3,
        "rollouts/off_target": 1 / 6,
        "rollouts/fan_in": 0.0,  # the same English answers sources of two languages: another direction
        "rollouts/reward/en2x": 1.2,
        "rollouts/reward/x2en": 0.5,
        "rollouts/reward/zh2x": 0.2,
        "rollouts/no_spread/en2x": 0.0,
        "rollouts/no_spread/x2en": 1.0,
        "rollouts/length/en2x": 4.0,
        "rollouts/off_target/en2x": 0.5,
        "rollouts/gate/right_script/en2x": 0.5,
        "rollouts/gate/right_script/x2en": 0.75,
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    assert not [name for name in figures if name.endswith(("x2zh", "zero_shot"))]
    alone = rollout_figures(rollouts, REWARDS, [2.0, 0.0], 1)
    assert "rollouts/no_spread" not in alone
