"""What is drawn, and that it is the same to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_run import NAN, make_chosen_run, make_columns, random_columns, take

from hf_miwv.common.cards.figures import new_figure
from hf_miwv.results import score_clouds, score_histogram, score_pictures
from hf_miwv.results.score_axes import beyond, edges_through_zero, robust_range
from hf_miwv.results.score_clouds import draw_lengths_against_scores, running_quantiles
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.score_histogram import draw_histogram
from hf_miwv.results.score_pictures import draw_chosen, draw_scored

SCORED = ["miwv_histogram.png", "length_against_score.png", "similarity_against_score.png"]


def signature(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures by file name, instead of files."""
    figures: dict[str, Any] = {}

    def keep(figure: Any, folder: Path, name: str) -> str:
        figures[name] = figure
        return name

    for module in (score_clouds, score_histogram, score_pictures):
        monkeypatch.setattr(module, "save", keep)
    return figures


def labels(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_scored_pictures_are_the_same_to_the_byte(tmp_path: Path) -> None:
    columns = random_columns(300)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        assert draw_scored(columns, tmp_path / name) == SCORED
    first = signature(tmp_path / "first")
    assert first == signature(tmp_path / "second")
    assert sorted(first) == sorted(SCORED)
    assert all(content.startswith(b"\x89PNG") for content in first.values())
    assert not any(b"matplotlib" in content.lower() for content in first.values())


def test_chosen_pictures_are_the_same_to_the_byte(tmp_path: Path) -> None:
    columns = random_columns(200)
    kept = np.argsort(-columns.miwv)[:20].tolist()
    run = make_chosen_run(columns, kept)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        names = draw_chosen(take(columns, kept), run, tmp_path / name)
        assert names == ["miwv_histogram.png", "length_comparison.png"]
    assert signature(tmp_path / "first") == signature(tmp_path / "second")


# Connections that tests before this one left open are collected, and warned of, at any moment.
@pytest.mark.filterwarnings("error", "ignore::ResourceWarning")
@pytest.mark.parametrize(
    "columns",
    [
        make_columns([NAN, NAN, 0.5, NAN]),
        make_columns([0.25] * 40),
        make_columns([0.0]),
        make_columns([1e6, -1e6, 0.0], tokens=[1, 100_000, 5]),
    ],
    ids=["one scored", "constant", "one row", "extreme"],
)
def test_odd_columns_can_be_drawn(columns: ScoreColumns, tmp_path: Path) -> None:
    assert draw_scored(columns, tmp_path) == SCORED
    best = int(np.nanargmax(columns.miwv))
    run = make_chosen_run(columns, [best])
    assert len(draw_chosen(take(columns, [best]), run, tmp_path)) == 2


def test_nothing_is_drawn_where_nothing_is_known(tmp_path: Path) -> None:
    assert draw_scored(make_columns([NAN, NAN]), tmp_path) == []
    assert draw_scored(make_columns([0.5], similarity=[NAN]), tmp_path) == SCORED[:2]
    columns = make_columns([0.5, 0.1])
    run = {**make_chosen_run(columns, [0]), "scored_run": None}
    assert draw_chosen(take(columns, [0]), run, tmp_path) == ["miwv_histogram.png"]


def test_histogram_tells_counts_median_mean_and_cut(drawn: dict[str, Any], tmp_path: Path) -> None:
    draw_histogram(np.array([-1.0, 0.0, 0.0, 5.0]), "t", 0.25, tmp_path)
    axes = drawn["miwv_histogram.png"].axes[0]
    assert labels(axes) == ["zero", "median 0.000", "mean 1.000", "lowest kept score 0.250"]
    note = axes.texts[0].get_text()
    assert "keep): 1 " in note
    assert note.endswith("below (it helped): 1")
    assert sum(bar.get_height() for bar in axes.patches) == 4


def test_outliers_stand_on_the_outermost_bars(drawn: dict[str, Any], tmp_path: Path) -> None:
    miwv = np.linspace(-1, 1, 1000)
    miwv[[7, 8, 9]] = 1e9, 1e9, -1e9
    draw_histogram(miwv, "t", None, tmp_path)
    axes = drawn["miwv_histogram.png"].axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == 1000
    below, above = axes.patches[-2:]
    first, last = axes.patches[0], axes.patches[-3]
    for bar, outermost in ((below, first), (above, last)):
        assert bar.get_y() == outermost.get_height()
        assert bar.get_x() == outermost.get_x()
        assert bar.get_height() >= 1
    beyond_axis = below.get_height() + above.get_height()
    assert labels(axes)[-1] == f"rows beyond the axis: {beyond_axis:.0f}"
    assert axes.get_xlim()[1] < 2


def test_dots_beyond_the_axis_lie_at_its_end(drawn: dict[str, Any], tmp_path: Path) -> None:
    miwv = np.array([*np.linspace(-1, 0, 99), -50.0])
    draw_lengths_against_scores(np.arange(1, 101), miwv, tmp_path)
    axes = drawn["length_against_score.png"].axes[0]
    dots = axes.collections[0].get_offsets()
    assert len(dots) == 100
    assert dots[99].tolist() == [100, axes.get_ylim()[0]]
    assert axes.get_ylabel().endswith("at its ends: 1")


@pytest.mark.parametrize(("rows", "kind"), [(300, "PathCollection"), (5000, "PolyCollection")])
def test_few_rows_are_dots_and_many_are_counted(rows: int, kind: str, drawn: dict[str, Any], tmp_path: Path) -> None:
    columns = random_columns(rows)
    draw_lengths_against_scores(columns.response_tokens, columns.miwv, tmp_path)
    axes = drawn["length_against_score.png"].axes[0]
    assert type(axes.collections[0]).__name__ == kind
    assert axes.get_xscale() == "log"
    assert labels(axes) == ["running median", "running 10 % and 90 % quantile"]


def test_length_comparison_shows_shares(drawn: dict[str, Any], tmp_path: Path) -> None:
    columns = make_columns([4.0, 3.0, 2.0, 1.0], tokens=[1, 2, 2, 5])
    draw_chosen(take(columns, [0, 1]), make_chosen_run(columns, [0, 1]), tmp_path)
    axes = drawn["length_comparison.png"].axes[0]
    whole, chosen = (patch.get_data() for patch in axes.patches)
    assert whole.edges.tolist() == [1, 2, 3, 4, 6]
    assert whole.values.tolist() == [25, 50, 0, 25]
    assert chosen.values.tolist() == [50, 50, 0, 0]
    assert axes.texts[0].get_text() == "Median length in tokens: 2 chosen, 2 in all"


def test_running_quantiles_keep_equal_lengths_together() -> None:
    x = np.array([1] * 50 + [2] * 10 + [9] * 40)
    centers, quantiles = running_quantiles(x, x * 10.0)
    assert centers.tolist() == [1, 9]
    assert quantiles.shape == (3, 2)
    assert quantiles[1].tolist() == [10, 90]


def test_running_quantiles_of_known_groups() -> None:
    x = np.arange(60)
    centers, quantiles = running_quantiles(x, np.where(x < 30, x, 100.0))
    assert centers.tolist() == [14.5, 44.5]
    np.testing.assert_allclose(quantiles[:, 0], [2.9, 14.5, 26.1])
    assert quantiles[:, 1].tolist() == [100, 100, 100]


def test_robust_range() -> None:
    assert robust_range(np.arange(201.0), 0.1) == (1, 199)
    assert robust_range(np.arange(200.0), 0.1) == (0, 199)
    assert robust_range(np.array([3.0, 3.0]), 1) == (2.5, 3.5)


def test_a_long_tail_does_not_take_the_axis() -> None:
    values = np.array([-12.0, *np.arange(101.0) / 100, 9.0])  # quartiles 0.245 and 0.755
    low, high = robust_range(values, 0.1)
    np.testing.assert_allclose([low, high], [0.245 - 4 * 0.51, 0.755 + 4 * 0.51])


def test_zero_is_an_edge() -> None:
    edges = edges_through_zero(-0.31, 0.77, 1000)
    assert 0.0 in edges
    assert edges[0] <= -0.31
    assert edges[-1] >= 0.77
    np.testing.assert_allclose(np.diff(edges), 1.08 / 40)


def test_beyond() -> None:
    assert beyond(0) == ""
    assert beyond(1234) == "\nrows beyond the axis, drawn at its ends: 1,234"


def test_figures_do_not_register_with_pyplot() -> None:
    from matplotlib._pylab_helpers import Gcf

    figure, _ = new_figure("title", "note")
    assert type(figure.canvas).__name__ == "FigureCanvasAgg"
    assert Gcf.get_all_fig_managers() == []
