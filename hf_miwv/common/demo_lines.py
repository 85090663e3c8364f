"""The lines of a demo: its own, and how long its stages took; a stranger needs no more."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PACKAGES = ("hf_miwv", "hf_lmt")
SHOWN = ("hf_miwv.common.progress", "hf_miwv.common.runs.folder_run")  # seconds of a stage; what is done already


@contextmanager
def demo_lines(logger: logging.Logger, silent: Sequence[str] = ()) -> Iterator[None]:
    """Leave the news of all other files out while a demo runs; warnings, and all of it with --verbose, stay.

    Args:
        logger (`logging.Logger`): The demo's own logger.
        silent (`Sequence[str]`, *optional*, defaults to `()`): Loggers whose warnings are left out, too.

    Yields:
        `None`: Nothing; the levels are put back afterwards.
    """
    if logger.getEffectiveLevel() != logging.INFO:
        yield
        return
    levels = dict.fromkeys(PACKAGES, logging.WARNING) | dict.fromkeys((logger.name, *SHOWN), logging.INFO)
    levels |= dict.fromkeys(silent, logging.ERROR)
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
