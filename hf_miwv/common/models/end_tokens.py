"""Token ids at which a model stops writing."""

from __future__ import annotations

from typing import Any

from hf_miwv.common.errors import InputError


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """List the ids that end an answer: those of the checkpoint's generation settings, and the EOS.

    Args:
        model (`PreTrainedModel`): The model that writes.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.

    Returns:
        `list[int]`: The ids, ascending.

    Raises:
        InputError: there are none.
    """
    return configured_end_tokens(model.generation_config, tokenizer)


def configured_end_tokens(generation_config: Any, tokenizer: Any) -> list[int]:
    """List the ids that end an answer, for a model that another engine runs.

    Args:
        generation_config (`GenerationConfig`): The checkpoint's generation settings.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.

    Returns:
        `list[int]`: As `end_tokens`.

    Raises:
        InputError: there are none.
    """
    # Chat models end a turn with a token of its own (<|im_end|>), which is in the settings and need not be EOS.
    configured = generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    ends = sorted({end for end in (*listed, tokenizer.eos_token_id) if end is not None})
    if not ends:
        raise InputError("the model's tokenizer has no EOS token, so its answers would never end")
    return ends
