"""How far a stage is: a line where nobody sees a bar, a bar where somebody does."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

import pytest
from tqdm.auto import tqdm

from hf_miwv.common import progress
from hf_miwv.common.progress import stage


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(**settings: Any) -> None:
    with stage("tokenizing", "row", 4, **settings) as bar:
        for _ in range(2):
            bar.update(2)


@pytest.mark.parametrize(("seconds", "lines"), [(1.2, ["tokenizing: 4 rows in 1 s"]), (0.9, [])])
def test_a_log_gets_a_line_where_somebody_waited_and_no_bar(
    seconds: float,
    lines: list[str],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    clock = iter([0.0, 0.0, 0.0, seconds])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    work()
    assert [record.getMessage() for record in caplog.records] == lines
    assert capsys.readouterr().err == ""


def test_a_long_stage_says_how_far_it_is(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    seconds = iter([0.0, 700.0, 1400.0, 1400.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    work()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "tokenizing: 2 of 4 rows, 12 minutes left"
    assert lines[-1] == "tokenizing: 4 rows in 1400 s"


def test_a_terminal_gets_a_bar_and_no_line(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    monkeypatch.setattr(sys, "stderr", Terminal())
    work()
    assert "tokenizing: 100%" in sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert not caplog.records


@pytest.mark.parametrize("settings", [{"show": False}, {"initial": 4}])
def test_what_is_not_shown_or_was_done_before_says_nothing(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    with stage("tokenizing", "row", 4, **settings):
        pass
    assert not caplog.records


@pytest.mark.parametrize("shown", [True, False])
def test_bars_of_transformers_follow_the_switch(shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers import modeling_gguf_pytorch_utils
    from transformers.utils import logging as transformers_logging

    before = are_progress_bars_disabled()
    monkeypatch.setattr(transformers_logging, "_tqdm_active", True)
    monkeypatch.setattr(progress, "library_bars", shown)
    monkeypatch.setattr(modeling_gguf_pytorch_utils, "tqdm", tqdm)
    progress.hide_library_bars()
    assert transformers_logging.is_progress_bar_enabled() is shown
    assert are_progress_bars_disabled() == before
    assert modeling_gguf_pytorch_utils.tqdm([]).disable is not shown
