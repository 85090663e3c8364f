"""The print of a training by rewards: what is rewarded, how much it differs, and how far the model has gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hf_lmt.training.grpo.rollout_figures import NO_SPREAD
from hf_lmt.training.watching.group_table import GroupTable

SHOWN = ("loss", "reward", "kl", "completions/mean_length", "completions/clipped_ratio")
"""Figures of TRL in an evaluation that are printed; the others go to `report_to` and the trainer's state."""


class RewardTable(GroupTable):
    """Print rewards in the place of losses, which are about 0 at every step."""

    columns: ClassVar[Mapping[str, str]] = {
        "reward": "reward",
        "reward_std": "deviation",
        NO_SPREAD: "without spread",
        "kl": "KL",
        "completions/mean_length": "tokens",
        "grad_norm": "gradient norm",
    }

    def evaluation_lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Write the lines of `GroupTable`, and rewards and rates of gates over all.

        Args:
            figures (`Mapping[str, Any]`): Figures whose names begin with `eval_`.

        Returns:
            `list[str]`: The lines.
        """
        kept = {}
        for key, value in figures.items():
            name = key.removeprefix("eval_")
            of_trl = "/" in name or name in (
                "reward",
                "reward_std",
                "frac_reward_zero_std",
                "kl",
                "entropy",
                "num_tokens",
            )
            shown = (
                name in SHOWN or name.startswith("gate/") or (name.startswith("rewards/") and name.endswith("/mean"))
            )
            if shown or not of_trl:
                kept[key] = value
        return super().evaluation_lines(kept)
