"""`push`, and what became of it, in words."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hf_miwv.common.hub.push import push


def push_folder(folder: Path, news: logging.Logger, **options: Any) -> None:
    """Push a folder, and log the outcome.

    Args:
        folder (`Path`): The folder.
        news (`logging.Logger`): Logger of the command.
        **options (`Any`): Options of `push`, the repository among them.

    Raises:
        InputError: as `push`.
    """
    made = push(folder, **options)
    seen_by = "private" if made.private else "public"
    if not made.written and not made.removed:
        news.info("already there, nothing to push: %s (%s)", made.url, seen_by)
        return
    if made.config is not None:
        news.info("it is the configuration %s of the data set", made.config)
    if made.removed:
        news.info("removed, as they are gone from the folder: %s", ", ".join(made.removed))
    news.info(
        "pushed: %d files, %.1f MB, as commit %.8s to %s (%s)",
        len(made.written),
        made.bytes / 1e6,
        made.commit,
        made.url,
        seen_by,
    )
