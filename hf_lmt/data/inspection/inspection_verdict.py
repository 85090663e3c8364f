"""The verdict on the rows, in words: how bad, by which numbers, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from hf_lmt.data.inspection.measures import SHARED
from hf_lmt.directions import DIRECTIONS, Direction, auxiliary_of, is_reverse, parse_direction
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.cards.numbers import write_some

Severity = Literal["severe", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("severe", "warning", "note")
Measures = Mapping[str, Mapping[str, Any]]
NAMED = 4  # directions that a finding names
LEAST_FAULTS = 5  # rows of a direction; fewer in a small one are chance
LEAST_ROWS = 100  # of a corpus in a direction, for the spread of its length ratios
MANY_SOURCES = 20  # behind a target on average, from which on shared targets are severe


class Limit(NamedTuple):
    """Hold from which value on a measure is worth a word, from which on it is severe, and why.

    Attributes:
        warning (`float`): The first limit.
        severe (`float`): The second.
        reason (`str`): The measure in words, and what the limits rest on.
    """

    warning: float
    severe: float
    reason: str


LIMITS = {
    "degeneration": Limit(
        0.1,
        0.5,
        f"share of the rows into English or Chinese whose target "
        f"stands behind {SHARED} sources or more; severe also needs {MANY_SOURCES} sources on "
        "average. From 59 languages 5 % leaves about 3 sources, which is best in arXiv 2511.07003, "
        "10 % about 6, 20 % about 12, and quality falls with each.",
    ),
    "overlaps": Limit(0.0, 0.01, "share of the rows; one is too many in training"),
    "other_language": Limit(0.05, 0.2, "share of the rows; identifiers err on short lines and near languages"),
    "blank": Limit(0.0, 0.01, "share of the rows of a direction; prompts refuse such rows"),
    "copies": Limit(0.01, 0.1, "share of the rows; NTREX-128 has at most 0.2 % in a direction"),
    "source_language": Limit(
        0.02,
        0.1,
        "share of the rows whose target is, elsewhere, a source "
        "in the source's own language; names and figures are such by right",
    ),
    "wrong_script": Limit(0.01, 0.1, "share of the rows; NTREX-128 has at most 0.2 %"),
    "duplicates": Limit(0.01, 0.1, "share of the rows of a direction; each counts double in training"),
    "repeated_targets": Limit(1.5, 5.0, "rows for each distinct target of one direction"),
    "misaligned": Limit(
        3.0,
        5.0,
        "ratio of target to source length at 95 % of the rows, divided "
        "by that at 5 %. Human translations of 60 languages have 1.5 to 2.6; the same, shifted by "
        "one line, 5 to 13.",
    ),
    "tiny": Limit(3_000, 0, "rows of a pair, in its fuller direction; arXiv 2511.07003 tunes on 3,000 to 20,000"),
    "no_auxiliary": Limit(
        0.01,
        0.0,
        "share of the rows with an auxiliary sentence, below which "
        "Parallel Multilingual Prompting has nothing to show",
    ),
}
"""The thresholds. The numbers are ours; figures of NTREX-128 are over 58 languages."""


class Finding(NamedTuple):
    """Hold one fault to mend.

    Attributes:
        kind (`str`): A key of LIMITS, or "missing".
        severity (`str`): "severe", "warning" or "note".
        where (`tuple[str, ...]`): Directions, the worst first, or "*-en", "*-zh".
        evidence (`str`): The numbers, in words.
        mend (`str`): The setting or work that mends it.
    """

    kind: str
    severity: Severity
    where: tuple[str, ...]
    evidence: str
    mend: str


def judge(
    directions: Measures,
    targets: Measures,
    requested_directions: Iterable[Direction] | None,
    rule: str | None,
) -> list[Finding]:
    """Judge the measures of rows by LIMITS.

    Args:
        directions (`Mapping[str, Mapping[str, Any]]`): Of `measures.measure_directions`.
        targets (`Mapping[str, Mapping[str, Any]]`): Of `measures.measure_targets`.
        requested_directions (`Iterable[Direction]`, *optional*): The directions that there should be; None for
            the opposites of those that are there, as far as they are among the 234.
        rule (`str`, *optional*): The rule that Strategic Downsampling was tried with, in words; None without.

    Returns:
        `list[Finding]`: The findings, the severe ones first; empty where there is nothing to mend.
    """
    findings = [
        *_degeneration(targets, rule),
        *_shares(directions),
        *_repeated_targets(directions),
        *_misaligned(directions),
        *_missing(directions, requested_directions),
        *_tiny(directions),
        *_no_auxiliary(directions),
    ]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _degeneration(targets: Measures, rule: str | None) -> Iterator[Finding]:
    for pivot, measured in targets.items():
        share = measured["shared_rows"] / measured["rows"]
        limit = LIMITS["degeneration"]
        if share < limit.warning:
            continue
        severe = share >= limit.severe and measured["shared_sources"] >= MANY_SOURCES
        name, after = LANGUAGES[pivot].name, measured["after"]
        yield Finding(
            "degeneration",
            "severe" if severe else "warning",
            (f"*-{pivot}",),
            f"{_percent(share)} of X->{pivot}: one {name} sentence stands behind "
            f"{measured['shared_sources']:.0f} sources on average ({measured['largest']} at most): "
            "directional degeneration (arXiv 2511.07003)",
            _downsampling_words(after, rule),
        )


def _downsampling_words(after: Mapping[str, Any], rule: str | None) -> str:
    if rule is None:
        return "set downsampling: {rate: 0.05}"
    left = f"leaves {after['rows']:,} of these rows and {after['sources_per_target']:.1f} sources a sentence"
    if after["shared_rows"] >= LIMITS["degeneration"].warning * after["rows"] > 0:
        return f"set downsampling to a lower rate than {rule}, which {left}: still too many"
    return f"set downsampling: {rule}, which {left}"


def _shares(directions: Measures) -> Iterator[Finding]:
    """Yield faults that are a share of each direction's rows."""
    kinds = (
        (
            "overlaps",
            "overlaps",
            "say what an evaluation set says",
            "use the curation step contamination with these sets; scores on them would be worth nothing",
        ),
        (
            "other_language",
            "other_language",
            "have a side in another language than it should be",
            "use the curation step for language identification",
        ),
        ("blank", "blank", "have no text on a side", "use the curation step empty"),
        ("copies", "copies", "have their source as target", "use the curation step copy"),
        (
            "source_language",
            "source_language_targets",
            "have a target that is a sentence of the source's language elsewhere",
            "look at the corpus: sides may be swapped or untranslated; "
            "use the curation step for language identification",
        ),
        (
            "wrong_script",
            "wrong_script",
            "have a side in another script than its language's",
            "use the curation step script, and look whether columns or languages are mixed up",
        ),
        ("duplicates", "duplicates", "are there already", "use the curation step duplicates"),
    )
    for kind, measure, words, mend in kinds:
        shares = {name: measured[measure] / measured["rows"] for name, measured in directions.items()}
        limit = LIMITS[kind]
        # Where a single row is too many, chance is no excuse.
        least = LEAST_FAULTS if limit.warning else 1
        over = {
            name: share
            for name, share in shares.items()
            if share > limit.warning and directions[name][measure] >= least
        }
        rows = sum(directions[name][measure] for name in over)
        said = f"rows that {words}: {rows:,}"
        yield from _finding(kind, over, limit, _percent, said, mend)


def _repeated_targets(directions: Measures) -> Iterator[Finding]:
    limit = LIMITS["repeated_targets"]
    over = {
        name: measured["many_to_one"]
        for name, measured in directions.items()
        if measured["many_to_one"] >= limit.warning
    }
    yield from _finding(
        "repeated_targets",
        over,
        limit,
        "{:.1f}".format,
        "the same targets come again and again within a direction (rows for each distinct one)",
        "use the curation steps duplicates and caps: {per_target: 10}",
    )


def _misaligned(directions: Measures) -> Iterator[Finding]:
    """Yield a finding for each corpus: one that is misaligned hides among others."""
    limit = LIMITS["misaligned"]
    spreads: dict[str, dict[str, float]] = {}
    for name, measured in directions.items():
        for corpus, part in measured["corpora"].items():
            spread = part["length_ratio_spread"]
            if part["rows"] >= LEAST_ROWS and spread is not None and spread >= limit.warning:
                spreads.setdefault(corpus, {})[name] = spread
    for corpus, over in spreads.items():
        yield from _finding(
            "misaligned",
            over,
            limit,
            "{:.1f} x".format,
            f"corpus {corpus or '(without a name)'} looks misaligned: its sides' lengths do not "
            "go together (spread of target / source)",
            "look at its lines side by side; use the curation step length_ratio, or leave it out",
        )


def _missing(directions: Measures, requested_directions: Iterable[Direction] | None) -> Iterator[Finding]:
    present = [parse_direction(name) for name in directions]
    expected = [direction.opposite for direction in present if direction.opposite in DIRECTIONS]
    missing = [
        str(direction)
        for direction in (expected if requested_directions is None else requested_directions)
        if str(direction) not in directions
    ]
    if missing:
        words = "asked for and not there" if requested_directions is not None else "not there, their opposites are"
        yield Finding(
            "missing",
            "note" if requested_directions is None else "warning",
            tuple(missing),
            f"{len(missing)} directions {words}: {write_some(missing, NAMED)}",
            "add a source that has both languages, or do not ask for them",
        )


def _tiny(directions: Measures) -> Iterator[Finding]:
    # A pair is as large as its fuller direction: the other one can be made of the same rows.
    fullest: dict[frozenset[str], tuple[int, str]] = {}
    for name, measured in directions.items():
        pair = frozenset(name.split("-"))
        fullest[pair] = max(fullest.get(pair, (0, "")), (measured["rows"], name))
    small = {name: rows for rows, name in fullest.values() if rows < LIMITS["tiny"].warning}
    if small:
        worst = sorted(small, key=lambda name: (small[name], name))
        named = write_some([f"{name} {small[name]:,}" for name in worst], NAMED)
        yield Finding(
            "tiny",
            "note",
            tuple(worst),
            f"{len(small)} of {len(fullest)} pairs have fewer than {LIMITS['tiny'].warning:,} rows: {named}",
            "add corpora for them, or synthesize",
        )


def _no_auxiliary(directions: Measures) -> Iterator[Finding]:
    least = LIMITS["no_auxiliary"].warning
    without = [
        name
        for name, measured in directions.items()
        if auxiliary_of(parse_direction(name)) and measured["hints"] < least * measured["rows"]
    ]
    if without:
        reverse = sum(is_reverse(parse_direction(name)) for name in without)
        yield Finding(
            "no_auxiliary",
            "note",
            tuple(without),
            f"{len(without)} directions ({reverse} of them into English or Chinese) have an "
            f"auxiliary language and no sentences in it: {write_some(without, NAMED)}",
            "add a multi-way source, or join by text with AuxiliarySentences; without, Parallel "
            "Multilingual Prompting leaves them plain",
        )


def _finding(
    kind: str,
    over: Mapping[str, float],
    limit: Limit,
    write: Callable[[float], str],
    words: str,
    mend: str,
) -> Iterator[Finding]:
    """Yield one finding over all directions with a value too high; its severity is that of the worst."""
    worst = sorted(over, key=lambda name: (-over[name], name))
    if worst:
        severity: Severity = "severe" if over[worst[0]] >= limit.severe else "warning"
        named = write_some([f"{name} {write(over[name])}" for name in worst], NAMED)
        count = f"{len(worst)} direction" + "s" * (len(worst) > 1)
        yield Finding(kind, severity, tuple(worst), f"{words}, in {count} ({named})", mend)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.2g} %"
