"""Rows for the comparison with unbabel-comet: sentences of the sample, and what goes wrong in real outputs."""

from __future__ import annotations

import csv
from importlib.resources import files

LANGUAGES = ("en", "zh", "de", "es", "ru", "kk", "ar", "hi", "ja", "th", "sw")
ODD = (
    ("", "", ""),
    ("A house.", "", "Ein Haus."),
    ("", "Ein Haus.", ""),
    ("A house.", " \t ", "Ein Haus."),
    ("  A   house. ", "Ein\nHaus.", "Ein Haus.\r\n"),
    ("Ｆｕｌｌ ｗｉｄｔｈ １２", "①②③ ﬁne ½", "Full width 12"),
    ("a\u200bb\u200dc\ufeff", "e\u0301 é", "\u00a0é\u3000"),
    ("<s> x </s>", "<pad> y <pad>", "<mask> <unk>"),
    ("😀👩‍👩‍👧", "𠀀 ᠮᠣᠩᠭᠣᠯ བོད", "unknown signs"),
    ("word " * 300, "Wort " * 300, "Wort " * 40),
    ("short", "lang " * 400, "kurz " * 390),
    ("早上好，" * 200, "Guten Morgen, " * 60, "Guten Morgen"),
)


def parity_rows() -> list[dict[str, str]]:
    """Make 200 rows: ODD, then sentences of 11 languages with right, wrong, cut and repeated translations."""
    table = list(csv.DictReader(files("hf_lmt").joinpath("sample/sentences.csv").read_text("utf-8").splitlines()))
    rows = [{"src": source, "mt": text, "ref": reference} for source, text, reference in ODD]
    for number in range(200 - len(ODD)):
        line, other = table[number % 40], table[(number * 7 + 3) % 40]
        source, target = (LANGUAGES[(number + shift) % len(LANGUAGES)] for shift in (0, 1 + number % 5))
        reference = line[target]
        hypotheses = (reference, other[target], reference[: len(reference) // 2], line[source], reference * 3)
        rows.append({"src": line[source], "mt": hypotheses[number % 5], "ref": reference})
    return rows
