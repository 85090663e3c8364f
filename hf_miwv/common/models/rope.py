"""Rotary embeddings whose frequencies hang on the length of the whole pass.

Of most models a token's rotation depends on its own position alone. Two kinds are otherwise, as
`transformers.modeling_rope_utils.dynamic_rope_update` computes them from the largest position of
a forward pass, over all rows of the batch:

- "longrope" (arXiv 2402.13753; Phi-3.5, Phi-4-mini): the short factors for passes of at most
  `original_max_position_embeddings` tokens, the long factors for longer ones.
- "dynamic" (NTK by length): beyond `max_position_embeddings` each length has frequencies of its
  own, and they stay until a pass is longer, or shorter than that border.

So a row's loss would depend on the rows beside it, and on those before it. Passes are equal to
themselves alone where all passes of a batch belong to one length class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LONGROPE = ("longrope", "su")  # "su" is its name in early checkpoints
CHANGES = "the rotary embedding changes between the two lengths"


@dataclass(frozen=True)
class LengthRule:
    """Say which passes have the same frequencies.

    Attributes:
        steps (`tuple[int, ...]`): Tokens up to which short factors are used ("longrope"), of each layer type.
        grows (`tuple[int, ...]`): Tokens beyond which each length has its own frequencies ("dynamic"),
            likewise.
        reach (`int`, *optional*): Most tokens that the scaling was made for, `factor` x the shortest of
            `grows`.
    """

    steps: tuple[int, ...] = ()
    grows: tuple[int, ...] = ()
    reach: int | None = None

    def classes(self, lengths: npt.ArrayLike) -> np.ndarray:
        """Class passes by their frequencies.

        Args:
            lengths (`ArrayLike`): (N,) tokens of passes.

        Returns:
            `np.ndarray`: (N,) int64: equal for the lengths whose passes have the same frequencies.
        """
        tokens = np.asarray(lengths, dtype=np.int64)
        steps = np.zeros_like(tokens)
        for bit, border in enumerate(self.steps):
            # Negative, so that no class of a step is the length of a growing pass.
            steps -= (tokens > border).astype(np.int64) << bit
        if not self.grows:
            return steps
        # A length says everything, also on which side of each step it is.
        return np.where(tokens > min(self.grows), tokens, steps)


def length_rule(model: Any) -> LengthRule | None:
    """Read off the configuration how the model's rotary frequencies depend on the length of a pass.

    Of the text part, so that it holds for models with code of their own, too.

    Args:
        model (`PreTrainedModel`): The loaded model.

    Returns:
        `LengthRule | None`: The rule; None where they do not depend on it.
    """
    config = model.config.get_text_config()
    ropes = list(_rope_settings(config))
    steps = [_step(config, rope) for rope in ropes if _kind(rope) in LONGROPE]
    growing = [rope for rope in ropes if "dynamic" in _kind(rope)]
    border = getattr(config, "max_position_embeddings", None)
    grows = [int(border) for _ in growing if border]
    if not steps and not grows:
        return None
    # The smallest factor: beyond it one layer type at least was not made for the length.
    factor = min((float(rope.get("factor") or 1.0) for rope in growing), default=1.0)
    reach = int(min(grows) * factor) if grows and _dynamic_parts(model) else None
    return LengthRule(tuple(steps), tuple(grows), reach)


class Frequencies:
    """Hold the frequencies that "dynamic" modules of a model carry from one pass to the next.

    Args:
        model (`PreTrainedModel`): The model whose modules they are.
    """

    def __init__(self, model: Any) -> None:
        self._parts = _dynamic_parts(model)

    def reset(self) -> None:
        """Make them those of a model that has just been loaded."""
        for module, prefix in self._parts:
            original = getattr(module, f"{prefix}original_inv_freq")
            current = getattr(module, f"{prefix}inv_freq")
            module.register_buffer(f"{prefix}inv_freq", original.to(current.device), persistent=False)
            setattr(module, f"{prefix}max_seq_len_cached", module.original_max_seq_len)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put back afterwards what the model has now."""
        names = ("inv_freq", "max_seq_len_cached")
        saved = [
            (module, f"{prefix}{name}", getattr(module, f"{prefix}{name}"))
            for module, prefix in self._parts
            for name in names
            if hasattr(module, f"{prefix}{name}")
        ]
        try:
            yield
        finally:
            for module, name, value in saved:
                if name.endswith("inv_freq"):
                    module.register_buffer(name, value, persistent=False)
                else:
                    setattr(module, name, value)


def _dynamic_parts(model: Any) -> list[tuple[Any, str]]:
    """List the rotary modules of transformers that grow, with the prefix of their layer type."""
    parts = []
    for module in model.modules():
        kinds = getattr(module, "rope_type", None)
        by_prefix = {f"{layer}_": kind for layer, kind in kinds.items()} if isinstance(kinds, dict) else {"": kinds}
        parts += [
            (module, prefix)
            for prefix, kind in by_prefix.items()
            if "dynamic" in str(kind) and hasattr(module, f"{prefix}original_inv_freq")
        ]
    return parts


def _rope_settings(config: Any) -> Iterator[dict[str, Any]]:
    """Yield the rotary settings of the model, or of each of its layer types."""
    for name in ("rope_parameters", "rope_scaling"):
        settings = getattr(config, name, None)
        if not isinstance(settings, dict):
            continue
        nested: Sequence[Any] = [part for part in settings.values() if isinstance(part, dict)]
        yield from nested or [settings]
        return  # rope_scaling is the older name of the same


def _kind(rope: dict[str, Any]) -> str:
    return str(rope.get("rope_type") or rope.get("type") or "default")


def _step(config: Any, rope: dict[str, Any]) -> int:
    """Return the tokens up to which a "longrope" embedding uses its short factors."""
    names = "original_max_position_embeddings", "max_position_embeddings"
    sources = [rope.get(names[0]), *(getattr(config, name, None) for name in names)]
    return int(next(border for border in sources if border))
