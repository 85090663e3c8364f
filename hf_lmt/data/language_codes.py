"""What other systems call a language, to LMT's code."""

from __future__ import annotations

import re
from functools import cache

from hf_lmt.languages import LANGUAGES

TRADITIONAL_CHINESE = ("tw", "hk", "mo")  # regions: LMT's zh is written in simplified characters


@cache
def _codes() -> dict[str, str]:
    """Name in lower case -> code. LMT's own codes win over what others use the same letters for."""
    codes = {code: code for code in LANGUAGES}
    for code, language in LANGUAGES.items():
        flores = [name for name in (language.flores200, language.flores_plus) if name]
        languages = [name.partition("_")[0] for name in flores]
        for name in (*flores, language.ntrex, language.iso639_3, *languages):
            if name:
                codes.setdefault(_plain(name), code)
    return codes


@cache
def code_of(name: str) -> str | None:
    """LMT's code for a language as LMT, FLORES, NTREX or ISO 639-3 writes it; None for any other.

    A region (`en-US`) is passed over, a script (`uz_Latn`) must be the one that LMT writes the
    language in, and Chinese in traditional characters, or of a region that writes them, is another
    language. The choice is ours.

    >>> code_of("deu_Latn"), code_of("en-US"), code_of("zh_TW"), code_of("tlh")
    ('de', 'en', None, None)
    """
    name = _plain(name)
    if name in _codes():
        return _codes()[name]
    first, _, variant = name.partition("_")
    code = _codes().get(first)
    if code is None or (code == "zh" and variant in TRADITIONAL_CHINESE):
        return None
    language = LANGUAGES[code]
    scripts = {*language.scripts, (language.flores200 or "").partition("_")[2]}
    is_region = re.fullmatch("[a-z]{2}|[0-9]{3}", variant)
    return (
        code if is_region or variant in {script.lower() for script in scripts if script} else None
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
