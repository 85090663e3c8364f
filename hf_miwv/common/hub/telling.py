"""`push`, and what became of it, in words."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hf_miwv.common.hub.push import push


def push_folder(folder: Path, logger: logging.Logger, **options: Any) -> None:
    """Push a folder, and log the outcome.

    Args:
        folder (`Path`): The folder.
        logger (`logging.Logger`): Logger of the command.
        **options (`Any`): Options of `push`, the repository among them.

    Raises:
        InputError: as `push`.
    """
    pushed = push(folder, **options)
    seen_by = "private" if pushed.private else "public"
    if not pushed.written and not pushed.removed:
        logger.info("already there, nothing to push: %s (%s)", pushed.url, seen_by)
        return
    if pushed.config is not None:
        logger.info("it is the configuration %s of the data set", pushed.config)
    if pushed.removed:
        logger.info("removed, as they are gone from the folder: %s", ", ".join(pushed.removed))
    logger.info(
        "pushed: %d files, %.1f MB, as commit %.8s to %s (%s)",
        len(pushed.written),
        pushed.bytes / 1e6,
        pushed.commit,
        pushed.url,
        seen_by,
    )
