"""What a method's paper adds to its score where nobody says otherwise: how far apart the chosen rows are."""

from __future__ import annotations

# Method -> the highest cosine of two chosen rows. Deita (arXiv 2312.15685) goes down its ranking and keeps a row while
# its cosine to every kept one is at most 0.9. The vectors are here those of the prompts by the embedder, there LLaMA's
# of the whole row.
DIVERSITY = {"deita": 0.9}
NO_DIVERSITY = 1.0  # chooses by the score alone


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
