"""benchmarks/training.py: its dry run, the operations that it counts, what it refuses."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks.test_directions import model  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")


@pytest.fixture
def benchmark() -> Any:
    import training

    return training


@pytest.mark.slow
def test_the_dry_run_has_the_same_rows_in_all_arms(
    benchmark: Any,
    model: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [
        "--dry-run",
        "--tokenizer",
        str(model),
        "--batches",
        "3",
        "--steps",
        "4",
        "--warm-up",
        "1",
        "--lines",
        "4",
    ]
    monkeypatch.setattr(sys, "argv", ["training.py", *words])
    benchmark.main()
    shown = capsys.readouterr().out.splitlines()
    lines = shown[-3:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[:2] for row in cells] == [["trl", "3"], ["padded", "3"], ["padding-free", "3"]]
    assert len({row[2] for row in cells}) == 1  # tokens
    assert [row[3] == "0%" for row in cells] == [False, False, True]
    assert cells[0][6] == "1.00"
    assert all(float(row[6]) > 0 for row in cells)
    head = next(line for line in shown if line.startswith("CPU, shrunken; torch"))
    assert "Qwen3-0.6B, bfloat16 weights" in head
    assert "steps 2 to 4" in head


def test_counted_operations_are_those_that_torch_counts(benchmark: Any) -> None:
    shape = benchmark.shape_of(benchmark.SHAPE, Namespace(dry_run=True))
    model = benchmark.make_model(shape, torch.device("cpu")).float()  # noqa: F811
    ids = torch.arange(60).reshape(2, 30)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids).loss.backward()
    parts = counter.get_flop_counts()["Global"]
    products = sum(count for kernel, count in parts.items() if "attention" not in str(kernel))
    config = model.config
    config.body = benchmark.body_of(model)
    counted = benchmark.Counted(1.0, 60, 60, 0.0, 60, 0)
    assert benchmark.operations(counted, config) == pytest.approx(products, rel=0.03)
    pairs = benchmark.operations(counted._replace(pairs=10.0), config)
    assert pairs - benchmark.operations(counted, config) == 3 * 4 * 2 * 4 * 16 * 10.0


def test_the_meter_counts_rows_padded_and_flattened(benchmark: Any) -> None:
    given = SimpleNamespace(device=torch.device("cpu"), register_forward_pre_hook=lambda *_, **__: 0)
    padded, flat = benchmark.Meter(given, 1), benchmark.Meter(given, 1)
    labels = torch.tensor([[-100, 7, 8], [-100, 9, -100]])
    padded._count(
        None,
        None,
        {
            "input_ids": labels,
            "labels": labels,
            "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]]),
        },
    )
    flat._count(
        None,
        None,
        {
            "input_ids": torch.zeros(1, 5),
            "labels": torch.tensor([[-100, 7, 8, -100, 9]]),
            "cu_seq_lens_q": torch.tensor([0, 3, 5]),
        },
    )
    assert padded.counted == benchmark.Counted(0.0, 5, 6, 6.0 + 3.0, 3, 0)
    assert flat.counted == benchmark.Counted(0.0, 5, 5, 9.0, 3, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dry-run", "--arms", "trl,fast"], "--arms fast: known are trl, padded, padding-free"),
        (["--dry-run", "--warm-up", "9", "--steps", "9"], "--warm-up 9: give less than --steps"),
        (["--dry-run", "--data", "nowhere.csv"], "nowhere.csv: no such file or folder"),
        pytest.param(
            [],
            "no GPU here; --dry-run runs the same code",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here"),
        ),
    ],
)
def test_what_is_refused(
    words: list[str],
    message: str,
    benchmark: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["training.py", "--tokenizer", "t", *words])
    with pytest.raises(SystemExit) as left:
        benchmark.main()
    assert left.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
