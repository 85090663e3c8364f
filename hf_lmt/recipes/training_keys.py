"""The keys of a recipe for `hf-lmt train` beside the sections that make rows: TRL's, and a few of ours."""

from __future__ import annotations

from hf_lmt.data.prepare.data_recipe import SECTIONS
from hf_miwv.common.hub.hub_section import HUB_KEYS
from hf_miwv.common.recipes.batch import BATCH
from hf_miwv.common.recipes.fields import Hints
from hf_miwv.common.recipes.trl_keys import Refused

TOP_KEYS: Hints = {BATCH: int, "merge": bool, "license": str | None}
"""Keys of ours at the top of a recipe. global_batch_size: rows a step; the accumulation follows from it and the
processes. merge: whether an adapter is put into the weights at the end. license: of the trained model, for its
card; also as hub: license."""
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
