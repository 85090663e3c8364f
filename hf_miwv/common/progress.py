"""How far a stage is: one bar on a terminal or in a notebook, a line in a log for everything else."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tqdm.auto import tqdm

library_bars = True
"""Whether libraries show bars of their own while they load; the command lines turn it off without --verbose."""

HEARTBEAT = 600.0  # seconds between two lines of a long stage where nobody sees a bar
LEAST_SECONDS = 1.0  # a stage that took less is not worth a line

logger = logging.getLogger(__name__)


def hide_library_bars() -> None:
    """Turn transformers' bars off where `library_bars` is; those of downloads stay.

    `transformers.utils.logging.disable_progress_bar` would turn off the Hub's, too.
    """
    if not library_bars:
        from transformers import modeling_gguf_pytorch_utils
        from transformers.utils import logging as transformers_logging

        transformers_logging._tqdm_active = False
        # The reader of GGUF files asks no switch.
        modeling_gguf_pytorch_utils.tqdm = partial(tqdm, disable=True)  # type: ignore[assignment]


class LoggedStage:
    """Count as a bar does, and write a line when the stage is done, and every HEARTBEAT seconds before.

    Args:
        description (`str`): Name of the stage, such as "tokenizing".
        unit (`str`): What is counted, in the singular.
        total (`int`, *optional*): How many there are, where that is known.
        initial (`int`): How many are done already.
    """

    def __init__(self, description: str, unit: str, total: int | None, initial: int) -> None:
        self._description, self._unit, self._total = description, unit, total
        self._initial = self._count = initial
        self._started = self._logged_at = time.monotonic()

    def update(self, count: int = 1) -> None:
        """Count what was done.

        Args:
            count (`int`, *optional*, defaults to `1`): How many more.
        """
        self._count += count
        now = time.monotonic()
        if now - self._logged_at >= HEARTBEAT:
            self._logged_at = now
            rate = (self._count - self._initial) / (now - self._started)
            of_total = "" if self._total is None else f" of {self._total:,}"
            left = f", {(self._total - self._count) / rate / 60:.0f} minutes left" if self._total and rate else ""
            logger.info("%s: %s%s %ss%s", self._description, f"{self._count:,}", of_total, self._unit, left)

    def close(self) -> None:
        """Write the line of the stage, where anything was done in it and somebody has waited for it."""
        seconds = time.monotonic() - self._started
        if self._count > self._initial and seconds >= LEAST_SECONDS:
            logger.info("%s: %s %ss in %.0f s", self._description, f"{self._count:,}", self._unit, seconds)


@contextmanager
def stage(
    description: str,
    unit: str,
    total: int | None = None,
    *,
    initial: int = 0,
    unit_scale: bool = False,
    show: bool = True,
) -> Iterator[Any]:
    """Show how far the work within is.

    Args:
        description (`str`): Name of the stage, such as "tokenizing".
        unit (`str`): What is counted, in the singular: "row", "token".
        total (`int`, *optional*): How many there are, where that is known.
        initial (`int`, *optional*, defaults to `0`): How many are done already.
        unit_scale (`bool`, *optional*, defaults to `False`): Whether a bar writes 12.3k for 12,345.
        show (`bool`, *optional*, defaults to `True`): Whether anything is shown at all.

    Yields:
        `Any`: An object with `update(count)`.
    """
    in_notebook = any("notebook" in base.__module__ for base in tqdm.__mro__)
    if show and not in_notebook and not sys.stderr.isatty():
        logged = LoggedStage(description, unit, total, initial)
        yield logged
        logged.close()
        return
    with tqdm(
        total=total, initial=initial, desc=description, unit=unit, unit_scale=unit_scale, disable=not show
    ) as bar:
        yield bar
