"""Watch a training by rewards: stop it where nothing is learned, warn where the reward is gamed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState

from hf_lmt.training.grpo.reward_signs import explain_no_spread, reward_signs, steps_without_spread
from hf_lmt.training.watching.curves import draw_rewards
from hf_miwv.common.errors import InputError

logger = logging.getLogger(__name__)


class RewardWatch(TrainerCallback):
    """Look at what a `WatchedGRPOTrainer` logs.

    All is read from the log, which a killed run finds in its checkpoint. To be added behind the callbacks whose
    metrics it compares the reward with.

    Args:
        max_steps_without_spread (`int`): Steps after which a training without any spread of rewards is stopped.
        beside (`Mapping[str, float]`): Keys of metrics that are not rewarded, as in `reward_signs`.
        generations (`int`): Completions of each prompt.
        folder (`Path`): Where the curves are drawn, at each evaluation.
    """

    def __init__(
        self, max_steps_without_spread: int, beside: Mapping[str, float], generations: int, folder: Path
    ) -> None:
        self._limit, self._beside, self._generations = max_steps_without_spread, dict(beside), generations
        self._folder = folder

    def on_log(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Stop where no group has had two different rewards for too long.

        Raises:
            InputError: It has not, with the numbers and what to change.
        """
        steps = steps_without_spread(state.log_history)
        if steps >= self._limit and "reward" in state.log_history[-1]:
            raise InputError(explain_no_spread(state.log_history[-1], steps, self._generations))

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Compare the held-out reward with the metrics beside it, draw the curves and warn."""
        earlier = [entry for entry in state.log_history if entry.get("step") != state.global_step]
        for sign in reward_signs(earlier, kwargs["metrics"], self._beside):
            if state.is_world_process_zero:
                logger.warning("step %d: %s", state.global_step, sign)
        if args.should_save:
            self._folder.mkdir(parents=True, exist_ok=True)
            draw_rewards(state.log_history, self._folder)
