"""demo.html: one page that shows what both demos have made; each writes its own part."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import TEMPLATES

PARTS = ("hf-miwv demo", "hf-lmt demo")  # in their order on the page


def write_part(page: Path, name: str, template: Path, content: Mapping[str, Any]) -> None:
    """Render one part of the page, and write the page with it; the other part stays as it was.

    Text of data sets is escaped wherever it enters, and the page forbids scripts and requests, so that no row
    can do more than be read.

    Args:
        page (`Path`): The page; made where it is not there.
        name (`str`): One of PARTS.
        template (`Path`): The Jinja template of the part.
        content (`Mapping[str, Any]`): What the template shows.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATES]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters["number"] = write_number
    parts = {known: part for known in PARTS if (part := _part_of(page, known)) is not None}
    parts[name] = environment.get_template(template.name).render(**content)
    ordered = {known: parts[known] for known in PARTS if known in parts}
    draft = page.with_name(f".{page.name}.part")
    draft.write_text(environment.get_template("demo.html.jinja").render(parts=ordered), "utf-8", newline="\n")
    os.replace(draft, page)  # whole or not at all


def picture(path: Path, words: str) -> dict[str, str]:
    """Return a picture for a template, within the page: its address and its description.

    Args:
        path (`Path`): A PNG.
        words (`str`): What it shows.

    Returns:
        `dict[str, str]`: `address` and `words`.
    """
    return {"address": f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}", "words": words}


def _part_of(page: Path, name: str) -> str | None:
    if not page.is_file():
        return None
    match = re.search(rf"<!-- part {name} -->\n(.*?)\n<!-- end of part {name} -->", page.read_text("utf-8"), re.DOTALL)
    return None if match is None else match[1]
