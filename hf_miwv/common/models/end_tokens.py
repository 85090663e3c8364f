"""Token ids at which a model stops writing."""

from __future__ import annotations

from typing import Any

from hf_miwv.common.errors import InputError


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The ids that end an answer: those of the checkpoint's generation settings, and the EOS.

    Raises:
        InputError: there are none.
    """
    own = model.generation_config.eos_token_id
    listed = own if isinstance(own, list) else [own]
    ends = sorted({end for end in (*listed, tokenizer.eos_token_id) if end is not None})
    if not ends:
        raise InputError("the model's tokenizer has no EOS token, so its answers would never end")
    return ends
