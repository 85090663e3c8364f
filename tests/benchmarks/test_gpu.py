"""benchmarks/gpu.py: its dry run as a process, and the operations that it counts."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import on_gpu
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.losses.forest import Forest, Unit
from hf_miwv.losses.losses import ResponseLosses

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture
def gpu() -> Any:
    import gpu

    return gpu


@pytest.mark.slow
def test_dry_run_prints_a_table(model_folder: Path) -> None:
    words = ["--dry-run", "--rows", "12", "--tokenizer", str(model_folder), "--batch-tokens", "900,3000"]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    head, _, titles, rule, *lines = done.stdout.splitlines()
    assert re.match(r"CPU, shrunken; torch .*; 12 rows, T0 = [\d,]+ tokens$", head)
    assert titles.count("|") == rule.count("|") == 11
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[:2] for row in cells] == [
        ["Qwen3-0.6B", "900"],
        ["Qwen3-0.6B", "3,000"],
        ["Llama-7B", "900"],
        ["Llama-7B", "3,000"],
    ]
    for row in cells:
        assert 1.9 < float(row[2]) < 2.2  # tokens run / T0: passes are shared
        assert all(float(cell.strip("%").replace(",", "")) > 0 for cell in row[4:8])
        assert float(row[9]) > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dry-run", "--shapes", "Qwen3-0.6B,GPT"], "--shapes GPT: known are Qwen3-0.6B, Llama-7B"),
        (["--dry-run", "--rows", "1"], "--rows 1: a row needs a neighbor; give 2 or more"),
        (["--dry-run", "--data", "nowhere.jsonl"], "nowhere.jsonl: no such file or folder"),
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
    gpu: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words])
    with pytest.raises(SystemExit) as left:
        gpu.main()
    assert left.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def forest_of(*units: tuple[int, list[tuple[int, int]]]) -> Forest:
    """Units of a trunk with so many tokens and branches (fork, tokens); responses of 2 tokens."""
    contexts: list[list[int]] = []
    built = []
    for trunk, branches in units:
        numbers = range(len(contexts), len(contexts) + 1 + len(branches))
        contexts.append([5] * (trunk - 2))
        contexts += [[5] * (fork + size - 2) for fork, size in branches]
        forks = tuple(fork for fork, _ in branches)
        tokens = trunk + sum(size for _, size in branches)
        built.append(Unit(numbers[0], True, tuple(numbers[1:]), forks, tokens))
    responses = TokenTable([[7, 8]] * len(contexts))
    passes = Passes(TokenTable(contexts), TokenTable([[]] * len(contexts)), responses)
    return Forest(passes, True, built, Counter())


@pytest.mark.parametrize(
    "units",
    [
        [(4, [])],
        [(10, []), (3, [])],
        [(6, [(6, 5), (3, 4)]), (9, [(1, 2)])],
    ],
)
def test_attended_pairs_are_those_of_each_token(units: list[tuple[int, list[tuple[int, int]]]], gpu: Any) -> None:
    one_by_one = 0
    for trunk, branches in units:
        for fork, size in [(0, trunk), *branches]:
            for token in range(size):
                one_by_one += fork + token + 1  # its path before it, and itself
    assert gpu.attended_pairs(forest_of(*units)) == one_by_one


@pytest.mark.parametrize("name", ["Qwen3-0.6B", "Llama-7B"])
def test_counted_operations_are_those_that_torch_counts(name: str, gpu: Any) -> None:
    model = on_gpu.make_model(on_gpu.SHAPES[name] | on_gpu.SHRUNKEN, torch.device("cpu")).float()
    forest = forest_of((30, []), (20, []))
    losses = ResponseLosses(model, packed=True)
    with losses.ready(), FlopCounterMode(display=False) as counter:
        losses([forest.tree(0), forest.tree(1)])
    parts = counter.get_flop_counts()["Global"]
    products = sum(count for kernel, count in parts.items() if "attention" not in str(kernel))
    attention = 4 * 2 * 4 * 16 * gpu.attended_pairs(forest)  # layers, heads, head dimension
    ours = gpu.counted_operations(model, forest)
    assert ours - attention == pytest.approx(products, rel=0.02)  # norms have weights, too
    assert attention == pytest.approx(4 * 2 * 4 * 16 * (30 * 31 + 20 * 21) / 2)


@pytest.mark.parametrize(("name", "billions"), [("Qwen3-0.6B", 0.596), ("Llama-7B", 6.738)])
def test_the_shapes_are_those_of_the_models(name: str, billions: float) -> None:
    with torch.device("meta"):
        model = on_gpu.make_model(on_gpu.SHAPES[name], torch.device("meta"))
    assert model.num_parameters() / 1e9 == pytest.approx(billions, abs=0.001)


def test_neighbors_and_ids_are_random_but_the_same_every_time(gpu: Any) -> None:
    neighbors = gpu.random_neighbors(1000)
    assert (neighbors != range(1000)).all()
    assert neighbors.tolist() == gpu.random_neighbors(1000).tolist()
    assert 600 < len(set(neighbors.tolist())) < 660  # 63 % are somebody's
    passes = forest_of((6, [(6, 5)])).passes
    fresh = gpu.renamed(passes, 100)
    assert fresh.lengths.tolist() == passes.lengths.tolist()
    assert fresh[1].ids[:4] == fresh[0].ids[:4]  # what two passes share stays shared
    assert set(fresh[0].ids) != {5, 7, 8}
