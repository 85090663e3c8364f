"""The other arms of benchmarks/engine.py: they compute the losses that the plain loop does."""

from __future__ import annotations

import numpy as np
import pytest
from engine import padded_batches, padded_row_by_row, plain_loop
from tiny import make_model

from tests.miwv.losses.test_forest import RING, passes_of


@pytest.mark.parametrize("arm", [padded_batches, padded_row_by_row])
def test_arms_compute_the_plain_losses(arm: object) -> None:
    model, passes = make_model("llama"), passes_of("alpaca", RING)
    plain = plain_loop(model, passes)
    assert np.isfinite(plain).all()
    assert len(set(np.round(plain, 3))) > 8
    np.testing.assert_allclose(arm(model, passes, size=3), plain, atol=1e-4)
