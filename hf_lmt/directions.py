"""Directions of translation, the 234 of LMT among them, and patterns that stand for several."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import combinations
from typing import NamedTuple, Self

from hf_lmt.languages import language
from hf_lmt.registry import LANGUAGES, PIVOTS
from hf_miwv.common.errors import InputError


class _Codes(NamedTuple):
    source: str
    target: str


class Direction(_Codes):
    """Name a direction of translation, by the codes of its two languages.

    Any two languages of the registry: directions without English and Chinese are not trained on,
    but evaluated (zero-shot).

    Examples:
        >>> str(Direction("en", "kk")), Direction("en", "kk").target
        ('en-kk', 'kk')

    Attributes:
        source (`str`): Code of the language to translate from.
        target (`str`): Code of the language to translate into.

    Raises:
        InputError: A language is unknown, or both are the same.
    """

    __slots__ = ()

    def __new__(cls, source: str, target: str) -> Self:
        """Check both languages, and make the direction."""
        if language(source) is language(target):
            raise InputError(f"{source}-{target}: source and target are the same; give two")
        return super().__new__(cls, source, target)

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"

    @property
    def opposite(self) -> Direction:
        """Return the direction with source and target exchanged."""
        return Direction(self.target, self.source)


def _pairs() -> tuple[Direction, ...]:
    pivots = [Direction(*pair) for pair in combinations(PIVOTS, 2)]
    others = [code for code in LANGUAGES if code not in PIVOTS]
    return (*pivots, *(Direction(pivot, other) for pivot in PIVOTS for other in others))


PAIRS: tuple[Direction, ...] = _pairs()
"""English with each of the others, Chinese with each but English: 117, each from the pivot on."""

DIRECTIONS: tuple[Direction, ...] = tuple(direction for pair in PAIRS for direction in (pair, pair.opposite))
"""Both directions of each pair: 234 (arXiv 2511.07003, section 1)."""


def parse_direction(text: str) -> Direction:
    """Read a direction that is written like `en-kk`.

    Args:
        text (`str`): Two codes with a hyphen between.

    Returns:
        `Direction`: The direction, which need not be one of the 234.

    Raises:
        InputError: It is written otherwise, has a `*`, a language is unknown, or both are the same.
    """
    source, target = _sides(text)
    if "*" in (source, target):
        raise InputError(
            f"{text}: stands for several directions, and one is meant here; name both languages, as in en-kk"
        )
    return Direction(source, target)


def is_reverse(direction: Direction) -> bool:
    """Check whether a direction leads from another language into English or Chinese.

    These are the directions that Strategic Downsampling thins out. English <-> Chinese counts as
    forward both ways; the paper is silent on it, the choice is ours.

    Args:
        direction (`Direction`): Any direction.

    Returns:
        `bool`: True for X->En and X->Zh, X neither English nor Chinese.
    """
    return direction.target in PIVOTS and direction.source not in PIVOTS


def auxiliary_of(direction: Direction) -> str | None:
    """Return the language whose sentence is the hint for a direction.

    Between English and X the auxiliary language of X, between Chinese and X English (arXiv
    2511.07003, Parallel Multilingual Prompting). It is never one of the two.

    Args:
        direction (`Direction`): Any direction.

    Returns:
        `str | None`: A language code; None where the paper has none.
    """
    # The pair of pivots itself has two, and a pair without a pivot none: the paper gives a hint for neither.
    pivots = [code for code in direction if code in PIVOTS]
    if len(pivots) != 1:
        return None
    other = direction.target if direction.source in PIVOTS else direction.source
    auxiliary = LANGUAGES[other].auxiliary if pivots == ["en"] else "en"
    return None if auxiliary in direction else auxiliary


def match_directions(globs: Iterable[str]) -> list[Direction]:
    """List the directions that any of the patterns stands for, each once, in the order of DIRECTIONS.

    A pattern is a direction, or has `*` for one language or both: `en-*`, `*-zh`, `*-*`. `*` ranges
    over the 234; a direction outside of them must be named, and stands after them.

    Examples:
        >>> len(match_directions(["en-*"])), len(match_directions(["en-*", "*-zh"]))
        (59, 117)

    Args:
        globs (`Iterable[str]`): Directions and patterns.

    Returns:
        `list[Direction]`: The directions.

    Raises:
        InputError: As `fits`, and where a direction named has one language twice.
    """
    matched: dict[Direction, None] = {}
    for pattern in globs:
        matches = [direction for direction in DIRECTIONS if fits(pattern, direction)]
        # A pattern that matches none of the 234 must be one direction
        # outside of them, or is refused by name here.
        matched |= dict.fromkeys(matches or [parse_direction(pattern)])
    position = {direction: index for index, direction in enumerate(DIRECTIONS)}
    return sorted(matched, key=lambda direction: position.get(direction, len(position)))


def fits(glob: str, direction: Direction) -> bool:
    """Check whether a pattern stands for a direction.

    Args:
        glob (`str`): A direction or pattern.
        direction (`Direction`): The direction.

    Returns:
        `bool`: True where each side is `*` or the same language.

    Raises:
        InputError: It is no pattern, or names an unknown language.
    """
    pairs = zip(_sides(glob), direction, strict=True)
    return all(side in ("*", code) for side, code in pairs)


def most_specific(globs: Iterable[str], direction: Direction) -> str | None:
    """Return the pattern that applies to a direction: with the fewest `*` of those that fit.

    Args:
        globs (`Iterable[str]`): Directions and patterns.
        direction (`Direction`): The direction.

    Returns:
        `str | None`: The pattern as it was written; None where none fits.

    Raises:
        InputError: Two fit equally well, as `zh-*` and `*-en` do with zh-en; `check_globs` detects
            that beforehand.
    """
    fitting = sorted({(glob.count("*"), glob) for glob in globs if fits(glob, direction)})
    # Which of two equally specific patterns is meant cannot be known, and taking either would be a silent choice.
    if len(fitting) > 1 and fitting[0][0] == fitting[1][0]:
        raise InputError(
            f"{direction}: {fitting[0][1]} and {fitting[1][1]} fit equally well; give {direction} itself, too"
        )
    return fitting[0][1] if fitting else None


def check_globs(globs: Collection[str]) -> None:
    """Make sure that at most one of the patterns applies to each of the 234 directions.

    Args:
        globs (`Collection[str]`): Directions and patterns.

    Raises:
        InputError: As `fits` and `most_specific`.
    """
    for direction in DIRECTIONS:
        most_specific(globs, direction)


def _sides(text: str) -> list[str]:
    """Split a direction or pattern into source and target, each a known code or `*`."""
    sides = text.split("-") if isinstance(text, str) else []
    if len(sides) != 2:
        raise InputError(
            f"{text!r} is not a direction: write source and target as in en-kk; "
            "en-* and *-zh stand for all from one language or into it"
        )
    for side in sides:
        if side != "*":
            language(side)
    return sides
