"""The keys of a recipe for `hf-lmt train` beside the sections that make rows: TRL's, and a few of ours."""

from __future__ import annotations

from dataclasses import dataclass

from hf_lmt.data.prepare.data_recipe import SECTIONS
from hf_miwv.common.hub.hub_section import HUB_KEYS
from hf_miwv.common.recipes.fields import Hints, field_hints
from hf_miwv.common.recipes.trl_keys import Refused


@dataclass(frozen=True)
class TopKeys:
    """Keys of ours at the top of a recipe for `hf-lmt train`, beside TRL's.

    Args:
        global_batch_size (`int`, *optional*): Rows of an optimizer step; the accumulation follows from it and the
            number of processes.
        merge (`bool`, *optional*, defaults to `False`): Whether an adapter is put into the weights at the end.
        license (`str`, *optional*): License of the trained model, for its card; also as `hub: license`.
    """

    global_batch_size: int | None = None
    merge: bool = False
    license: str | None = None


TOP_KEYS: Hints = field_hints(TopKeys)
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
