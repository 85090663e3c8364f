"""Translation Memory eXchange (TMX 1.4b, LISA/GALA): units of text in several languages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError, TreeBuilder  # classes only; defusedxml parses

from hf_lmt.data.corpora.text_files import open_bytes
from hf_lmt.data.corpora.tmx_encoding import Utf8Reader
from hf_miwv.common.errors import InputError
from hf_miwv.common.extras import need

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
SPACE = "{http://www.w3.org/XML/1998/namespace}space"
NATIVE_CODES = ("bpt", "ept", "it", "ph", "ut")  # their content is markup of the original file
BROKEN, JOINED = "broken_units", "joined_lines"  # what notes count

_LINE_BREAKS = re.compile(r"[ \t]*[\r\n][ \t\r\n]*")
_UNIT_START = re.compile(r"<tu[\s>/]")
_UNIT_END = "</tu>"
_ROOT = re.compile(r"<(tmx\b[^>]*)>")


class TmxUnit(NamedTuple):
    """Hold a translation unit.

    Attributes:
        row_id (`str | None`): Its tuid.
        texts (`list[tuple[str, str]]`): (language as the file writes it, text), in the file's order.
    """

    row_id: str | None
    texts: list[tuple[str, str]]


def read_tmx(path: Path, notes: Counter[str] | None = None, *, skip_broken: bool = False) -> Iterator[TmxUnit]:
    """Yield the translation units of a file, one in memory at a time.

    Inline elements give their text, except those that hold codes of the original file. A line
    break in a segment, with the blanks around it, becomes one blank, and none at its ends: files
    printed for reading have them (`xml:space="preserve"` keeps them).

    Args:
        path (`Path`): The file, in any encoding that Python has a codec for; gzipped where it ends in .gz.
        notes (`Counter[str]`, *optional*): Counts `broken_units` left out and `joined_lines`, segments with
            line breaks.
        skip_broken (`bool`, *optional*, defaults to `False`): Leave out units that are not valid XML, such
            as with control characters or undefined entities, and count them.

    Yields:
        `TmxUnit`: The next unit.

    Raises:
        InputError: The file is not TMX, is broken (line named), declares entities, or is in an
            unknown encoding; or defusedxml is not installed.
    """
    need("curate", f"{path}: TMX", "defusedxml")
    notes = Counter() if notes is None else notes
    with open_bytes(path) as file:
        reader = Utf8Reader(path, file)
        elements = _valid_elements(path, reader, notes) if skip_broken else _elements(path, reader)
        for element in elements:
            yield TmxUnit(element.get("tuid"), list(_texts(element, notes)))


def _elements(path: Path, reader: Utf8Reader) -> Iterator[Any]:
    """Yield the elements `tu` of a file, as it is parsed."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, iterparse

    parser = DefusedXMLParser(target=TreeBuilder(), encoding="utf-8")
    body = None
    try:
        for index, (event, element) in enumerate(iterparse(reader, ("start", "end"), parser)):
            if index == 0:
                _check_root(path, _tag(element))
            if event == "start" and _tag(element) == "body":
                body = element
            if event == "end" and _tag(element) == "tu":
                yield element
                if body is not None:
                    body.clear()  # those that have been read, so that memory stays flat
    except ParseError as error:
        raise InputError(
            f"{path}:{error.position[0]}: not valid XML ({error}); make or fetch it again, or "
            "leave out and count such units with --skip-broken-units (skip_broken_units: true)"
        ) from error
    except DefusedXmlException as error:
        raise _declares_entities(path) from error


def _valid_elements(path: Path, reader: Utf8Reader, notes: Counter[str]) -> Iterator[Any]:
    """Yield the elements `tu` that are valid by themselves; the others are counted.

    A parser cannot go on behind a fault, so each unit is cut out of the text and parsed alone.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    root = None
    for is_unit, part in _cut_units(reader):
        if root is None:  # the first part is what comes before the first unit
            match = _ROOT.search(part)
            if "<!ENTITY" in part:
                raise _declares_entities(path)
            _check_root(path, "tmx" if match else part.strip()[:20])
            root = match[1] if match else ""
        if not is_unit:
            continue
        # The root element goes around the unit again, because its namespaces may be declared there.
        try:
            yield fromstring(f"<{root}>{part}</tmx>")[0]
        except (ParseError, DefusedXmlException, IndexError):
            notes[BROKEN] += 1


def _cut_units(reader: Utf8Reader) -> Iterator[tuple[bool, str]]:
    """Yield (whether it is a unit, text) of the parts of a file; the first is its beginning.

    A unit that does not end before the next begins is a part by itself, and so broken.
    """
    rest, searched = "", 0
    beginning = True
    while chunk := reader.text():
        rest += chunk
        while True:
            start = _UNIT_START.search(rest, searched)
            if start is None:
                # A tag may be cut in two by the end of the chunk, so its last characters are searched again.
                searched = max(0, len(rest) - len("<tu>"))
                break
            end = rest.find(_UNIT_END, start.end())
            if end < 0:
                searched = start.start()
                break
            if beginning:
                yield False, rest[: start.start()]
                beginning = False
            # A unit without an end would swallow the next; it stops where that begins, and is counted as broken.
            following = _UNIT_START.search(rest, start.end(), end)
            stop = following.start() if following else end + len(_UNIT_END)
            yield True, rest[start.start() : stop]
            rest, searched = rest[stop:], 0
    if beginning:
        yield False, rest
    elif _UNIT_START.search(rest, searched):
        yield True, rest


def _texts(unit: Any, notes: Counter[str]) -> Iterator[tuple[str, str]]:
    for variant in unit:
        language = variant.get(LANGUAGE) or variant.get("lang")
        for segment in variant:
            if _tag(segment) == "seg" and language:
                text = _text(segment)
                if ("\n" in text or "\r" in text) and segment.get(SPACE) != "preserve":
                    notes[JOINED] += 1
                    text = _LINE_BREAKS.sub(" ", _LINE_BREAKS.sub("\n", text).strip("\n"))
                yield language, text


def _text(segment: Any) -> str:
    """Join the text of a segment; inline elements may be nested by the thousand, so no recursion."""
    parts: list[str] = []
    stack: list[Any] = [segment]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
        elif _tag(item) not in NATIVE_CODES:
            for child in reversed(item):
                stack += [child.tail or "", child]
            stack.append(item.text or "")
    return "".join(parts)


def _check_root(path: Path, name: str) -> None:
    if name != "tmx":
        raise InputError(f"{path}: begins with <{name}>, and TMX begins with <tmx>")


def _declares_entities(path: Path) -> InputError:
    return InputError(f"{path}: declares entities of its own, which are not read; write the characters themselves")


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
