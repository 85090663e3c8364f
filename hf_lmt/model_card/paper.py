"""The paper's results of its own models, for cards of models of the same base."""

from __future__ import annotations

from collections.abc import Callable

from hf_lmt.directions import DIRECTIONS, Direction
from hf_lmt.evaluation.metrics.aggregation import COLUMNS, aggregate
from hf_lmt.evaluation.metrics.judgeable import why_unreliable
from hf_lmt.evaluation.results.evaluation_card import GROUPS
from hf_lmt.evaluation.sets.reference_results import METRICS, Results, reference_results
from hf_lmt.registry import LANGUAGES

SIZES = ("0.6B", "1.7B", "4B", "8B")
TITLES = {"comet": "COMET-22", "bleu": "BLEU"}
WAYS = {"en2x": "en→X", "x2en": "X→en", "zh2x": "zh→X", "x2zh": "X→zh"}
_ENDS: dict[str, Callable[[str], tuple[str, str]]] = {
    "en2x": lambda code: ("en", code),
    "x2en": lambda code: (code, "en"),
    "zh2x": lambda code: ("zh", code),
    "x2zh": lambda code: (code, "zh"),
}


def paper_size(base: str) -> str | None:
    """Return the size of the paper's model that has the same base.

    >>> paper_size("Qwen/Qwen3-4B-Base"), paper_size("NiuTrans/LMT-60-8B-Base"), paper_size("a/b")
    ('4B', '8B', None)

    Args:
        base (`str`): Id of the base model.

    Returns:
        `str | None`: One of SIZES; None where the paper has none.
    """
    bases = {f"{stem}-{size}-Base": size for size in SIZES for stem in ("Qwen/Qwen3", "NiuTrans/LMT-60")}
    return bases.get(base)


def group_rows(size: str) -> list[tuple[str, ...]]:
    """List group, COMET-22 and BLEU: means over all directions of the group, as the paper's own are.

    Args:
        size (`str`): Size of the paper's model, one of SIZES.

    Returns:
        `list[tuple[str, ...]]`: The cells of each row of the table, in the order of GROUPS.
    """
    means = aggregate({direction: dict(scores) for direction, scores in reference_results(size).items()})
    return [(group, *(f"{means[group][metric].mean:.2f}" for metric in METRICS)) for group in GROUPS if group in means]


def language_rows(size: str) -> list[tuple[str, ...]]:
    """List for each language COMET-22 and BLEU from and into English and Chinese; "~" where COMET says little.

    Args:
        size (`str`): Size of the paper's model, one of SIZES.

    Returns:
        `list[tuple[str, ...]]`: The cells of each row of the table, in the order of the registry of languages.
    """
    results = reference_results(size)
    return [
        (f"{known_language.name} ({code})", *(_cell(results, column, code) for column in COLUMNS))
        for code, known_language in LANGUAGES.items()
    ]


def _cell(results: Results, column: str, code: str) -> str:
    source, target = _ENDS[column](code)
    if source == target:
        return ""
    direction = Direction(source, target)
    if direction not in DIRECTIONS:
        return ""
    scores = results[direction]
    doubt = "~" if why_unreliable("comet-22", target) else ""
    return f"{doubt}{scores['comet']:.2f} / {scores['bleu']:.2f}"
