"""Names that other systems use for a language, to LMT's code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from hf_lmt.registry import LANGUAGES

TRADITIONAL_CHINESE = ("tw", "hk", "mo")  # regions: LMT's zh is written in simplified characters
SHOWN = 12  # names in a message

# Languages that corpora name and LMT does not have, to tell them from other columns and endings:
# the two-letter codes of ISO 639-1, and the three-letter ones of FLORES-200.
_TWO_LETTERS = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy "
    "da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu "
    "hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb "
    "lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om "
    "or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv "
    "sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_THREE_LETTERS = (
    "ace acm acq aeb afr ajp aka als amh apc arb ars ary arz asm ast awa ayr azb azj bak bam ban "
    "bel bem ben bho bjn bod bos bug bul cat ceb ces cjk ckb crh cym dan deu dik dyu dzo ell eng "
    "epo est eus ewe fao fij fin fon fra fur fuv gaz gla gle glg grn guj hat hau heb hin hne hrv "
    "hun hye ibo ilo ind isl ita jav jpn kab kac kam kan kas kat kaz kbp kea khk khm kik kin kir "
    "kmb kmr knc kon kor lao lij lim lin lit lmo ltg ltz lua lug luo lus lvs mag mai mal mar min "
    "mkd mlt mni mos mri mya nld nno nob nor npi nso nus nya oci ory pag pan pap pbt pes plt pol "
    "por prs quy ron run rus sag san sat scn shn sin slk slv smo sna snd som sot spa sqi srd srp "
    "ssw sun swe swh szl tam taq tat tel tgk tgl tha tir tpi tsn tso tuk tum tur twi tzm uig ukr "
    "umb urd uzn vec vie war wol xho ydd yor yue zho zsm zul"
)
OTHERS = frozenset(f"{_TWO_LETTERS} {_THREE_LETTERS}".split())

NORWEGIAN = ("no", "nor")

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(?:_(?P<extended>[a-z]{3}))?"  # as in zh-yue; it stands for the language itself
    r"(?:_(?P<script>[a-z]{4}))?"
    r"(?:_(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?:_(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # orthographies, as in de-DE-1996
)
"""A language tag of BCP 47 (RFC 5646, section 2.1) in lower case, with `_` between its parts;
without its extensions, which make another text of it (`en-t-ja` is English made from Japanese)."""


class Tag(NamedTuple):
    """Hold the parts of a BCP 47 tag that LMT reads, in lower case.

    Attributes:
        language (`str`): The language.
        script (`str | None`): The script; None where the tag has none.
        region (`str | None`): The region; None where the tag has none.
    """

    language: str
    script: str | None
    region: str | None


def parse_tag(name: str) -> Tag | None:
    """Split a language tag into its parts.

    Args:
        name (`str`): A tag of BCP 47 in any case, with `-` or `_` between its parts.

    Returns:
        `Tag | None`: The parts; None where the name is no tag.
    """
    match = _TAG.fullmatch(plain(name))
    if match is None:
        return None
    return Tag(match["extended"] or match["language"], match["script"], match["region"])


@cache
def _codes() -> dict[str, str]:
    """Map names in lower case to codes. LMT's own codes win over what others use the same letters for."""
    codes = {code: code for code in LANGUAGES}
    for code, language in LANGUAGES.items():
        flores = [name for name in (language.flores200, language.flores_plus) if name]
        languages = [name.partition("_")[0] for name in flores]
        others = (language.ntrex, language.iso639_3, *language.other_codes)
        # In this order: a code of FLORES wins over one of the other systems, and
        # these over a bare language without its script.
        for name in (*flores, *others, *languages):
            if name:
                codes.setdefault(plain(name), code)
    return codes


@cache
def _scripts(code: str) -> frozenset[str]:
    """Name the scripts that LMT writes a language in, in lower case: "hani", and "hans"."""
    language = LANGUAGES[code]
    tags = (language.flores200, language.flores_plus, *language.other_codes)
    named = (plain(tag).partition("_")[2] for tag in tags if tag)
    return frozenset([*(script.lower() for script in language.scripts), *filter(None, named)])


@cache
def code_of(name: str) -> str | None:
    """Return LMT's code for a language as LMT, FLORES, NTREX, ISO 639 or BCP 47 writes it.

    A region or orthography (`en-US`, `de-1996`) is passed over, a script (`uz_Latn`) must be the
    one that LMT writes the language in, and Chinese in traditional characters, or of a region that
    writes them, is another language. The choice is ours.

    >>> code_of("deu_Latn"), code_of("zh-Hans-CN"), code_of("zh_TW"), code_of("tlh")
    ('de', 'zh', None, None)

    Args:
        name (`str`): The name.

    Returns:
        `str | None`: The code; None for a language, script or region that LMT does not have.
    """
    if plain(name) in _codes():
        return _codes()[plain(name)]
    tag = parse_tag(name)
    code = _codes().get(tag.language) if tag else None
    if tag is None or code is None:
        return None
    # LMT has one script for each language: the same language in another
    # script would be training data of the wrong kind.
    if tag.script is not None:
        return code if tag.script in _scripts(code) else None
    return None if code == "zh" and tag.region in TRADITIONAL_CHINESE else code


def resolve(name: str, language_names: Mapping[str, str]) -> str | None:
    """Return `code_of` a name, unless the user says what the name stands for.

    Args:
        name (`str`): A language as a file writes it.
        language_names (`Mapping[str, str]`): Other name -> code. A name without region stands for those
            with one, too: {"no": "nb"} is also about `no-NO`.

    Returns:
        `str | None`: A code of LMT; None where it does not have the language.
    """
    if not language_names:
        return code_of(name)
    code_by_name = {plain(other): code for other, code in language_names.items()}
    tag = parse_tag(name)
    if plain(name) in code_by_name:
        return code_by_name[plain(name)]
    # What is said of `no` holds for `no-NO` as well: corpora add regions, and the user need not list them.
    if tag and tag.region and (bare := plain(name).rpartition(f"_{tag.region}")[0]) in code_by_name:
        return code_by_name[bare]
    return code_of(name)


def is_language_name(name: str) -> bool:
    """Check whether a name is probably that of a language, of LMT or not: `no`, `srp`, `sr-Latn-RS`.

    A column `url` or a file ending `.ids` is none.

    Args:
        name (`str`): Name of a column or ending of a file.

    Returns:
        `bool`: True where it is.
    """
    tag = parse_tag(name)
    if code_of(name) is not None:
        return True
    if tag is None:
        return False
    return tag.script is not None or tag.language in OTHERS


def names_and_counts(counts: Mapping[str, int]) -> str:
    """Join names and counts for a message, the most frequent first, and how many more there are.

    >>> names_and_counts({"sr": 2, "no": 4})
    'no (4), sr (2)'

    Args:
        counts (`Mapping[str, int]`): {name: how often it was seen}.

    Returns:
        `str`: The words, at most SHOWN names in them.
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} ({count:,})" for name, count in ordered[:SHOWN]]
    rest = f" and {len(ordered) - SHOWN:,} more names" if len(ordered) > SHOWN else ""
    return ", ".join(shown) + rest


def how_to_name(names: Iterable[str]) -> str:
    """Write the end of a message on names that LMT does not know, where one of them is Norwegian's.

    `no` is Norwegian of either kind, and LMT has Bokmål: the user has to say that it is that.

    Args:
        names (`Iterable[str]`): The names.

    Returns:
        `str`: The words; empty where none of them is.
    """
    for name in names:
        tag = parse_tag(name)
        if tag and tag.language in NORWEGIAN:
            return (
                f"; {name} is Bokmål or Nynorsk: where it is Bokmål, say so with "
                f"--language-names {tag.language}=nb (language_names: {{{tag.language}: nb}})"
            )
    return ""


def plain(name: str) -> str:
    """Write a name in lower case, with `_` between its parts.

    Args:
        name (`str`): The name.

    Returns:
        `str`: The same name in that form.
    """
    return name.lower().replace("-", "_")
