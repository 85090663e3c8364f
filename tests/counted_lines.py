"""How many lines a demo prints without a terminal: those of its log and those of its tables."""

from __future__ import annotations

import pytest

ALLOWED = {"hf-miwv demo": 24, "hf-lmt demo": 34}
assert sum(ALLOWED.values()) + len(ALLOWED) <= 60, "make prints the two commands, too"


def printed_lines(output: str, log: pytest.LogCaptureFixture) -> int:
    """Lines on standard output and standard error, a line of the log for each line of a message."""
    return output.count("\n") + sum(len(message.splitlines()) or 1 for message in log.messages)
