"""Contents of corpora in every shape."""

import gzip
import json

from hf_lmt.directions import parse_direction

ENGLISH = ["one", "", "two\u2028lines", " three "]


GERMAN = ["eins", "leer", "zwei", "drei"]


PAIRS = list(zip(ENGLISH, GERMAN, strict=True))


EN_DE = [parse_direction("en-de")]


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def text(lines, end="\n"):
    return "".join(f"{line}{end}" for line in lines)


def jsonl(records):
    return text(map(json.dumps, records))


def tmx(units, head='<!DOCTYPE tmx SYSTEM "tmx14.dtd">', encoding="utf-8"):
    body = "".join(
        f'<tu tuid="{number}">'
        + "".join(f'<tuv xml:lang="{name}"><seg>{content}</seg></tuv>' for name, content in unit)
        + "</tu>"
        for number, unit in enumerate(units)
    )
    document = f'<?xml version="1.0" encoding="{encoding}"?>{head}<tmx version="1.4"><header/>'
    return f"{document}<body>{body}</body></tmx>".encode(encoding)


TRANSLATIONS = [{"translation": {"en": en, "de": de}} for en, de in PAIRS]


TABLE = [{"en": en, "deu_Latn": de, "note": "x"} for en, de in PAIRS]


MOSES = {"train.en": text(ENGLISH), "train.de": text(GERMAN)}


FLORES = {
    f"{split}/{name}.{split}": text(lines)
    for split in ("dev", "devtest")
    for name, lines in (("eng_Latn", ENGLISH), ("deu_Latn", GERMAN), ("ace_Latn", ["?"]))
}


SMOL = [
    {"id": 7, "sl": "en", "tl": "de", "is_src_orig": True, "src": ENGLISH[0], "trg": GERMAN[0]},
    {"id": "d", "sl": "en", "tl": "de", "srcs": ENGLISH[1:3], "trgs": GERMAN[1:3]},
    {"sl": "de", "tl": "en", "src": GERMAN[3], "trgs": [ENGLISH[3]]},
]


ROWS = [{"source_lang": "en", "target_lang": "de", "source": en, "target": de} for en, de in PAIRS]


XML = [[("en-US", en), ("DE", de)] for en, de in PAIRS]
