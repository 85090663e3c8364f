"""Translation Memory eXchange (TMX 1.4b, LISA/GALA): units of text in several languages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError  # the class only; defusedxml parses

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from hf_lmt.data.text_files import open_bytes
from hf_lmt.errors import InputError

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
NATIVE_CODES = ("bpt", "ept", "it", "ph", "ut")  # their content is markup of the original file


def read_tmx(path: Path) -> Iterator[tuple[str | None, dict[str, str]]]:
    """(tuid or None, {language: text}) of each translation unit, one in memory at a time.

    Languages are as the file writes them. Inline elements give their text, except those that hold
    codes of the original file. A unit with two texts of a language comes once for each.

    Raises InputError for a file that is not TMX, is broken (line named) or declares entities.
    """
    with open_bytes(path) as file:
        try:
            yield from _units(path, file)
        except ParseError as error:
            raise InputError(
                f"{path}:{error.position[0]}: not valid XML ({error}); make or fetch it again"
            ) from error
        except DefusedXmlException as error:
            raise InputError(
                f"{path}: declares entities of its own, which are not read; write the characters "
                "themselves"
            ) from error


def _units(path: Path, file: Any) -> Iterator[tuple[str | None, dict[str, str]]]:
    body = None
    for index, (event, element) in enumerate(iterparse(file, events=("start", "end"))):
        if index == 0 and _tag(element) != "tmx":
            raise InputError(f"{path}: begins with <{_tag(element)}>, and TMX begins with <tmx>")
        if event == "start" and _tag(element) == "body":
            body = element
        if event == "end" and _tag(element) == "tu":
            for texts in _versions(element):
                yield element.get("tuid"), texts
            if body is not None:
                body.clear()  # what has been read, so that memory stays flat


def _versions(unit: Any) -> Iterator[dict[str, str]]:
    texts: dict[str, list[str]] = {}
    for variant in unit:
        language = variant.get(LANGUAGE) or variant.get("lang")
        for segment in variant:
            if _tag(segment) == "seg" and language:
                texts.setdefault(language, []).append(_text(segment))
    for version in product(*texts.values()):
        yield dict(zip(texts, version, strict=True))


def _text(element: Any) -> str:
    inner = "" if _tag(element) in NATIVE_CODES else element.text or ""
    children = () if _tag(element) in NATIVE_CODES else element
    return inner + "".join(_text(child) + (child.tail or "") for child in children)


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
