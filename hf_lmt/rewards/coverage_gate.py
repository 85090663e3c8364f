"""The gate on omissions and additions: how much of the source is aligned with the translation, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from hf_lmt.rewards.gate import Reasons, gate
from hf_lmt.rewards.reward_columns import Reward, check_columns
from hf_miwv.common.errors import InputError


def make_coverage(
    encoder: Any, tokenizer: Any, *, layer: int = 8, least: float = 0.3, max_length: int = 512
) -> Reward:
    """Make a gate that asks for tokens of source and completion to be each other's nearest.

    Two tokens are aligned if, by the cosine of their vectors, each is the other's nearest in its text (SimAlign's
    Argmax, arXiv 2004.08728, there with layer 8 of multilingual BERT or XLM-R). The gate is 0 where
    less than `least` of the source's tokens, or of the completion's, are aligned. Not among the default gates:
    it costs a pass of the encoder, and the limit, ours, is to be looked up on good translations of your own.

    Args:
        encoder (`PreTrainedModel`): A multilingual encoder of transformers, loaded, in evaluation mode.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        layer (`int`, *optional*, defaults to `8`): The layer that vectors are read from, 0 the embeddings.
        least (`float`, *optional*, defaults to `0.3`): The least share of aligned tokens, from 0 to 1.
        max_length (`int`, *optional*, defaults to `512`): Tokens of a text that are read.

    Returns:
        `Reward`: completions and `source` -> (N,) 0.0 or 1.0.

    Raises:
        InputError: The layer is none of the encoder's, or `least` is not from 0 to 1.
    """
    layers = encoder.config.num_hidden_layers
    if not 0 <= layer <= layers:
        raise InputError(f"coverage: layer {layer}: the encoder has layers 0 to {layers}")
    if not 0 <= least <= 1:
        raise InputError(f"coverage: least {least} is no share from 0 to 1")

    @torch.inference_mode()
    def vectors(text: str) -> torch.Tensor:
        """Return (T, H) unit vectors of a text's tokens, special ones left out."""
        read = tokenizer(
            text, truncation=True, max_length=max_length, return_special_tokens_mask=True, return_tensors="pt"
        )
        plain = ~read.pop("special_tokens_mask")[0].bool()
        if not plain.any():  # encoders cannot read a sequence of no tokens
            return torch.zeros(0, encoder.config.hidden_size)
        hidden = encoder(**read.to(encoder.device), output_hidden_states=True).hidden_states[layer][0]
        return torch.nn.functional.normalize(hidden[plain.to(hidden.device)].float(), dim=-1)

    @gate
    def coverage(completions: Sequence[str], source: Sequence[str] | None = None, **_: Any) -> Reasons:
        check_columns("coverage", len(completions), source=source)
        reasons: Reasons = []
        for text, origin in zip(completions, source or (), strict=True):
            source_vectors, target_vectors = vectors(origin), vectors(text)
            sizes = (len(source_vectors), len(target_vectors))
            if not all(sizes):
                reasons.append("nothing is aligned" if any(sizes) else None)
                continue
            similarity = source_vectors @ target_vectors.T
            nearest = similarity.argmax(1)
            aligned = int((similarity.argmax(0)[nearest] == torch.arange(sizes[0], device=nearest.device)).sum())
            if aligned < least * sizes[0]:
                reasons.append("the source is not covered")
            else:
                reasons.append("the source does not cover it" if aligned < least * sizes[1] else None)
        return reasons

    return coverage
