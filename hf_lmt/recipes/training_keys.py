"""The keys of a recipe for `hf-lmt train` beside the sections that make rows: TRL's, and a few of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hf_lmt.data.prepare.data_recipe import SECTIONS
from hf_miwv.common.hub.hub_section import HUB_KEYS
from hf_miwv.common.recipes.fields import Hints, field_hints
from hf_miwv.common.recipes.trl_keys import Refused

GRPO = "grpo"


@dataclass(frozen=True)
class TopKeys:
    """Keys of ours at the top of a recipe for `hf-lmt train`, beside TRL's.

    Args:
        stage (`str`, *optional*, defaults to `"sft"`): "sft" learns the targets of the rows, "grpo" is rewarded for
            translations of its own (TRL's GRPOTrainer, with the keys of trl.GRPOConfig).
        global_batch_size (`int`, *optional*): Rows of an optimizer step, with grpo completions; the accumulation
            follows from it and the number of processes.
        merge (`bool`, *optional*, defaults to `False`): Whether an adapter is put into the weights at the end.
        license (`str`, *optional*): License of the trained model, for its card; also as `hub: license`.
        rewards (`list[str | dict]`, *optional*): With grpo: names of `hf_lmt.rewards` (gated_comet), dotted paths of
            your own functions, or mappings as below.
        watched_rewards (`list[str | dict]`, *optional*): With grpo: functions that are logged beside the rewards and
            never rewarded; by default chrf where no reward is chrF.
        max_prompt_length (`int`, *optional*, defaults to `512`): With grpo: tokens of a prompt, at most; longer rows
            are left out. Ours, half of the paper's 1,024.
        max_steps_without_spread (`int`, *optional*, defaults to `20`): With grpo: the training stops when in so many
            steps after one another no group had two different rewards, so that nothing was learned. Ours.
    """

    stage: Literal["sft", "grpo"] = "sft"
    global_batch_size: int | None = None
    merge: bool = False
    license: str | None = None
    rewards: list[str | dict[str, Any]] | None = None
    watched_rewards: list[str | dict[str, Any]] | None = None
    max_prompt_length: int = 512
    max_steps_without_spread: int = 20


TOP_KEYS: Hints = field_hints(TopKeys)
OF_GRPO = ("rewards", "watched_rewards", "max_prompt_length", "max_steps_without_spread")
"""Keys of ours that have no effect in other stages."""
LMT_HUB_KEYS: Hints = {**HUB_KEYS, "license": str}
OURS = (*SECTIONS, *TOP_KEYS)

TRL_REFUSED: Refused = {
    "the launch file of `accelerate launch` says how weights are sharded": {
        "fsdp": (None, False, "", []),
        "fsdp_config": (None,),
        "deepspeed": (None,),
        "accelerator_config": (None,),
    },
}
"""Keys of TRL that this command refuses beside those of `common.recipes.trl_keys.REFUSED`."""

GRPO_REFUSED: Refused = {
    **TRL_REFUSED,
    "the reference would not be the same after a kill": {"sync_ref_model": (False,)},
    "the rows lie in the order of a hash, in which a killed run finds its place again": {"shuffle_dataset": (False,)},
    "rewards read the columns of the rows": {"remove_unused_columns": (False,)},
    "it is how the rows' prompts were made (pmp: {thinking: ...})": {"chat_template_kwargs": (None,)},
    "completions stay on this machine": {"log_completions_hub_repo": (None,), "log_multimodal": (True, False)},
    "translating calls no tools": {"max_tool_calling_iterations": (None,)},
}
"""Keys of trl.GRPOConfig that stage grpo refuses beside those of `common.recipes.trl_keys.REFUSED`."""
