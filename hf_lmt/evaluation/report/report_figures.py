"""The measures of an evaluation and a figure of each, for tables, heat maps and page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hf_lmt.directions import Direction, parse_direction
from hf_lmt.evaluation.evaluation_folder import NO_TEXT, Evaluation
from hf_lmt.evaluation.metrics.aggregation import COLUMNS, groups_of
from hf_lmt.evaluation.metrics.normal_forms import not_nfc_lines
from hf_lmt.registry import LANGUAGES, PIVOTS
from hf_miwv.common.cards.parts import shown_name
from hf_miwv.common.hub.hub_names import path_name
from hf_miwv.common.reading.source import Source

METRIC_TITLES = {
    "bleu": "BLEU",
    "spbleu": "spBLEU",
    "chrf++": "chrF++",
    "chrf": "chrF",
    "ter": "TER",
    "comet-22": "COMET-22",
    "cometkiwi": "CometKiwi",
    "xcomet": "XCOMET",
}
RATE_TITLES = {
    "off_target_script": "other script %",
    "off_target_language": "other language %",
    "copy": "copies %",
    "blank": "blank %",
    "over_length": "too long %",
    "repetition": "repetitive %",
    "fan_in": "shared %",
}
COLUMN_TITLES = {
    "en2x": "en→X",
    "x2en": "X→en",
    "zh2x": "zh→X",
    "x2zh": "X→zh",
    "zero_shot": "zero-shot",
    "overall": "all",
}


class Figure(NamedTuple):
    """A value with its 95 % interval, where there is one.

    Attributes:
        value (`float | None`): A score in its unit, or a rate in per cent.
        low (`float`, *optional*): Lower end of the interval.
        high (`float`, *optional*): Upper end of the interval.
        why (`str`, *optional*, defaults to `""`): The reason why there is no value, or why it says little; empty
            where all is well.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


def measures_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """List the metrics and rates that any of the evaluations has, metrics first.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several.

    Returns:
        `list[str]`: Names of measures.
    """
    metrics = dict.fromkeys(name for evaluation in evaluations for name in evaluation.metrics)
    behaviors = {
        name
        for evaluation in evaluations
        for direction_figures in evaluation.scores["directions"].values()
        for name in direction_figures["behavior"]
    }
    return [*metrics, *(name for name in RATE_TITLES if name in behaviors)]


def silent_measures(evaluations: Sequence[Evaluation]) -> list[str]:
    """List the rates that are 0 in every direction of every evaluation, and were measured in one.

    A column of zeros says nothing that a line with its name does not.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several.

    Returns:
        `list[str]`: Names of rates, in the order of RATE_TITLES.
    """
    values: dict[str, list[float | None]] = {}
    for evaluation in evaluations:
        for direction_figures in evaluation.scores["directions"].values():
            for name, rate in direction_figures["behavior"].items():
                values.setdefault(name, []).append(rate["value"])
    return [
        name
        for name in RATE_TITLES
        if not any(values.get(name, [])) and any(value == 0 for value in values.get(name, []))
    ]


def silent_words(evaluations: Sequence[Evaluation]) -> str:
    """Name the rates of `silent_measures` in one line.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several.

    Returns:
        `str`: The line; empty where there is none.
    """
    names = ", ".join(map(title_of, silent_measures(evaluations)))
    return f"0 everywhere: {names}" if names else ""


def is_rate(measure: str) -> bool:
    """Check whether a measure is a rate of behavior, rather than a metric.

    Args:
        measure (`str`): Name of the measure.

    Returns:
        `bool`: True for the names of RATE_TITLES.
    """
    return measure in RATE_TITLES


def title_of(measure: str) -> str:
    """Return the title of a measure in tables and pictures.

    Args:
        measure (`str`): Name of the measure.

    Returns:
        `str`: The title; the name itself where it has none.
    """
    return RATE_TITLES.get(measure) or METRIC_TITLES.get(measure, measure)


def figure_of(evaluation: Evaluation, direction: Direction | str, measure: str) -> Figure:
    """Look up a figure of a direction: a score in its unit, or a rate in per cent.

    Args:
        evaluation (`Evaluation`): The evaluation.
        direction (`Direction | str`): The direction.
        measure (`str`): Name of the measure.

    Returns:
        `Figure`: The value with its interval; or None, and why.
    """
    direction_figures = evaluation.scores["directions"].get(str(direction))
    if direction_figures is None:
        return Figure(None, why=evaluation.scores["missing"].get(str(direction), "not evaluated"))
    if is_rate(measure):
        rate = direction_figures["behavior"].get(measure)
        value = None if rate is None else rate["value"]
        return Figure(None if value is None else 100 * value, why="" if rate else "not measured")
    score = direction_figures["scores"].get(measure)
    if score is None:
        return Figure(None, why="not measured")
    why = score["unavailable"] or score["unreliable"] or ""
    return Figure(score["value"], score["low"], score["high"], why)


def directions_of(evaluations: Sequence[Evaluation]) -> list[Direction]:
    """List the directions that any of them has or misses, each once.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several.

    Returns:
        `list[Direction]`: The directions, those with figures first.
    """
    names = [
        name for part in ("directions", "missing") for evaluation in evaluations for name in evaluation.scores[part]
    ]
    return [parse_direction(name) for name in dict.fromkeys(names)]


def cells_of(direction: Direction) -> list[tuple[str, str]]:
    """Return the direction's cells in a heat map: between English and Chinese there are two.

    >>> cells_of(parse_direction("kk-zh"))
    [('kk', 'x2zh')]

    Args:
        direction (`Direction`): The direction.

    Returns:
        `list[tuple[str, str]]`: (line, column) of each cell.
    """
    columns = [group for group in groups_of(direction) if group in COLUMNS]
    if not columns:
        return [(str(direction), "zero_shot")]
    source, target = direction
    return [(source if column.startswith("x2") else target, column) for column in columns]


def tier_of(direction: Direction) -> str:
    """Return the tier of the language that is not the pivot; of the target where both or neither are.

    Args:
        direction (`Direction`): The direction.

    Returns:
        `str`: "high", "medium" or "low".
    """
    other = direction.source if direction.target in PIVOTS else direction.target
    return LANGUAGES[other].tier


def names_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """Name the evaluations by their folders, with a number where two are called alike.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several.

    Returns:
        `list[str]`: A name for each, no two the same.
    """
    names = [
        path_name(str(evaluation.folder.resolve()))
        if Source.parse(evaluation.name).is_local
        else evaluation.name.rpartition("/")[2]
        for evaluation in evaluations
    ]
    return [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names, 1)]


def described(evaluation: Evaluation) -> dict[str, Any]:
    """Describe model and set of an evaluation for heads of tables and pages, local paths by their last part.

    Args:
        evaluation (`Evaluation`): The evaluation.

    Returns:
        `dict[str, Any]`: "model", "set", "marks", "missing" and "not_nfc", in words.
    """
    run = evaluation.run
    model = run.get("model")
    data = run["data"]
    limit = "" if data["limit"] is None else f", {data['limit']:,} lines of a direction at most"
    return {
        "model": shown_name(model["source"]) if model else "hypotheses given as files",
        "set": f"{data['title']}{limit}",
        "marks": list(evaluation.scores["marks"]),
        "missing": missing_reasons(evaluation),
        "not_nfc": not_nfc_lines(evaluation.scores),
    }


def missing_reasons(evaluation: Evaluation) -> dict[str, list[str]]:
    """Map the reasons why directions have no figures to these directions.

    Languages that the set lacks are one reason together, not one for each.

    Args:
        evaluation (`Evaluation`): The evaluation.

    Returns:
        `dict[str, list[str]]`: {reason: names of directions}.
    """
    reasons: dict[str, list[str]] = {}
    absent: dict[str, dict[str, None]] = {}
    for direction, reason in evaluation.scores["missing"].items():
        metrics, lacks, languages = reason.partition(NO_TEXT)
        if lacks:
            absent.setdefault(metrics, {}).update(dict.fromkeys(languages.split(" and ")))
        reasons.setdefault(f"{metrics}{lacks}", []).append(direction)
    for metrics, languages in absent.items():
        names = ", ".join(languages)
        many = f"{len(languages)} languages: " if len(languages) > 1 else ""
        reasons[f"{metrics}{NO_TEXT}{many}{names}"] = reasons.pop(f"{metrics}{NO_TEXT}")
    return reasons


def signatures_of(evaluation: Evaluation) -> dict[str, list[str]]:
    """Map each measure to its signatures, each once; BLEU has one for each tokenizer.

    Args:
        evaluation (`Evaluation`): The evaluation.

    Returns:
        `dict[str, list[str]]`: {measure: signatures}.
    """
    contents_by_name: dict[str, dict[str, None]] = {}
    for direction_figures in evaluation.scores["directions"].values():
        for name, content in {**direction_figures["scores"], **direction_figures["behavior"]}.items():
            if content["signature"]:
                contents_by_name.setdefault(name, {})[content["signature"]] = None
    return {name: list(signatures) for name, signatures in contents_by_name.items()}
