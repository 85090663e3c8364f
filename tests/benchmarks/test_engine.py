"""The other arms of benchmarks/engine.py: they compute the losses that the plain loop does."""

from __future__ import annotations

import numpy as np
import pytest
from engine import engine, measure, padded_batches, padded_row_by_row, plain_loop, report
from tiny import make_model

from hf_miwv.losses.forest import grow_forest
from tests.miwv.losses.test_forest import RING, passes_of


@pytest.mark.parametrize("arm", [padded_batches, padded_row_by_row])
def test_arms_compute_the_plain_losses(arm: object) -> None:
    model, passes = make_model("llama"), passes_of("alpaca", RING)
    plain = plain_loop(model, passes)
    assert np.isfinite(plain).all()
    assert len(set(np.round(plain, 3))) > 8
    np.testing.assert_allclose(arm(model, passes, size=3), plain, atol=1e-4)


def test_arms_are_timed_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    passes = passes_of("alpaca", RING)
    forest = grow_forest(passes, np.array(RING), tree_tokens=500, obstacle=None, rule=None)
    arms = {
        "plain loop, float32": ("float32", lambda model: plain_loop(model, passes)),
        "padded batches of 8, float32": ("float32", lambda model: padded_batches(model, passes)),
        "hf_miwv, float32": ("float32", lambda model: engine(model, forest, 500)),
        "elsewhere, float32": ("float32", lambda model: (plain_loop(model, passes), {"taken": [4.0, 2.0]})),
    }
    report(*measure(arms, make_model("llama"), 2), own=int(passes.lengths[: len(RING)].sum()))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows[2:]] == list(arms)
    assert all(float(row[-1]) < 1e-4 for row in rows[2:])
    assert rows[5][1] == "2.0"
    assert [row[5] != "–" for row in rows[2:]] == [False, False, True, False]
