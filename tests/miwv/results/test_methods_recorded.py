"""Methods in records, cards and choices, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, load_dataset
from rich.console import Console
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.results.methods import METHODS, method_scores
from hf_miwv.results.score_summary import show_selection
from hf_miwv.rows.schema import ALSO_COLUMNS, SCORE_COLUMNS
from tests.miwv.results.methods_rows import ALSO, score_tiny


@pytest.mark.parametrize(
    ("method", "seed", "message"),
    [
        ("ifdd", 0, "method 'ifdd' is not one of ours: did you mean 'ifd'"),
        ("random_low", 0, "did you mean 'random'"),
        ("x", 0, "known ones: .*ifd, ifd_low, influence"),
        ("random", -1, "seed -1: give 0 or more"),
    ],
)
def test_what_is_no_method(method: str, seed: int, message: str, scored: Dataset) -> None:
    with pytest.raises(InputError, match=message):
        method_scores(scored, method, seed)
    with pytest.raises(InputError, match=message):
        select(scored, method=method, seed=seed, count=1)


def test_a_method_whose_column_is_not_there(scored: Dataset) -> None:
    for method in ALSO:
        lacking = scored.remove_columns(ALSO_COLUMNS[method])
        with pytest.raises(InputError, match=f"score them with `hf-miwv score --also {method}`"):
            method_scores(lacking, f"{method}_low")


@pytest.mark.parametrize(
    ("also", "message"),
    [
        (["idf"], "also 'idf' is not one of ours: did you mean 'ifd'"),
        ("ifd", "give a list of names, such as \\['ifd'\\]"),
    ],
)
def test_what_cannot_be_measured_also(also: Any, message: str, embedder_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        score_tiny(make_rows(4), embedder_folder, also=also)


def test_columns_of_an_earlier_scoring_do_not_stay(scored: Dataset, embedder_folder: Path) -> None:
    own = scored.remove_columns(list(SCORE_COLUMNS))
    with pytest.raises(InputError, match="columns loss_response_alone, loss_response_bare"):
        score(own, make_model("llama"), tokenizer=make_tokenizer(), embedder=str(embedder_folder))
    again = score(
        scored,
        make_model("llama"),
        tokenizer=make_tokenizer(),
        embedder=str(embedder_folder),
        overwrite_columns=True,
        progress=False,
    )
    assert not set(ALSO_COLUMNS.values()) & set(again.column_names)


def test_the_scoring_is_recorded(folder: Path, scored: Dataset) -> None:
    run = json.loads((folder / "run.json").read_text())
    assert run["settings"]["also"] == ["ifd", "superfiltering"]
    own = sum(scored["response_tokens"])
    heading = len(make_tokenizer()("### Response:")["input_ids"])
    assert list(run["stages"]) == ["embed", "neighbors", "score", "ifd", "superfiltering"]
    assert run["stages"]["ifd"]["tokens"] == own + 23 * heading  # one row has no response
    assert run["stages"]["superfiltering"]["tokens"] == own + 23
    assert run["timing"]["seconds"]["ifd"] > 0
    found = np.array(scored["loss_response_alone"], float)
    assert run["statistics"]["loss_response_alone"]["mean"] == pytest.approx(np.nanmean(found))
    card = (folder / "README.md").read_text()
    assert "| loss\\_response_alone |" in card or "| loss_response_alone |" in card
    assert "prompt_embedding" not in card


@pytest.mark.parametrize("method", [name for name in METHODS if name != "miwv"])
def test_card_record_and_table_name_the_method_and_claim_no_miwv(
    method: str, complete_folder: Path, tmp_path: Path
) -> None:
    folder = complete_folder
    output = tmp_path / "chosen"
    # Chosen by the score alone: prompts of a random embedder lie close together.
    apart = {"diversity": 1.0} if method in ("deita", "recost") else {}
    chosen = select(folder, method=method, seed=4, count=5, output_dir=output, **apart)
    run = json.loads((output / "run.json").read_text())
    scores = method_scores(load_dataset(str(folder), split="train"), method, seed=4)
    assert (run["selection"]["method"], run["selection"]["seed"]) == (method, 4)
    assert run["selection"]["lowest_kept_score"] == sorted(scores[np.isfinite(scores)])[-5]
    assert run["selection"]["scored_rows"] == np.isfinite(scores).sum()
    assert scores[chosen["row"]].tolist() == sorted(scores[chosen["row"]], reverse=True)
    card = (output / "README.md").read_text()
    pictures = [path.name for path in output.glob("*.png")]
    assert pictures == ["length_comparison.png"]
    title = next(line for line in card.splitlines() if line.startswith("# "))
    label = title.partition("chosen by ")[2]
    assert f"chosen by {label}. The score: " in card
    assert "weak = keep" not in card
    assert ("MIWV" in label) == (method == "miwv_low")
    assert "lie above zero" not in card
    console = Console(file=io.StringIO(), width=160)
    show_selection(run, console)
    table = console.file.getvalue()  # type: ignore[attr-defined]
    assert table.startswith(f"chosen by {label} (")
    assert "weak" not in table


def test_a_threshold_is_on_the_methods_score_and_ties_go_by_row(scored: Dataset) -> None:
    lengths = np.array(scored["response_tokens"])
    middle = int(np.sort(lengths)[-8])
    kept = select(scored, method="length", threshold=middle)["row"]
    expected = sorted((i for i in range(24) if lengths[i] >= middle), key=lambda i: -lengths[i])
    assert kept == expected
    assert select(scored, method="length_low", threshold=-middle)["row"] == sorted(
        (i for i in range(24) if 0 < lengths[i] <= middle), key=lambda i: lengths[i]
    )


def test_another_method_is_another_choice(folder: Path, tmp_path: Path) -> None:
    select(folder, method="random", count=5, output_dir=tmp_path / "chosen")
    with pytest.raises(InputError, match="not the same: seed"):
        select(folder, method="random", seed=1, count=5, output_dir=tmp_path / "chosen")
    with pytest.raises(InputError, match="not the same: method"):
        select(folder, count=5, output_dir=tmp_path / "chosen")
