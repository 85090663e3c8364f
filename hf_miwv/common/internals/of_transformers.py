"""Names of transformers that are private, or other ones from version to version."""

from __future__ import annotations

import inspect
from typing import Any


def attention_of(config: Any) -> Any:
    """Return the name of a model's attention kernels.

    Args:
        config (`PreTrainedConfig`): Of the model, or of a part of it.

    Returns:
        `Any`: The name ("sdpa"); None where the configuration has none.
    """
    return getattr(config, "_attn_implementation", None)


def commit_of(config: Any) -> str | None:
    """Return the commit on the Hub that a model was loaded from; None where it is not known.

    transformers 4 wrote it into the configuration; 5 does not, and `note_commit` does.

    Args:
        config (`PreTrainedConfig`): Of the model.

    Returns:
        `str | None`: The commit.
    """
    return getattr(config, "_commit_hash", None)


def set_commit(config: Any, commit: str | None) -> None:
    """Note the commit that a model was loaded from in its configuration; it is not saved with it.

    Args:
        config (`PreTrainedConfig`): Of the model.
        commit (`str`, *optional*): The commit; None for a folder.
    """
    config._commit_hash = commit


def cache_argument(model: Any, cache: Any) -> dict[str, Any]:
    """Name a cache as the model's `forward` does: `past_key_values` before transformers 5.24, `cache` after.

    Args:
        model (`PreTrainedModel`): The model.
        cache (`Cache`): The cache.

    Returns:
        `dict[str, Any]`: One argument.
    """
    known = inspect.signature(model.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": cache}
