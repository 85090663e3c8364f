"""Units with two names of a language, or several texts under one: which pairs they give.

Translation memories have both: `en-US` and `en-GB` of a sentence, and synonyms of a term. The first
text of each language makes the rows that any unit makes. Beside them:

- each further name of a language (en-GB) is paired with the first text under every name of every
  other language, and never with another name of the same;
- each further text under a name is paired with the first text of English and of Chinese, and those
  of English and Chinese with the first text of every other language: without a limit synonyms of
  many languages would multiply;
- of all these a unit gives at most MAX_FURTHER pairs, the first ones in this order.

The rules and the limit are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from hf_lmt.directions import Direction, auxiliary_of
from hf_lmt.registry import PIVOTS

VARIANTS = ("source_variant", "target_variant")  # columns of rows
MAX_FURTHER = 64  # pairs of a unit, beside those of its first texts


class Version(NamedTuple):
    """Hold a text of a unit.

    Attributes:
        code (`str`): Code of its language.
        name (`str`): Name that the source has for the language.
        text (`str`): The text.
    """

    code: str
    name: str
    text: str


class FurtherPairs(NamedTuple):
    """Hold the pairs of a unit beyond its first texts.

    Attributes:
        pairs (`list[tuple[Version, Version]]`): The pairs, each to be rows both ways.
        left_out (`int`): Number of pairs beyond MAX_FURTHER.
    """

    pairs: list[tuple[Version, Version]]
    left_out: int


def first_versions(versions: Sequence[Version]) -> dict[str, Version]:
    """Find the first text of each language.

    Args:
        versions (`Sequence[Version]`): The texts of a unit, in its order.

    Returns:
        `dict[str, Version]`: {code: version}.
    """
    first: dict[str, Version] = {}
    for version in versions:
        first.setdefault(version.code, version)
    return first


def names_by_code(versions: Sequence[Version]) -> dict[str, list[str]]:
    """Collect the names that a unit has for each language.

    Args:
        versions (`Sequence[Version]`): The texts of the unit, in its order.

    Returns:
        `dict[str, list[str]]`: {code: names}, each name once, in the unit's order.
    """
    names: dict[str, dict[str, None]] = {}
    for version in versions:
        names.setdefault(version.code, {})[version.name] = None
    return {code: list(names_of_code) for code, names_of_code in names.items()}


def is_special(versions: Sequence[Version]) -> bool:
    """Check whether a unit has two texts of a language.

    Args:
        versions (`Sequence[Version]`): The texts of the unit.

    Returns:
        `bool`: True where it has.
    """
    return len({version.code for version in versions}) < len(versions)


def further_pairs(versions: Sequence[Version], requested_directions: frozenset[Direction]) -> FurtherPairs:
    """Return the pairs of a unit beside those of its first texts, in an asked direction either way.

    Args:
        versions (`Sequence[Version]`): All texts of the unit, those of `Unit.texts` before further ones.
        requested_directions (`frozenset[Direction]`): Directions of which rows are made.

    Returns:
        `FurtherPairs`: The pairs, and how many are left out.
    """
    by_name: dict[tuple[str, str], Version] = {}
    repeated = []
    for version in versions:
        if by_name.setdefault((version.code, version.name), version) is not version:
            repeated.append(version)
    first = first_versions(versions)
    named = list(by_name.values())
    # Other names: every pair of two languages, but for the pair of their first texts, which is a row anyway.
    candidates = [
        (version, other)
        for index, version in enumerate(named)
        for other in named[index + 1 :]
        if version.code != other.code and not (first[version.code] is version and first[other.code] is other)
    ]
    # Synonyms: only with first texts, and with English or Chinese on a side,
    # so that they grow by sums and not by products.
    candidates += [
        (version, other)
        for version in repeated
        for code, other in first.items()
        if code != version.code and (code in PIVOTS or version.code in PIVOTS)
    ]
    requested_pairs = [
        pair for pair in candidates if any(direction in requested_directions for direction in _both_directions(pair))
    ]
    return FurtherPairs(requested_pairs[:MAX_FURTHER], max(0, len(requested_pairs) - MAX_FURTHER))


def unit_rows(
    versions: Sequence[Version],
    pairs: Iterable[tuple[Version, Version]],
    requested_directions: frozenset[Direction],
    auxiliaries: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a unit in the asked directions: of its first texts, then of further pairs.

    `source_variant` and `target_variant` are the source's names of a language that the unit has
    under several. The hint is the first text in the auxiliary language.

    Args:
        versions (`Sequence[Version]`): The texts of the unit, in its order.
        pairs (`Iterable[tuple[Version, Version]]`): Further pairs of its texts, each to be rows both ways.
        requested_directions (`frozenset[Direction]`): The directions that are asked for.
        auxiliaries (`bool`): Whether rows get a hint.

    Yields:
        `dict[str, Any]`: A row as a mapping of the columns of ROW_SCHEMA and VARIANTS.
    """
    first = first_versions(versions)
    names = names_by_code(versions)
    variants = {version: version.name for version in versions if len(names[version.code]) > 1}
    for left, right in (*combinations(first.values(), 2), *pairs):
        for direction, source, target in zip(
            _both_directions((left, right)), (left, right), (right, left), strict=True
        ):
            if direction not in requested_directions:
                continue
            hint = first.get(auxiliary_of(direction) or "") if auxiliaries else None
            hint = hint if hint is not None and hint.text.strip() else None
            yield {
                "source_lang": direction.source,
                "target_lang": direction.target,
                "source": source.text,
                "target": target.text,
                "auxiliary_lang": hint.code if hint else None,
                "auxiliary": hint.text if hint else None,
                "source_variant": variants.get(source),
                "target_variant": variants.get(target),
            }


def _both_directions(pair: tuple[Version, Version]) -> tuple[Direction, Direction]:
    version, other = pair
    return Direction(version.code, other.code), Direction(other.code, version.code)
