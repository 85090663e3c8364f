"""The defaults that a method's paper adds to its score: how many rows, how far apart."""

from __future__ import annotations

from decimal import Decimal

from hf_miwv.results.scored_record import Choice

# Method -> the highest cosine of two chosen rows. Deita (arXiv 2312.15685) goes down its ranking and keeps a row while
# its cosine to every kept one is at most 0.9. The vectors are here those of the prompts by the embedder, there LLaMA's
# of the whole row.
DIVERSITY = {"deita": 0.9}
WINDOW_METHODS = ("recost",)  # chosen by `sample_by_window`
NO_DIVERSITY = 1.0  # chooses by the score alone
THRESHOLD = {"alpagasus": 4.5}  # method -> the lowest score to keep; AlpaGasus (arXiv 2307.08701): 4.5 of 5


def limits_of(
    method: str, fraction: float | str | Decimal | None, count: int | None, threshold: float | None
) -> Choice:
    """Return how many rows are kept.

    Args:
        method (`str`): One of METHODS.
        fraction (`float | str | Decimal`, *optional*): Share of all rows to keep.
        count (`int`, *optional*): Rows to keep.
        threshold (`float`, *optional*): The lowest score to keep.

    Returns:
        `Choice`: The three as they were given; where none is, with the method's own threshold if it has one.

    >>> limits_of("alpagasus", None, None, None)["threshold"], limits_of("alpagasus", 0.1, None, None)["threshold"]
    (4.5, None)
    """
    if fraction is None and count is None and threshold is None:
        threshold = THRESHOLD.get(method)
    return {"fraction": fraction, "count": count, "threshold": threshold}


def diversity_of(method: str, diversity: float | None, within: str | None = None) -> float | None:
    """Return the highest cosine that two chosen rows may have.

    Args:
        method (`str`): One of METHODS.
        diversity (`float`, *optional*): What was asked for; NO_DIVERSITY is nothing, whatever the method.
        within (`str`, *optional*): The groups inside which rows are chosen, which no method's own diversity goes with.

    Returns:
        `float | None`: The cosine; None where rows may be as close as they are.

    >>> diversity_of("deita", None), diversity_of("deita", 1.0), diversity_of("miwv", 0.95), diversity_of("miwv", None)
    (0.9, None, 0.95, None)
    """
    if diversity is None and within is None:
        return DIVERSITY.get(method)
    return None if diversity == NO_DIVERSITY else diversity


def slides_window(method: str, diversity: float | None, within: str | None = None) -> bool:
    """Say whether rows are taken out of a window that slides down the ranking.

    Args:
        method (`str`): One of METHODS.
        diversity (`float`, *optional*): As in `select`; any takes the place of the window.
        within (`str`, *optional*): As in `select`; as above.

    Returns:
        `bool`: Whether they are.
    """
    return method in WINDOW_METHODS and diversity is None and within is None


def needs_embeddings(method: str, diversity: float | None, within: str | None = None) -> bool:
    """Say whether rows are chosen by their prompts' embeddings, too.

    Args:
        method (`str`): One of METHODS.
        diversity (`float`, *optional*): As in `select`.
        within (`str`, *optional*): As in `select`.

    Returns:
        `bool`: Whether the rows must have been scored with `keep_embeddings`.
    """
    return diversity_of(method, diversity, within) is not None or slides_window(method, diversity, within)
