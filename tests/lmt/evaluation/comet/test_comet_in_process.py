"""COMET in this process: blocks that a killed run keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_lmt.comet.comet_model import CometModel
from hf_lmt.comet.load_comet import load_comet
from hf_lmt.evaluation.comet.comet import BLOCK
from hf_lmt.evaluation.comet.comet_in_process import score_in_process
from hf_miwv.common.errors import InputError

CHECKPOINTS = Path(__file__).parents[2] / "comet" / "checkpoints"
ROWS = [json.loads(line) for line in (CHECKPOINTS / "rows.jsonl").read_text("utf-8").splitlines()][20:30] * 60
SOURCES, HYPOTHESES, REFERENCES = ([row[column] for row in ROWS] for column in ("src", "mt", "ref"))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> CometModel:
    monkeypatch.chdir(CHECKPOINTS)
    return load_comet("comet", device="cpu")


def test_a_run_that_ended_goes_on_behind_its_last_block(
    model: CometModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = score_in_process(model, SOURCES, HYPOTHESES, REFERENCES, tmp_path / "whole")
    expected = json.loads((CHECKPOINTS / "scores.json").read_text())["comet"][20:30]
    np.testing.assert_allclose(whole.values, expected * 60, atol=1e-5)
    assert not (tmp_path / "whole").exists()
    calls: list[int] = []
    score = CometModel.score

    def counted(self: CometModel, sources: Any, *rest: Any) -> Any:
        calls.append(len(sources))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score(self, sources, *rest)

    monkeypatch.setattr(CometModel, "score", counted)
    with pytest.raises(KeyboardInterrupt):
        score_in_process(model, SOURCES, HYPOTHESES, REFERENCES, tmp_path / "work")
    again = score_in_process(model, SOURCES, HYPOTHESES, REFERENCES, tmp_path / "work")
    assert calls == [BLOCK, 600 - BLOCK, 600 - BLOCK]
    assert again.values.tobytes() == whole.values.tobytes()
    assert again.signature == whole.signature


def test_no_finite_score_is_left_out_with_a_warning(
    model: CometModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CometModel, "score", lambda *_: np.array([0.5, np.nan]))
    found = score_in_process(model, SOURCES[:2], HYPOTHESES[:2], REFERENCES[:2], tmp_path / "work")
    assert found.unscored == (1,)
    assert "comet gave no finite score for 1 of 2 rows, the first of them row 1" in caplog.text


def test_lists_of_different_lengths(model: CometModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 sources, 1 hypotheses"):
        score_in_process(model, ["a", "b"], ["c"], None, tmp_path / "work")
