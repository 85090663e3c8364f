"""The page of a comparison: one HTML file that needs nothing beside it, and runs nothing.

Text that comes from data sets, paths or file names is escaped wherever it enters the page, and the
page itself forbids scripts and requests, so that no row can do more than be read.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_miwv.common.cards.numbers import write_number, write_share
from hf_miwv.common.cards.parts import TEMPLATES, data_name, shown_name
from hf_miwv.comparing.comparison_pictures import percent
from hf_miwv.comparing.comparison_tables import choice_notes, left_out, references
from hf_miwv.results.methods import method_words


def write_page(report: dict[str, Any], pictures: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write comparison.html from a report of `comparison.compare`.

    Args:
        report (`dict[str, Any]`): The report.
        pictures (`Mapping[str, Sequence[str]]`): The names that `draw_comparison` returned; the PNGs lie in
            `folder` and go into the page.
        folder (`Path`): The folder.
    """
    # Within the page: one file can be mailed, and needs no folder beside it.
    images = {
        name: f"data:image/png;base64,{base64.b64encode((folder / name).read_bytes()).decode()}"
        for names in pictures.values()
        for name in names
    }
    text = render_page(report, pictures, images)
    (folder / "comparison.html").write_text(text, encoding="utf-8", newline="\n")


def render_page(report: dict[str, Any], pictures: Mapping[str, Sequence[str]], images: Mapping[str, str]) -> str:
    """Render the page as text.

    Args:
        report (`dict[str, Any]`): The report.
        pictures (`Mapping[str, Sequence[str]]`): Names of the pictures, by kind.
        images (`Mapping[str, str]`): Name of a picture -> its address.

    Returns:
        `str`: The page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters.update(number=write_number, percent=percent, per_cent=per_cent, shown_name=shown_name)
    return environment.get_template("comparison.html.jinja").render(
        report=report,
        pictures=pictures,
        images=images,
        data=data_name({"data": {"source": report["folders"][0]["data"]}}),
        references=references(report),
        closest=closest,
        choice_notes=choice_notes,
        left_out=left_out(report),
        rows=rows_in_words,
        source_rows=lambda choices: [(name, choices[name]["sources"]) for name in choices],
        share_words=share_words,
        methods=methods_in_words(report),
    )


def closest(report: dict[str, Any], share: str, name: str) -> str | None:
    """Find the other ranking whose choice has most in common with this one's; the first of equals.

    Args:
        report (`dict[str, Any]`): The report.
        share (`str`): The fraction.
        name (`str`): The ranking.

    Returns:
        `str | None`: Its name; None where no other choice has a row in common with it.
    """
    shared = report["fractions"][share]["overlap"][name]
    others = [other for other in shared if other != name and shared[other] > 0]
    return max(others, key=shared.__getitem__) if others else None


def per_cent(share: float) -> str:
    """Write a share of rows in whole per cents.

    Args:
        share (`float`): The share, from 0 to 1.

    Returns:
        `str`: The per cents.

    >>> per_cent(0.254)
    '25 %'
    """
    return f"{100 * share:.0f} %"


def rows_in_words(count: int) -> str:
    """Write a number of rows.

    Args:
        count (`int`): The number.

    Returns:
        `str`: The words.

    >>> [rows_in_words(count) for count in (1, 1200)]
    ['1 row', '1,200 rows']
    """
    return f"{count:,} row{'' if count == 1 else 's'}"


def methods_in_words(report: dict[str, Any]) -> list[tuple[str, str]]:
    """List each method that is compared, once, with its score in words.

    Args:
        report (`dict[str, Any]`): The report.

    Returns:
        `list[tuple[str, str]]`: Method and words.
    """
    methods = dict.fromkeys(ranking["method"] for ranking in report["rankings"].values())
    return [(method, method_words(method, report["seed"])) for method in methods]


def share_words(count: int, sources: Mapping[str, Any]) -> str:
    """Write the rows of a source, with their share of all that `count_sources` counted.

    Args:
        count (`int`): Rows of the source.
        sources (`Mapping[str, Any]`): The result of `count_sources`.

    Returns:
        `str`: The words.
    """
    return write_share(count, sum(sources["rows"].values()) + sources["others"])
