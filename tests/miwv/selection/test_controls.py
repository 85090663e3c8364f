"""A random choice with the lengths of another, and choices inside groups: as plain walks down a ranking make them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset
from tiny import make_rows

from hf_miwv import InputError, select
from hf_miwv.__main__ import main
from hf_miwv.results.length_matching import length_bins, shuffle_in_bins
from hf_miwv.results.methods import method_scores
from hf_miwv.rows.columns import add_score_columns
from hf_miwv.selection.row_groups import choose_within, group_rows
from hf_miwv.training.train_recipe import _selection_faults

ROWS = 200


@pytest.fixture(scope="module")
def scored() -> Dataset:
    """200 rows with made-up scores that rise with the length, 5 of them without one, from three sources."""
    generator = np.random.default_rng(1)
    tokens = generator.integers(1, 400, size=ROWS)
    miwv = tokens / 400 + generator.normal(size=ROWS) / 3
    miwv[:5] = np.nan
    rows = [
        {**make_rows(40)[row % 40], "source": "aab"[row % 3] if row % 50 else None, "id": row} for row in range(ROWS)
    ]
    return add_score_columns(
        Dataset.from_list(rows),
        {
            "row": np.arange(ROWS),
            "miwv": miwv,
            "loss_zero_shot": generator.uniform(1, 3, size=ROWS),
            "loss_one_shot": generator.uniform(1, 3, size=ROWS),
            "neighbor": np.zeros(ROWS, int),
            "neighbor_similarity": np.full(ROWS, 0.5),
            "response_tokens": tokens,
            "miwv_status": ["not_finite"] * 5 + ["ok"] * (ROWS - 5),
            "miwv_flags": [["undesired_response"] if row == 9 else [] for row in range(ROWS)],
        },
    )


def bins_of(scored: Dataset, left_out: tuple[int, ...] = (9,)) -> np.ndarray:
    usable = np.array(scored["miwv_status"]) == "ok"
    usable[list(left_out)] = False
    return length_bins(np.array(scored["response_tokens"]), usable)


def plain_length_bins(tokens: list[int], bins: int) -> list[list[int]]:
    """Sorted lengths cut into `bins` parts of equal size, a length with several rows in the later part."""
    ordered = sorted(tokens)
    starts = [ordered[len(ordered) * number // bins] for number in range(1, bins)]
    return [[length for length in ordered if sum(start <= length for start in starts) == part] for part in range(bins)]


def test_bins_are_quantiles_of_the_usable_rows() -> None:
    tokens = np.random.default_rng(0).integers(1, 90, size=130)
    usable = np.arange(130) < 120
    bins = length_bins(tokens, usable)
    parts = [part for part in plain_length_bins(tokens[:120].tolist(), 12) if part]
    assert [sorted(tokens[:120][bins[:120] == number].tolist()) for number in np.unique(bins)] == parts
    assert np.all(np.diff(bins[np.argsort(tokens, kind="stable")]) >= 0)  # the others go to the bin of their length
    assert len(np.unique(length_bins(np.arange(1000), np.ones(1000, bool)))) == 20
    assert set(length_bins(np.full(50, 7), np.ones(50, bool)).tolist()) == {1}
    assert set(length_bins(np.arange(9), np.ones(9, bool)).tolist()) == {0}


def test_every_prefix_has_the_bins_of_the_other_choice() -> None:
    generator = np.random.default_rng(2)
    scores, bins, draws = generator.normal(size=60), generator.integers(0, 4, size=60), generator.uniform(size=60)
    scores[[3, 4, 5, 6]] = np.nan
    usable = np.arange(60) != 3
    found = shuffle_in_bins(scores, bins, usable, draws)
    # A plain walk: each row of the ranking is replaced by the next drawn row of its bin.
    waiting = {
        number: sorted((row for row in range(60) if bins[row] == number and row != 3), key=lambda i: draws[i])
        for number in range(4)
    }
    expected = [waiting[bins[row]].pop(0) for row in np.argsort(-scores, kind="stable")[:56]]
    assert np.argsort(-found, kind="stable")[:56].tolist() == expected
    assert np.isfinite(found).sum() == 56


@pytest.mark.parametrize("like", ["miwv", "perplexity_low", "length_low"])
@pytest.mark.parametrize("count", [7, 40])
def test_a_random_choice_of_the_same_lengths(count: int, like: str, scored: Dataset) -> None:
    bins = bins_of(scored)
    reference = select(scored, method=like, count=count)
    choices = [
        select(scored, method="random_by_length", like=like, seed=seed, count=count)["row"] for seed in range(4)
    ]
    for chosen in choices:
        assert Counter(bins[chosen].tolist()) == Counter(bins[reference["row"]].tolist())
        assert len(set(chosen)) == count
        assert 9 not in chosen
    # By length itself all rows of most bins are chosen, and little is left to chance.
    assert len({tuple(sorted(chosen)) for chosen in choices}) == (1 if (like, count) == ("length_low", 40) else 4)
    # By the rows' content, not by their order.
    turned = scored.select(range(ROWS - 1, -1, -1))
    assert sorted(select(turned, method="random_by_length", like=like, count=count)["row"]) == sorted(choices[0])


def test_it_is_no_mirror_of_the_random_choice(scored: Dataset) -> None:
    draws, shuffled = (method_scores(scored, method) for method in ("random", "random_by_length"))
    both = np.isfinite(draws) & np.isfinite(shuffled)
    residual = shuffled[both] - np.array(scored["response_tokens"])[both] / 400
    assert abs(np.corrcoef(draws[both], residual)[0, 1]) < 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "ifd", "like": "miwv"}, "like 'miwv': is for the method random_by_length, and not for ifd"),
        (
            {"method": "random_by_length", "like": "mivw"},
            "no method whose lengths a choice can have: did you mean 'miwv'",
        ),
        ({"method": "random_by_length", "like": "random"}, "no method whose lengths"),
        ({"method": "random_by_length", "like": "influence"}, "score them with `hf-miwv score --also influence`"),
        ({"method": "random_by_length", "diversity": 0.9}, "--diversity 0.9: would leave out rows by something else"),
        ({"method": "random_by_length", "one_per": "prompt"}, "--one-per prompt: would leave out"),
        ({"within": "length", "diversity": 0.9}, "give one of the two"),
        ({"within": "length", "threshold": 0.1, "count": None}, "a threshold keeps whatever reaches it"),
        ({"within": "topic"}, "--within topic: there is no such column"),
        ({"within": "miwv_flags"}, "give a column of text, numbers or truth values"),
        ({"within": "instruction", "count": 3}, "groups, and 3 rows are kept"),
    ],
)
def test_what_cannot_be(settings: dict[str, Any], message: str, scored: Dataset) -> None:
    with pytest.raises(InputError, match=message):
        select(scored, **{"count": 5, **settings})


def plain_shares(scores: list[float], groups: list[str], count: int) -> dict[str, int]:
    """Largest remainder over the rows with a score."""
    sizes = Counter(group for group, score in zip(groups, scores, strict=True) if np.isfinite(score))
    exact = {name: count * size / sizes.total() for name, size in sizes.items()}
    shares = {name: int(value + 1e-9) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: shares[name] - exact[name])[: count - sum(shares.values())]:
        shares[name] += 1
    return shares


@pytest.mark.parametrize("count", [1, 10, 33, 59])
def test_each_group_gets_its_share_of_its_highest(count: int) -> None:
    generator = np.random.default_rng(3)
    scores = generator.normal(size=60)
    scores[11] = np.nan
    groups = ["abcde"[number] for number in generator.choice(5, size=60, p=[0.4, 0.3, 0.2, 0.06, 0.04])]
    chosen = choose_within(scores, groups, count).tolist()
    assert scores[chosen].tolist() == sorted(scores[chosen], reverse=True)
    shares = plain_shares(scores.tolist(), groups, count)
    for name, share in shares.items():
        members = [row for row in range(60) if groups[row] == name and np.isfinite(scores[row])]
        highest = sorted(members, key=lambda row: -scores[row])[:share]
        assert sorted(row for row in chosen if groups[row] == name) == sorted(highest)


def test_within_bins_of_length_and_sources(scored: Dataset, tmp_path: Path) -> None:
    every = select(scored, fraction=0.2)
    by_length = select(scored, within="length", fraction=0.2, output_dir=tmp_path / "chosen")
    assert len(every) == len(by_length) == 40
    counts = Counter(bins_of(scored)[by_length["row"]].tolist())
    assert max(counts.values()) - min(counts.values()) <= 1
    assert Counter(bins_of(scored)[every["row"]].tolist()) != counts
    record = json.loads((tmp_path / "chosen" / "run.json").read_text())
    groups = record["selection"]["groups"]
    assert record["selection"]["within"] == "length"
    assert sum(group["kept"] for group in groups.values()) == 40
    assert sum(group["scored"] for group in groups.values()) == 194
    by_source = select(scored, within="source", count=30)
    usable = [row for row in range(5, ROWS) if row != 9]
    sources = ["(no value)" if value is None else value for value in scored["source"]]
    expected = plain_shares([1.0] * len(usable), [sources[row] for row in usable], 30)
    assert Counter(sources[row] for row in by_source["row"]) == Counter(expected)
    # The lengths of the choice beside it inside the groups, too.
    bins, source = bins_of(scored), np.array(sources)
    drawn = select(scored, method="random_by_length", within="source", count=30)["row"]
    pairs = [Counter(zip(bins[rows], source[rows], strict=True)) for rows in (drawn, by_source["row"])]
    assert pairs[0] == pairs[1]
    with pytest.raises(InputError, match="no column says where a row comes from"):
        select(scored.remove_columns("source"), within="source", count=5)


def test_groups_by_any_column() -> None:
    dataset = Dataset.from_dict({"topic": ["a", None, "b  c", "a"]})
    groups = group_rows(dataset, "topic", np.arange(4), np.ones(4, bool), ())
    assert groups == ["a", "(no value)", "b c", "a"]


def test_on_the_command_line_and_in_a_recipe(scored: Dataset, tmp_path: Path) -> None:
    scored.to_parquet(tmp_path / "scored.parquet")
    words = [
        "select",
        str(tmp_path / "scored.parquet"),
        "--method",
        "random_by_length",
        "--like",
        "length",
        "--within",
    ]
    done = CliRunner().invoke(main, [*words, "source", "--count", "20", "--output", str(tmp_path / "chosen")])
    assert done.exit_code == 0, done.output
    output = " ".join(done.output.split())
    assert "chosen by random draw of the same lengths (the scores by response length, dealt out by" in output
    assert "within source" in output
    selection = json.loads((tmp_path / "chosen" / "run.json").read_text())["selection"]
    assert (selection["method"], selection["like"], selection["within"]) == ("random_by_length", "length", "source")
    faults = _selection_faults({"method": "random_by_length", "like": "ifd", "fraction": 0.1, "within": "length"}, {})
    assert faults == ["selection: method random_by_length needs its own losses; in scoring, also: [ifd]"]
    faults = _selection_faults(
        {"like": "ifd", "fraction": 0.1, "within": "length", "diversity": 0.9}, {"keep_embeddings": True}
    )
    assert [fault[: len("selection: like")] for fault in faults] == [
        "selection: like",
        "selection: with",
        "selection: meth",
    ]
