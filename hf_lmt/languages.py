"""Languages looked up by their code, with what to say to other names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hf_lmt.language_codes import code_of
from hf_lmt.registry import LANGUAGES, PIVOTS, TIERS, Language, Tier
from hf_miwv.common.errors import InputError, did_you_mean

__all__ = ["LANGUAGES", "PIVOTS", "TIERS", "Language", "Tier", "language"]


def _names_elsewhere() -> dict[str, str]:
    """Map every other name of a language, in lower case, to its code."""
    return {
        name.casefold(): known.code
        for known in LANGUAGES.values()
        for name in (known.code, known.name, *_codes_elsewhere(known))
        if name
    }


def _codes_elsewhere(known: Language) -> tuple[str | None, ...]:
    return (known.flores200, known.flores_plus, known.ntrex, known.iso639_3, *known.other_codes)


NEAR: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "no": ("nb", "Norwegian Bokmål"),
        "nor": ("nb", "Norwegian Bokmål"),
        "nn": ("nb", "Norwegian Bokmål, which is not Nynorsk"),
        "nno": ("nb", "Norwegian Bokmål, which is not Nynorsk"),
        "zh-tw": ("zh", "Chinese, in simplified characters"),
        "zh-hant": ("zh", "Chinese, in simplified characters"),
        "zho_hant": ("zh", "Chinese, in simplified characters"),
        "sr": ("hr", "Croatian, which is not Serbian"),
        "bs": ("hr", "Croatian, which is not Bosnian"),
        "mn": ("mvf", "Inner Mongolian, in Mongolian script"),
    }
)
"""Names in lower case of languages that LMT does not have -> the nearest that it has, in words."""


def language(code: str) -> Language:
    """Return the language with this code.

    Args:
        code (`str`): A code of LMT, such as "nb".

    Returns:
        `Language`: The row of languages.csv.

    Raises:
        InputError: No language has it. If it is the name of one, or its code in FLORES-200,
            FLORES+, NTREX-128 or ISO 639-3, the message says which; else it names the nearest.
    """
    if not isinstance(code, str):
        raise InputError(
            f"{code!r} is not a language code: give a text, such as 'nb'; in YAML "
            "put quotes around it, for no without them is read as False"
        )
    if code in LANGUAGES:
        return LANGUAGES[code]
    elsewhere = _names_elsewhere().get(code.casefold()) or code_of(code)
    if elsewhere:
        raise InputError(f"no language {code!r}: it is called {elsewhere!r} here")
    if near := NEAR.get(code.casefold()):
        nearest, name = near
        raise InputError(
            f"no language {code!r}: the nearest is {nearest} ({name}); where a corpus writes "
            f"{code} for it, say so once with --language-names {code}={nearest}"
        )
    raise InputError(f"no language {code!r}: {did_you_mean(code, LANGUAGES, len(LANGUAGES))}")
