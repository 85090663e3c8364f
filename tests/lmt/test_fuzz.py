"""Every reader and YAML door on inputs that nobody wrote: an answer, or an InputError in words.

Each input comes of a seed and its number, so a fault is found again by `pytest -k` and the number
that the message names. A few hundred run always, 20,000 with `-m slow`.
"""

from __future__ import annotations

import gzip
import json
import random
import string
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from hf_lmt.commands.source_options import source_fields
from hf_lmt.data.corpora.load import load
from hf_lmt.data.corpora.monolingual import load_monolingual
from hf_lmt.data.corpora.sources import Source, source_from
from hf_lmt.data.curation.curation_settings import steps_from
from hf_lmt.data.curation.evaluation_sets import read_evaluation_set
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.evaluation.sets.hypotheses import read_hypotheses
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.recipes.evaluation_section import watching_faults
from hf_miwv.common.errors import InputError

SEED = 20261129
NAMES = (
    "en",
    "de",
    "zh",
    "en-US",
    "en_GB",
    "zh-Hant",
    "no",
    "sr-Latn",
    "id",
    "eng_Latn",
    "url",
    "source",
    "target",
    "src",
    "tgt",
    "translation",
    "text",
    "lang",
    "score",
    "sl",
    "tl",
    "srcs",
    "trgs",
    "trg",
    "source_lang",
    "target_lang",
    "line",
    "row_key",
    "corpus",
    "auxiliary",
    "auxiliary_lang",
    "hypothesis",
    "",
    "-",
    "\u00e9",
)
TEXTS = (
    "",
    " ",
    "Hello.",
    "雨",
    "a\tb",
    "\u2028",
    "\x00",
    "\x1f",
    "\\ud83d",
    "&nbsp;",
    "&#x1F;",
    "</seg>",
    "<hi>x",
    "]]>",
    "\ufeff",
    "\ufdd0",
    "<|im_end|>",
    "1.05",
    "https://a.b/c",
    "nan",
    "\U0001f600",
    "e\u0301",
    '"',
    "'",
    "," * 3,
    "null",
    "x" * 300,
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    float("nan"),
    "x",
    [],
    {},
    [[]],
    {"en": "a"},
    ["en", "de"],
)
ENCODINGS = ("utf-8", "utf-16", "utf-32", "latin-1", "shift_jis", "gb18030", "euc-kr", "utf-8-sig")
DECLARED = (
    "UTF-8",
    "ANSI",
    "GB18030",
    "Shift_JIS",
    "UTF-16",
    "base64",
    "rot13",
    "",
    "idna",
    "unicode_escape",
    "undefined",
    "utf-7",
    "cp037",
    "mbcs",
)


def value(draw: random.Random, depth: int = 0) -> Any:
    if depth < 3 and draw.random() < 0.3:
        size = draw.randrange(4)
        if draw.random() < 0.5:
            return [value(draw, depth + 1) for _ in range(size)]
        return {draw.choice(NAMES): value(draw, depth + 1) for _ in range(size)}
    return draw.choice(VALUES) if draw.random() < 0.4 else draw.choice(TEXTS)


def damaged(draw: random.Random, content: bytes) -> bytes:
    """The bytes with a few of them changed, cut, or doubled."""
    if draw.random() < 0.5:
        return content
    made = bytearray(content)
    for _ in range(draw.randrange(1, 4)):
        if not made:
            break
        place = draw.randrange(len(made))
        action = draw.randrange(4)
        if action == 0:
            made[place] = draw.randrange(256)
        elif action == 1:
            del made[place : place + draw.randrange(1, 20)]
        elif action == 2:
            made[place:place] = made[place : place + draw.randrange(1, 40)]
        else:
            made[place:place] = draw.choice((b"\xff", b"\x00", b"\n", b"<", b"{", b"\t", b"\r"))
    return bytes(made)


def tmx(draw: random.Random) -> bytes:
    units = []
    for number in range(draw.randrange(5)):
        variants = "".join(
            f'<tuv xml:lang="{draw.choice(NAMES[:11])}"><seg>{_inline(draw)}</seg></tuv>'
            for _ in range(draw.randrange(5))
        )
        units.append(f'<tu tuid="{number}">{variants}</tu>')
    head = f'<?xml version="1.0" encoding="{draw.choice(DECLARED)}"?>' if draw.random() < 0.7 else ""
    body = f'{head}<tmx version="1.4"><header/><body>{"".join(units)}</body></tmx>'
    return body.encode(draw.choice(ENCODINGS), "replace")


def _inline(draw: random.Random) -> str:
    text = draw.choice(TEXTS)
    if draw.random() < 0.3:
        tag = draw.choice(("hi", "bpt", "ph", "sub", "seg"))
        text = f"<{tag}>{text}</{tag}>" * draw.randrange(1, 4)
    return text


def table(draw: random.Random, separator: str) -> bytes:
    width = draw.randrange(1, 5)
    lines = [draw.sample(NAMES, width)] if draw.random() < 0.5 else []
    lines += [[draw.choice(TEXTS) for _ in range(width)] for _ in range(draw.randrange(5))]
    return "\n".join(separator.join(line) for line in lines).encode("utf-8", "replace")


def json_lines(draw: random.Random) -> bytes:
    names = draw.sample(NAMES, draw.randrange(1, 6))
    rows: list[Any] = [
        {name: draw.choice(TEXTS) if draw.random() < 0.8 else value(draw) for name in names}
        for _ in range(draw.randrange(5))
    ]
    if draw.random() < 0.3:
        rows = [{"translation": {n: draw.choice(TEXTS) for n in draw.sample(NAMES[:10], 3)}}]
    if draw.random() < 0.1:
        rows.append(value(draw))
    return "\n".join(json.dumps(row) for row in rows).encode()


def lines(draw: random.Random) -> bytes:
    return "\n".join(draw.choice(TEXTS) for _ in range(draw.randrange(5))).encode()


CONTENTS: dict[str, Callable[[random.Random], bytes]] = {
    ".tmx": tmx,
    ".tmx.gz": lambda draw: gzip.compress(tmx(draw), mtime=0),
    ".tsv": lambda draw: table(draw, "\t"),
    ".en-de.tsv": lambda draw: table(draw, "\t"),
    ".csv": lambda draw: table(draw, ","),
    ".jsonl": json_lines,
    ".en": lines,
    ".txt": lines,
}


def fields(draw: random.Random) -> dict[str, Any]:
    """Some fields of a source, most of them such as could be."""
    given: dict[str, Any] = {}
    if draw.random() < 0.3:
        given["languages"] = draw.choice((["en", "de"], {"en": "en-US"}, ["zh"], []))
    if draw.random() < 0.2:
        given["language_names"] = draw.choice(({"no": "nb"}, {"zh-Hant": "zh"}, {"url": "kk"}))
    if draw.random() < 0.2:
        given["cells"] = [draw.choice(("en", "de", "-", "score", "no")) for _ in range(3)]
    if draw.random() < 0.3:
        given["skip_broken_units"] = True
    if draw.random() < 0.1:
        given["kind"] = draw.choice(("rows", "table", "translation", "smol", "tsv", "tmx", "text"))
    return given


def read_corpus(draw: random.Random, folder: Path) -> None:
    ending = draw.choice(list(CONTENTS))
    path = folder / f"a{ending}"
    path.write_bytes(damaged(draw, CONTENTS[ending](draw)))
    if ending == ".en":
        (folder / f"a.{draw.choice(('de', 'no', 'zh-Hant', 'en-US'))}").write_bytes(lines(draw))
        path = folder / "a"
    source = Source(str(path), **fields(draw))
    reader = draw.randrange(4)
    if reader == 0:
        opened = open_set(source)
        for direction in opened.directions()[:3]:
            opened.lines(direction)
    elif reader == 1:
        read_evaluation_set(source)
    else:
        rows, counts = load(source)
        assert len(rows) == counts["rows"] > 0


def read_texts(draw: random.Random, folder: Path) -> None:
    ending = draw.choice([".jsonl", ".txt", ".en", ".csv", ".tsv"])
    path = folder / f"en{ending}"
    path.write_bytes(damaged(draw, CONTENTS[ending](draw)))
    load_monolingual(str(path), language=draw.choice((None, "en", "zh")))


def read_outputs(draw: random.Random, folder: Path) -> None:
    path = folder / draw.choice(("en-de.txt", "en-de.jsonl", "x.jsonl"))
    made = json_lines(draw) if path.suffix == ".jsonl" else lines(draw)
    path.write_bytes(damaged(draw, made))
    read_hypotheses(path)


def read_recipe(draw: random.Random, folder: Path) -> None:
    names = ("data", "directions", "curation", "downsampling", "pmp", "seed", "mixture", "sead")
    content = {name: value(draw) for name in draw.sample(names, draw.randrange(1, 5))}
    source = {"path": "a", **fields(draw), draw.choice(("weight", "caps", "split")): value(draw)}
    if draw.random() < 0.7:
        content["data"] = [source] if draw.random() < 0.8 else [value(draw)]
    if draw.random() < 0.4:
        content["curation"] = settings(draw)
    path = folder / "r.yaml"
    path.write_bytes(damaged(draw, yaml.safe_dump(content, allow_unicode=True).encode("utf-8")))
    read_data_recipe(path)


def settings(draw: random.Random) -> dict[Any, Any]:
    steps = (
        "length",
        "length_ratio",
        "score",
        "whitespace",
        "caps",
        "script",
        "contamination",
        "identification",
        "near_duplicates",
        "quality",
        "markup",
        "lenght",
    )
    options = ("least", "most", "column", "inner", "sets", "per_target", "threshold", "allowance")
    return {
        draw.choice(steps): {draw.choice(options): value(draw)} if draw.random() < 0.6 else value(draw)
        for _ in range(draw.randrange(1, 4))
    }


def read_settings(draw: random.Random, folder: Path) -> None:
    kind = draw.randrange(4)
    if kind == 0:
        steps_from(settings(draw) if draw.random() < 0.9 else value(draw))
    elif kind == 1:
        names = ("per_direction", "seed", "directions", "metrics", "beams", "hints", "sets", "x")
        section = {name: value(draw) for name in draw.sample(names, 3)}
        assert isinstance(watching_faults(section if draw.random() < 0.9 else value(draw)), list)
    elif kind == 2:
        named = ("languages", "language_names", "variants", "cells", "caps", "weight", "path")
        source_from({"path": "a", draw.choice(named): value(draw)}, "here")
    else:
        text = "".join(draw.choice(string.ascii_lowercase + "=,- ") for _ in range(8))
        source_fields(text, text, text, False)


DOORS = (read_corpus, read_corpus, read_corpus, read_texts, read_outputs, read_recipe, read_settings)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: Any, monkeypatch: Any) -> Iterator[None]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def faults(numbers: range, folder: Path) -> list[str]:
    """What is no InputError, each with the number of its input."""
    found = []
    for number in numbers:
        own = folder / str(number)
        own.mkdir()
        draw = random.Random(f"{SEED}/{number}")  # noqa: S311  no secret
        door = draw.choice(DOORS)
        try:
            door(draw, own)
        except InputError as error:
            if not str(error).strip():
                found.append(f"{number} ({door.__name__}): an InputError without a word")
        except Exception:
            last = traceback.format_exc().strip().splitlines()
            found.append(f"{number} ({door.__name__}): {last[-1]} {last[-3].strip()}")
    return found


def test_some_inputs_end_in_words(tmp_path: Path) -> None:
    assert faults(range(300), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_twenty_thousand_inputs_end_in_words(part: int, tmp_path: Path) -> None:
    assert faults(range(part * 2000, (part + 1) * 2000), tmp_path) == []
