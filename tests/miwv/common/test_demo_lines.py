"""What is logged while a demo runs, and that all is as before when it has ended."""

from __future__ import annotations

import logging

import pytest

from hf_miwv.common.demo_lines import demo_lines

DEMO, ROOM, STAGE, KNOWN = (
    logging.getLogger(name) for name in ("hf_lmt.a_demo", "hf_lmt.a_room", "hf_miwv.common.progress", "hf_lmt.known")
)


def log_all() -> None:
    for logger in (DEMO, ROOM, STAGE):
        logger.info("news of %s", logger.name)
    for logger in (ROOM, KNOWN):
        logger.warning("warning of %s", logger.name)


@pytest.mark.parametrize(
    ("level", "during"),
    [
        (logging.INFO, ["news of hf_lmt.a_demo", "news of hf_miwv.common.progress", "warning of hf_lmt.a_room"]),
        (logging.WARNING, ["warning of hf_lmt.a_room", "warning of hf_lmt.known"]),  # --quiet
    ],
)
def test_the_demos_own_lines_stages_and_warnings(
    level: int, during: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for package in ("hf_miwv", "hf_lmt"):
        caplog.set_level(level, package)
    log_all()
    before = caplog.messages
    caplog.clear()
    with demo_lines(DEMO, silent=(KNOWN.name,)):
        log_all()
    assert caplog.messages == during
    caplog.clear()
    log_all()
    assert caplog.messages == before


def test_verbose_leaves_nothing_out(caplog: pytest.LogCaptureFixture) -> None:
    for package in ("hf_miwv", "hf_lmt"):
        caplog.set_level(logging.DEBUG, package)
    with demo_lines(DEMO, silent=(KNOWN.name,)):
        log_all()
    assert len(caplog.messages) == 5
