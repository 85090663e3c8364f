"""The languages: what each is called and how it is written, here and in other collections.

They are the rows of `languages.csv`; adding a language is adding a row. Lists within a cell have
blanks between, an empty cell means that there is none. Sources of the codes: FLORES-200's and
FLORES+'s file names, LANGUAGES.tsv of MicrosoftTranslator/NTREX, languages-v3.md of cisnlp/GlotLID.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

Tier = Literal["high", "medium", "low"]
TIERS: tuple[Tier, ...] = ("high", "medium", "low")
PIVOTS = ("en", "zh")
"""English and Chinese: every direction has one of them on a side (arXiv 2511.07003)."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language of LMT. Code, name, tier and auxiliary are those of arXiv 2511.07003.

    Attributes:
        code (`str`): What LMT calls it in rows and directions; ISO 639-1 where there is one.
        name (`str`): What LMT's prompts call it. The released models know only these names, several of them
            unusual ("Modern Greek", "Central Khmer"): NiuTrans/LMT, src/utils.py.
        tier (`Tier`): Of the paper, by the amount of training data.
        scripts (`tuple[str, ...]`): ISO 15924 codes of the scripts that its letters come from, as Unicode has
            them; Chinese is Hani here, whether simplified or traditional.
        group (`str`): The family, or the branch of a large one, to average results over (ours).
        right_to_left (`bool`): The direction of writing. False for Mongolian script as well: vertical, but stored
            in reading order without bidirectional control.
        flores200 (`str | None`): Code in FLORES-200; None where the language is not in it.
        flores_plus (`str | None`): Code in FLORES+, which renames Chinese (cmn_Hans) and Tagalog (fil_Latn).
        ntrex (`str | None`): Code in the file names of NTREX-128 (newstest2019-ref.CODE.txt; English is
            newstest2019-src.eng.txt); None where the language is not in it.
        iso639_3 (`str`): The code that ISO 639-3 gives for `code`, as in Tatoeba and much of OPUS. For ar fa zh
            and others it stands for the macrolanguage (ara, fas, zho).
        sacrebleu_tokenizer (`str`): What sacreBLEU's BLEU is to count words with, translating into it. "13a" needs
            blanks between words, so languages written without them have: Chinese and Cantonese "zh", Japanese
            "ja-mecab", Korean (whose blanks set off phrases) "ko-mecab", and Thai, Lao, Burmese, Khmer and Tibetan
            "char", because sacreBLEU has no segmenter for these; 13a would take a phrase for a word, and one wrong
            letter for a wrong phrase. BLEU over characters is higher: compare it with nothing but itself.
            "flores200" (spBLEU) serves all but fetches a model. The paper is silent on tokenizers; the choice is
            ours.
        comet (`Literal["covered", "unreliable"]`): "covered" where XLM-R, which COMET reads text with, was trained
            on the language (the list in fairseq, examples/xlmr); "unreliable" where not (bo mvf tg yue): scores of
            directions into it are to be marked, and not averaged with others in silence.
        identification_labels (`tuple[str, ...]`): Answers of a language identifier that count as this language.
            First GlotLID's; then FLORES-style labels (NLLB, OpenLID) and ISO codes (fastText lid.176). Identifiers
            confuse da with nb and nn, id with ms, yue with zh, so each of these accepts the others' labels, too.
            For mvf GlotLID knows the script only (und_Mong).
        auxiliary (`str | None`): Code of the language whose sentence is the hint between English and this one, in
            Parallel Multilingual Prompting; None where the paper has none. Between Chinese and any other language
            it is English.
        other_codes (`tuple[str, ...]`): What other systems call it besides: the bibliographic codes of ISO 639-2
            (ger), codes that ISO 639-1 gave up (iw, jw; not in, which is more often a column of inputs), and
            scripts by another name (ko_Kore).
    """

    code: str
    name: str
    tier: Tier
    scripts: tuple[str, ...]
    group: str
    right_to_left: bool
    flores200: str | None
    flores_plus: str | None
    ntrex: str | None
    iso639_3: str
    sacrebleu_tokenizer: str
    comet: Literal["covered", "unreliable"]
    identification_labels: tuple[str, ...]
    auxiliary: str | None
    other_codes: tuple[str, ...]


def _read_language(row: Mapping[str, str]) -> Language:
    return Language(
        code=row["code"],
        name=row["name"],
        tier=cast(Tier, row["tier"]),
        scripts=tuple(row["scripts"].split()),
        group=row["group"],
        right_to_left=row["right_to_left"] == "yes",
        flores200=row["flores200"] or None,
        flores_plus=row["flores_plus"] or None,
        ntrex=row["ntrex"] or None,
        iso639_3=row["iso639_3"],
        sacrebleu_tokenizer=row["sacrebleu_tokenizer"],
        comet=cast(Literal["covered", "unreliable"], row["comet"]),
        identification_labels=tuple(row["identification_labels"].split()),
        auxiliary=row["auxiliary"] or None,
        other_codes=tuple((row["other_codes"] or "").split()),
    )


def _read_languages() -> dict[str, Language]:
    text = files("hf_lmt").joinpath("languages.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {language.code: language for language in map(_read_language, rows)}


LANGUAGES: Mapping[str, Language] = MappingProxyType(_read_languages())
"""Code -> language, in the order of languages.csv: by tier, then by code."""
