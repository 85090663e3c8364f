"""The pictures beside the data set card: PNGs that are the same to the byte for the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hf_miwv.common.cards.figures import ABOVE, INK, WHOLE, label_log_axis, new_figure, save
from hf_miwv.results.score_clouds import draw_lengths_against_scores, draw_similarities_against_scores
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.score_histogram import draw_histogram
from hf_miwv.results.scored_record import ScoredRecord, Statistics


def draw_scored(columns: ScoreColumns, folder: Path) -> list[str]:
    """Draw every scored row.

    `miwv_histogram.png`, `length_against_score.png` and, where neighbor similarities are known,
    `similarity_against_score.png`. Rows without a MIWV are left out.

    Args:
        columns (`ScoreColumns`): The scored rows.
        folder (`Path`): Folder of the PNGs.

    Returns:
        `list[str]`: Names of the PNGs; none where no row has a MIWV.
    """
    scored = columns.scored
    miwv = columns.miwv[scored]
    tokens = columns.response_tokens[scored]
    similarity = columns.neighbor_similarity[scored]
    if len(miwv) == 0:
        return []
    names = [
        draw_histogram(miwv, "MIWV of all scored rows", None, folder),
        draw_lengths_against_scores(tokens, miwv, folder),
    ]
    known = np.isfinite(similarity)
    if known.any():
        names.append(draw_similarities_against_scores(similarity[known], miwv[known], folder))
    return names


def draw_chosen(chosen: ScoreColumns, run: ScoredRecord, folder: Path) -> list[str]:
    """Draw the chosen rows.

    `miwv_histogram.png`, with the lowest kept score marked, and `length_comparison.png` where
    run["scored_run"] tells the lengths of all scored rows.

    Args:
        chosen (`ScoreColumns`): The chosen rows.
        run (`ScoredRecord`): The record of the selection.
        folder (`Path`): Folder of the PNGs.

    Returns:
        `list[str]`: Names of the PNGs.
    """
    scored = chosen.scored
    if not scored.any():
        return []
    cut = run["selection"]["lowest_kept_score"]
    names = [draw_histogram(chosen.miwv[scored], "MIWV of the chosen rows", cut, folder)]
    if run["scored_run"] is not None:
        whole = run["scored_run"]["statistics"]
        names.append(draw_length_comparison(chosen.response_tokens[scored], whole, folder))
    return names


def draw_length_comparison(tokens: np.ndarray, whole: Statistics, folder: Path) -> str:
    """Draw the chosen response lengths beside those of all scored rows, as `describe` counted them.

    Heights are per cent of each group's rows, in the bins of `length_histogram`.

    Args:
        tokens (`np.ndarray`): (m,) lengths of the chosen rows, in tokens.
        whole (`Statistics`): `describe` of all scored rows.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    edges = np.array(whole["response_length_histogram"]["edges"])
    all_counts = np.array(whole["response_length_histogram"]["counts"])
    counts, _ = np.histogram(tokens, edges)
    median = float(np.median(tokens))
    all_median = whole["response_tokens"]["quantiles"]["50"]
    figure, axes = new_figure(
        "Response lengths: chosen rows beside all scored rows",
        f"Median length in tokens: {median:,.0f} chosen, {all_median:,.0f} in all",
    )
    axes.set_xscale("log")
    all_label = f"all scored rows ({whole['scored']:,})"
    axes.stairs(100 * all_counts / all_counts.sum(), edges, fill=True, color=WHOLE, label=all_label)
    label = f"chosen rows ({len(tokens):,})"
    axes.stairs(100 * counts / counts.sum(), edges, color=ABOVE, linewidth=2.2, label=label)
    axes.axvline(all_median, color=INK, linestyle="--", linewidth=1.4, label="median of all")
    axes.axvline(median, color=ABOVE, linestyle="--", linewidth=1.4, label="median of chosen")
    label_log_axis(axes)
    axes.legend(frameon=False, fontsize=9)
    axes.set_xlabel("response length (tokens, logarithmic)")
    axes.set_ylabel("% of rows")
    return save(figure, folder, "length_comparison.png")
