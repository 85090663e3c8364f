"""The page of one or several evaluations: one HTML file that asks for nothing beside it.

All that comes from data, models or paths enters as text: in the page by Jinja's escaping, in the
script as JSON that it puts into text nodes. The page's policy allows the one script it was written
with, by its hash, and no request.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.metrics.aggregation import groups_of
from hf_lmt.evaluation.metrics.corpus_scores import LOWER_IS_BETTER
from hf_lmt.evaluation.metrics.judgeable import COMET_METRICS
from hf_lmt.evaluation.report.example_lines import examples_of
from hf_lmt.evaluation.report.report_figures import (
    COLUMN_TITLES,
    described,
    directions_of,
    figure_of,
    is_rate,
    measures_of,
    names_of,
    signatures_of,
    silent_measures,
    silent_words,
    tier_of,
    title_of,
)
from hf_lmt.evaluation.report.report_tables import group_cells
from hf_lmt.evaluation.sets.set_lines import Lines
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.runs.json_text import json_text

TEMPLATES = Path(__file__).parents[2] / "templates"
PAGE = "index.html"


def render_page(
    evaluations: Sequence[Evaluation],
    pictures: Mapping[str, bytes],
    texts: Mapping[Direction, Lines],
    without_texts: str,
    findings: Sequence[Any] = (),
) -> str:
    """Render the page as text.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several.
        pictures (`Mapping[str, bytes]`): Title -> SVG, shown in this order.
        texts (`Mapping[Direction, Lines]`): Sources and references of the directions; empty leaves them out of the
            page.
        without_texts (`str`): Why they are left out; empty where they are not.
        findings (`Sequence[Any]`, *optional*, defaults to `()`): Of a diagnosis, each (title, alarm, evidence,
            mend); shown first.

    Returns:
        `str`: The HTML.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    script = (TEMPLATES / "evaluation_page.js").read_text("utf-8")
    silent = silent_measures(evaluations)
    measures = [name for name in measures_of(evaluations) if name not in silent]
    return environment.get_template("evaluation_page.html.jinja").render(
        systems=[
            {"name": name, **described(evaluation), "signatures": signatures_of(evaluation)}
            for name, evaluation in zip(names_of(evaluations), evaluations, strict=True)
        ],
        measures=[title_of(name) for name in measures],
        groups=group_cells(evaluations, measures),
        silent=silent_words(evaluations),
        pictures={title: _address(content) for title, content in pictures.items()},
        findings=findings,
        without_texts=without_texts,
        has_texts=bool(texts),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=(TEMPLATES / "evaluation_page.css").read_text("utf-8"),
        data=as_script_data(page_data(evaluations, measures, texts)),
        tiers=list(dict.fromkeys(known_language.tier for known_language in LANGUAGES.values())),
        columns={name: title for name, title in COLUMN_TITLES.items() if name != "overall"},
    )


def page_data(
    evaluations: Sequence[Evaluation], measures: Sequence[str], texts: Mapping[Direction, Lines]
) -> dict[str, Any]:
    """Collect the script's data: systems, measures, and each direction with figures and examples.

    Args:
        evaluations (`Sequence[Evaluation]`): One or several.
        measures (`Sequence[str]`): Names of the measures to show.
        texts (`Mapping[Direction, Lines]`): Sources and references of the directions; those of others are not
            shown.

    Returns:
        `dict[str, Any]`: The data, such as JSON holds.
    """
    return {
        "systems": names_of(evaluations),
        "measures": [
            {
                "title": title_of(name),
                "rate": is_rate(name),
                "falls": is_rate(name) or name in LOWER_IS_BETTER,
                "digits": 3 if name in COMET_METRICS else 1,
            }
            for name in measures
        ],
        "directions": [
            _direction(evaluations, measures, direction, texts.get(direction))
            for direction in directions_of(evaluations)
        ],
    }


def as_script_data(data: Any) -> str:
    r"""Return JSON that is safe inside a script element: `<`, `>` and `&` stand as escapes.

    >>> as_script_data("</script>")
    '"\\u003c/script\\u003e"'

    Args:
        data (`Any`): Such as JSON holds.

    Returns:
        `str`: The JSON text.
    """
    text = json_text(data)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _direction(
    evaluations: Sequence[Evaluation],
    measures: Sequence[str],
    direction: Direction,
    texts: Lines | None,
) -> dict[str, Any]:
    source, target = (LANGUAGES[code] for code in direction)
    return {
        "name": str(direction),
        "source": source.name,
        "target": target.name,
        "tier": tier_of(direction),
        "groups": groups_of(direction),
        "figures": [[list(figure_of(evaluation, direction, name)) for name in measures] for evaluation in evaluations],
        "missing": [evaluation.scores["missing"].get(str(direction), "") for evaluation in evaluations],
        "codes": list(direction),
        "examples": examples_of(evaluations, direction, texts),
    }


def _address(picture: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}"
