"""Rewards with the default gates, under names that a dotted path can give."""

from __future__ import annotations

from hf_lmt.rewards.comet_rewards import comet, comet_kiwi
from hf_lmt.rewards.gating import gated
from hf_lmt.rewards.language_gates import right_language, right_script
from hf_lmt.rewards.length_gate import length_ratio
from hf_lmt.rewards.markup_gate import no_markup_lost
from hf_lmt.rewards.reference_rewards import chrf
from hf_lmt.rewards.text_gates import no_fan_in, not_copied, not_repetitive

DEFAULT_GATES = (
    right_script,
    right_language,
    not_copied,
    length_ratio,
    not_repetitive,
    no_fan_in,
    no_markup_lost,
)
"""All gates but `make_coverage`'s, which needs an encoder. The choice is ours."""

gated_chrf = gated(chrf, *DEFAULT_GATES, name="gated_chrf")
gated_chrf.__doc__ = """Reward by `chrf` times DEFAULT_GATES, from 0 to 1.

Reads `source`, `target`, `source_lang` and `target_lang`.
"""
gated_comet = gated(comet, *DEFAULT_GATES, name="gated_comet")
gated_comet.__doc__ = """Reward by `comet` times DEFAULT_GATES, 0 or more.

Reads `source`, `target`, `source_lang` and `target_lang`.
"""
gated_kiwi = gated(comet_kiwi, *DEFAULT_GATES, name="gated_kiwi")
gated_kiwi.__doc__ = """Reward by `comet_kiwi` times DEFAULT_GATES, 0 or more.

Reads `source`, `source_lang` and `target_lang`; and `target` in some gates, where it is there.
"""
