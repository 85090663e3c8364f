"""Rewards for translation in the form of TRL's GRPOTrainer, and gates against gaming them.

Each is a function of lists, `reward(completions, source=..., target=..., source_lang=..., target_lang=...)`, with
columns named as in the rows of `hf-lmt prepare`; further columns, such as the trainer's, are let pass.

>>> from hf_lmt.rewards import chrf, not_copied
>>> chrf(["Ein Haus."], target=["Ein Haus."])
[1.0]
>>> not_copied(["This stays as it is."], source=["This stays as it is."])
[0.0]

`trl grpo --reward_funcs hf_lmt.rewards.gated_chrf` takes them by their dotted paths.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_lmt.rewards.comet_rewards import comet, comet_kiwi, make_comet_reward
    from hf_lmt.rewards.coverage_gate import make_coverage
    from hf_lmt.rewards.default_rewards import DEFAULT_GATES, gated_chrf, gated_comet, gated_kiwi
    from hf_lmt.rewards.gating import combined, gated
    from hf_lmt.rewards.language_gates import right_language, right_script
    from hf_lmt.rewards.length_gate import length_ratio
    from hf_lmt.rewards.markup_gate import no_markup_lost
    from hf_lmt.rewards.reference_rewards import bleu, chrf
    from hf_lmt.rewards.text_gates import no_fan_in, not_copied, not_repetitive

_HOMES = {
    "DEFAULT_GATES": "default_rewards",
    "bleu": "reference_rewards",
    "chrf": "reference_rewards",
    "combined": "gating",
    "comet": "comet_rewards",
    "comet_kiwi": "comet_rewards",
    "gated": "gating",
    "gated_chrf": "default_rewards",
    "gated_comet": "default_rewards",
    "gated_kiwi": "default_rewards",
    "length_ratio": "length_gate",
    "make_comet_reward": "comet_rewards",
    "make_coverage": "coverage_gate",
    "no_fan_in": "text_gates",
    "no_markup_lost": "markup_gate",
    "not_copied": "text_gates",
    "not_repetitive": "text_gates",
    "right_language": "language_gates",
    "right_script": "language_gates",
}

__all__ = [
    "DEFAULT_GATES",
    "bleu",
    "chrf",
    "combined",
    "comet",
    "comet_kiwi",
    "gated",
    "gated_chrf",
    "gated_comet",
    "gated_kiwi",
    "length_ratio",
    "make_comet_reward",
    "make_coverage",
    "no_fan_in",
    "no_markup_lost",
    "not_copied",
    "not_repetitive",
    "right_language",
    "right_script",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hf_lmt.rewards' has no attribute {name!r}")
    return getattr(importlib.import_module(f"hf_lmt.rewards.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
