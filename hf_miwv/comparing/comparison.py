"""Which rows would each method keep, and is it a different choice? The numbers of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.comparing.matched_rows import Scored, check_text_columns, example_texts, read_scored
from hf_miwv.comparing.rankings import Ranking, check_methods, correlations, rank
from hf_miwv.results.row_sources import source_values
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.statistics import compare_lengths
from hf_miwv.selection.row_choice import check_choice, choose_rows

FRACTIONS = ("0.01", "0.05", "0.1", "0.15")  # arXiv 2511.07074, main results
MAX_EXAMPLES = 3  # rows shown of those that one method alone chooses
SOURCES_NAMED = 30  # the sources with the most rows; the rows of further ones are added up


def compare(
    folders: Sequence[str | Path],
    *,
    fractions: Sequence[float | str | Decimal] = FRACTIONS,
    methods: Sequence[str] | None = None,
    seed: int = 0,
    source_column: str | None = None,
    text_columns: Sequence[str] = (),
) -> dict[str, Any]:
    """Compare which rows each method keeps, at each share of the rows, in numbers.

    A ranking is a method on a folder's scores. Rows are kept as `select` keeps them: the highest
    floor(all rows x fraction) scores, ties by row order (of the first folder).

    Args:
        folders (`Sequence[str | Path]`): Folders that `hf-miwv score` wrote; several hold the same
            rows, scored otherwise.
        fractions (`Sequence[float | str | Decimal]`, *optional*, defaults to `("0.01", "0.05", "0.1", "0.15")`):
            Shares of all rows, each in (0, 1]; the default is that of arXiv 2511.07074, main results.
        methods (`Sequence[str]`, *optional*): Names of `methods.METHODS`; by default all whose columns
            are present, each with its highest scores first, and miwv_low. A random choice knows nothing
            of the folder, so that it is taken once, among the rows that the first folder scores.
        seed (`int`, *optional*, defaults to `0`): Seed of the random choice.
        source_column (`str`, *optional*): The column that says where a row comes from; see
            `source_values` for the default.
        text_columns (`Sequence[str]`, *optional*, defaults to `()`): Columns shown of example rows; by
            default their prompt and response.

    Returns:
        `dict[str, Any]`: A report, ready for JSON: "folders", "rankings", "left_out" (methods that the
        folders do not allow, with the reason), "shown" (texts of example rows), "sources" (rows by
        source, or None), "spearman" (`correlations`), and under "fractions" for each what
        `compare_choices` returns and "choices", by ranking: "kept" rows, the "note" of `choose_rows`,
        the "lowest_kept_score", response "lengths" in tokens against all scored rows of the folder
        (`compare_lengths`), "sources", "only" (rows that no other ranking keeps) and "examples" of
        those, best first. These figures are our choice.

    Raises:
        InputError: An argument that cannot be used; folders that do not hold the same rows.
    """
    shares = check_fractions(fractions)
    check_methods(methods, seed)
    scored = read_scored(folders)
    check_text_columns(scored[0].dataset, text_columns)
    prompt_columns = scored[0].run["data"]["columns"].values()
    column, sources = source_values(scored[0].dataset, source_column, "--source-column", prompt_columns) or (
        None,
        None,
    )
    rows = RowDetails(scored[0], text_columns, sources, largest_sources(sources or []))
    rankings, left_out = rank(scored, methods, seed)
    return {
        "format": 1,
        "rows": len(scored[0].dataset),
        "seed": seed,
        "folders": [_describe_folder(folder) for folder in scored],
        "rankings": {
            ranking.name: {
                "folder": ranking.folder.name,
                "method": ranking.method,
                "scored": int(np.isfinite(ranking.scores).sum()),
            }
            for ranking in rankings
        },
        "left_out": left_out,
        "shown": list(text_columns) or ["prompt", "response"],
        "sources": {"column": column, **count_sources(sources, rows.named)} if sources else None,
        "spearman": correlations(rankings),
        "fractions": {share: _at_fraction(rankings, share, rows) for share in shares},
    }


class RowDetails(NamedTuple):
    """Hold the details of single rows: the columns to show, and the sources of all N rows.

    Attributes:
        folder (`Scored`): The scored rows.
        columns (`Sequence[str]`): Columns to show of example rows.
        sources (`list[str]`, *optional*): (N,) the source of each row.
        named (`list[str]`): The sources that are counted by name.
    """

    folder: Scored
    columns: Sequence[str]
    sources: list[str] | None
    named: list[str]


def check_fractions(fractions: Sequence[float | str | Decimal]) -> list[str]:
    """Return the fractions in decimal notation, in the same order.

    >>> check_fractions(["0.10", 0.05])
    ['0.1', '0.05']

    Args:
        fractions (`Sequence[float | str | Decimal]`): Shares of all rows, each in (0, 1].

    Returns:
        `list[str]`: The shares, in decimal notation without trailing zeros.

    Raises:
        InputError: No fraction, a fraction out of range, or the same fraction twice.
    """
    if not fractions:
        raise InputError("no fraction is given; 0.01,0.05 compares the top 1 % and 5 %")
    for fraction in fractions:
        check_choice(fraction=fraction, count=None, threshold=None)
    shares = [f"{Decimal(str(fraction)).normalize():f}" for fraction in fractions]
    for share, times in Counter(shares).items():
        if times > 1:
            raise InputError(f"fraction {share} is given {times} times; give each once")
    return shares


def compare_choices(
    scores: Mapping[str, np.ndarray], kept: Mapping[str, np.ndarray]
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure the rows that choices A and B have in common, as shares of A, by name and name.

    Args:
        scores (`Mapping[str, np.ndarray]`): By ranking (N,) float64 scores, nan for none.
        kept (`Mapping[str, np.ndarray]`): By ranking (K,) positions of the rows that it keeps.

    Returns:
        `dict[str, dict[str, dict[str, float]]]`: "overlap", |A & B| / |A|, and "expected", the same on
        average where B is |B| rows drawn at random from those that B's method scores:
        |A & scored by B| / |A| x |B| / |scored by B|, which is |B| / N where that is all of them.
    """
    finite = {name: np.isfinite(values) for name, values in scores.items()}
    return {
        "overlap": {
            first: {other: float(np.isin(kept[first], kept[other]).mean()) for other in kept} for first in kept
        },
        "expected": {
            first: {
                other: float(finite[other][kept[first]].mean()) * len(kept[other]) / int(finite[other].sum())
                for other in kept
            }
            for first in kept
        },
    }


def _at_fraction(rankings: Sequence[Ranking], share: str, rows: RowDetails) -> dict[str, Any]:
    kept, notes = {}, {}
    for ranking in rankings:
        kept[ranking.name], notes[ranking.name] = choose_rows(ranking.scores, fraction=share)
    # How many rankings keep each row: a row kept once is the choice of one method alone.
    times = Counter(int(position) for positions in kept.values() for position in positions)
    choices = {}
    for ranking in rankings:
        positions = kept[ranking.name].tolist()
        alone = [position for position in positions if times[position] == 1]
        choices[ranking.name] = {
            "kept": len(positions),
            "note": notes[ranking.name],
            "lowest_kept_score": float(ranking.scores[positions[-1]]),
            **_describe_choice(ranking.folder.columns, positions, rows),
            "only": len(alone),
            "examples": [_example(ranking, position, rows) for position in alone[:MAX_EXAMPLES]],
        }
    scores = {ranking.name: ranking.scores for ranking in rankings}
    return {"choices": choices, **compare_choices(scores, kept)}


def _describe_choice(columns: ScoreColumns, positions: list[int], rows: RowDetails) -> dict[str, Any]:
    tokens = columns.response_tokens
    sources = [rows.sources[position] for position in positions] if rows.sources else None
    return {
        "lengths": compare_lengths(tokens[positions], tokens[columns.scored]),
        "sources": count_sources(sources, rows.named) if sources else None,
    }


def _example(ranking: Ranking, position: int, rows: RowDetails) -> dict[str, Any]:
    return {
        "row": int(rows.folder.columns.row[position]),
        "score": float(ranking.scores[position]),
        "response_tokens": int(ranking.folder.columns.response_tokens[position]),
        "source": rows.sources[position] if rows.sources else None,
        "texts": example_texts(rows.folder, position, rows.columns),
    }


def largest_sources(values: Sequence[str]) -> list[str]:
    """Return the `SOURCES_NAMED` sources with the most rows, most first, equals by name.

    Args:
        values (`Sequence[str]`): (N,) the source of each row.

    Returns:
        `list[str]`: The sources.
    """
    ranked = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    return [source for source, _ in ranked[:SOURCES_NAMED]]


def count_sources(values: Sequence[str], named: Sequence[str]) -> dict[str, Any]:
    """Count the rows of each `named` source, and of all others together.

    >>> count_sources(["b", "a", "a", "c"], ["a", "b"])
    {'rows': {'a': 2, 'b': 1}, 'others': 1}

    Args:
        values (`Sequence[str]`): The source of each row.
        named (`Sequence[str]`): The sources to count by name.

    Returns:
        `dict[str, Any]`: "rows", {source: rows}, and "others", rows.
    """
    counts = Counter(values)
    rows = {source: counts[source] for source in named}
    return {"rows": rows, "others": len(values) - sum(rows.values())}


def _describe_folder(folder: Scored) -> dict[str, Any]:
    run, tokens = folder.run, folder.columns.response_tokens[folder.columns.scored]
    return {
        "name": folder.name,
        "rows": len(folder.dataset),
        "scored": len(tokens),
        "lengths": compare_lengths(tokens, tokens)["scored"],
        "data": run["data"]["source"],
        "model": run["model"]["source"],
        "dtype": run["model"]["dtype"],
        "template": run["template"]["name"],
        "embedder": run["embedder"]["source"],
        "max_length": run["settings"]["max_length"],
        "fingerprint": content_fingerprint(folder.dataset),
    }
