"""The five steps as a chain, and its comparison with `score`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from tiny import make_rows

from hf_miwv.rows.schema import SCORE_COLUMNS
from hf_miwv.transforms.attach_demonstration import AttachDemonstration
from hf_miwv.transforms.measure_losses import MeasureLosses
from hf_miwv.transforms.steps import ComputeMIWV, EmbedPrompts, RenderPrompts

EXACT = ("row", "neighbor", "response_tokens", "miwv_status", "miwv_flags")


MEASURED = ("neighbor_similarity", "loss_zero_shot", "loss_one_shot", "miwv")


def chain(
    dataset: Dataset,
    model: Path | str,
    embedder: Path | str,
    *,
    batch_size: int = 7,
    render: dict[str, Any] | None = None,
    embed: dict[str, Any] | None = None,
    attach: dict[str, Any] | None = None,
    measure: dict[str, Any] | None = None,
) -> Dataset:
    """All five steps, as the README shows them, in batches that split the data set."""
    render, sizes = render or {}, {"batched": True, "batch_size": batch_size}
    rendered = dataset.map(RenderPrompts(model, **render), **sizes)
    embedded = rendered.map(EmbedPrompts(embedder, device="cpu", **(embed or {})), **sizes)
    columns = {name: value for name, value in render.items() if name == "columns"}
    attach_step = AttachDemonstration.from_dataset(embedded, device="cpu", **columns, **(attach or {}))
    attached = embedded.map(attach_step, with_indices=True, **sizes)
    measure_step = MeasureLosses(model, device="cpu", **render, **(measure or {}))
    return attached.map(measure_step, **sizes).map(ComputeMIWV(), **sizes)


def check_equal(found: Dataset, expected: Dataset) -> None:
    for name in EXACT:
        assert found[name][:] == expected[name][:], name
    for name in MEASURED:
        one, other = (np.array(data[name][:], dtype=float) for data in (found, expected))
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4, err_msg=name)
    for name in SCORE_COLUMNS:
        assert found.features[name] == expected.features[name], name


def odd_rows() -> list[dict[str, str]]:
    """Rows of every status and flag, none of them among the first seven."""
    rows = make_rows(20)
    rows[9]["output"] = ""
    rows[11]["output"] = " \n"
    rows[12] = dict(rows[8], output="another answer")  # the same prompt
    rows[13] = dict(rows[8])  # the same row
    rows[15]["output"] = "rain " * 200  # longer than the limit by itself
    rows[16]["output"] = "water " * 60  # leaves room for a part of the demonstration
    return rows
