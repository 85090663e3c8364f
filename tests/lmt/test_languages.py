"""The registry: frozen against the paper, whole in itself, and shown by `hf-lmt languages`."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from hf_lmt.languages import language
from hf_lmt.registry import LANGUAGES, PIVOTS, TIERS, Language
from hf_miwv.common.errors import InputError

CODES = {
    "high": "ar en es de fr it ja nl pl pt ru tr zh",
    "medium": "bg bn cs da el fa fi hi hu id ko nb ro sk sv th uk vi",
    "low": "am az bo he hr hy is jv ka kk km ky lo mvf mr ms my ne ps si sw ta te tg tl ug ur uz yue",
}
AUXILIARIES = (
    "es-pt de-nl fr-it it-fr nl-de pl-cs bg-ru cs-pl da-nb fa-ar fi-hu hi-bn hu-fi id-nl nb-da "
    "ro-it sk-cs sv-nb uk-ru vi-fr az-tr hr-cs is-da jv-id kk-ru ky-ru lo-th mr-hi ms-id ne-hi "
    "ps-fa tg-ru tl-id ug-fa ur-fa uz-fr"
)
UNUSUAL_NAMES = {
    "el": "Modern Greek",
    "he": "Modern Hebrew",
    "ky": "Kirghiz",
    "ug": "Uighur",
    "km": "Central Khmer",
    "yue": "Yue Chinese",
    "mvf": "Inner Mongolian",
    "nb": "Norwegian Bokmål",
    "tl": "Tagalog",
    "fa": "Persian",
    "my": "Burmese",
    "zh": "Chinese",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hf_lmt", "languages", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_sixty_languages_stand_in_the_tiers_of_the_paper() -> None:
    found = {tier: [one.code for one in LANGUAGES.values() if one.tier == tier] for tier in TIERS}
    assert {tier: " ".join(codes) for tier, codes in found.items()} == CODES
    assert [len(codes) for codes in found.values()] == [13, 18, 29]
    assert len(LANGUAGES) == 60
    assert list(LANGUAGES) == [code for codes in found.values() for code in codes]
    assert PIVOTS == ("en", "zh")


@pytest.mark.parametrize(("code", "name"), UNUSUAL_NAMES.items())
def test_prompt_names_are_those_the_released_models_know(code: str, name: str) -> None:
    assert LANGUAGES[code].name == name


def test_auxiliaries_are_those_of_the_paper() -> None:
    found = {f"{one.code}-{one.auxiliary}" for one in LANGUAGES.values() if one.auxiliary}
    assert found == set(AUXILIARIES.split())
    assert len(found) == 36


def with_value(field: str, value: object) -> str:
    return " ".join(code for code, one in LANGUAGES.items() if getattr(one, field) == value)


@pytest.mark.parametrize(
    ("field", "value", "codes"),
    [
        ("sacrebleu_tokenizer", "zh", "zh yue"),
        ("sacrebleu_tokenizer", "ja-mecab", "ja"),
        ("sacrebleu_tokenizer", "ko-mecab", "ko"),
        ("sacrebleu_tokenizer", "char", "th bo km lo my"),
        ("comet", "unreliable", "bo mvf tg yue"),
        ("right_to_left", True, "ar fa he ps ug ur"),
        ("flores200", None, "mvf"),
        ("ntrex", None, "jv mvf"),
        ("scripts", ("Cyrl",), "ru bg uk kk ky tg"),
        ("scripts", ("Arab",), "ar fa ps ug ur"),
        ("scripts", ("Hani",), "zh yue"),
        ("scripts", ("Hani", "Hira", "Kana"), "ja"),
        ("group", "Slavic", "pl ru bg cs sk uk hr"),
        ("group", "Turkic", "tr az kk ky ug uz"),
    ],
)
def test_languages_that_share_a_value(field: str, value: object, codes: str) -> None:
    assert with_value(field, value) == codes


def test_all_other_languages_are_counted_by_13a_and_covered_by_comet() -> None:
    assert len(with_value("sacrebleu_tokenizer", "13a").split()) == 60 - 9
    assert len(with_value("comet", "covered").split()) == 60 - 4


def test_the_tokenizers_are_those_that_sacrebleu_has() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    used = {one.sacrebleu_tokenizer for one in LANGUAGES.values()}
    assert used <= set(sacrebleu.BLEU.TOKENIZERS)


@pytest.mark.parametrize(
    ("code", "flores200", "flores_plus", "ntrex", "iso639_3"),
    [
        ("en", "eng_Latn", "eng_Latn", "eng", "eng"),
        ("zh", "zho_Hans", "cmn_Hans", "zho-CN", "zho"),
        ("tl", "tgl_Latn", "fil_Latn", "fil", "tgl"),
        ("ar", "arb_Arab", "arb_Arab", "arb", "ara"),
        ("fa", "pes_Arab", "pes_Arab", "fas", "fas"),
        ("tg", "tgk_Cyrl", "tgk_Cyrl", "tgk-Cyrl", "tgk"),
        ("az", "azj_Latn", "azj_Latn", "aze-Latn", "aze"),
        ("ms", "zsm_Latn", "zsm_Latn", "msa", "msa"),
        ("jv", "jav_Latn", "jav_Latn", None, "jav"),
    ],
)
def test_codes_elsewhere(code: str, flores200: str, flores_plus: str, ntrex: str | None, iso639_3: str) -> None:
    one = LANGUAGES[code]
    found = (one.flores200, one.flores_plus, one.ntrex, one.iso639_3)
    assert found == (flores200, flores_plus, ntrex, iso639_3)


@pytest.mark.parametrize("confused", [("nb", "da"), ("zh", "yue"), ("ms", "id")], ids="-".join)
def test_languages_that_identifiers_confuse_accept_each_other(confused: tuple[str, ...]) -> None:
    accepted = {frozenset(LANGUAGES[code].identification_labels) for code in confused}
    assert len(accepted) == 1
    assert {LANGUAGES[code].flores_plus for code in confused} <= next(iter(accepted))


def test_norwegian_accepts_nynorsk() -> None:
    assert {"nno_Latn", "nn", "no"} <= set(LANGUAGES["nb"].identification_labels)


@pytest.mark.parametrize("one", LANGUAGES.values(), ids=LANGUAGES)
def test_each_row_is_whole(one: Language) -> None:
    texts = (one.code, one.name, one.group, one.iso639_3, one.sacrebleu_tokenizer)
    assert all(text and text == text.strip() for text in texts)
    assert one.auxiliary is None or (one.auxiliary in LANGUAGES and one.auxiliary != one.code)
    assert one.code not in PIVOTS or one.auxiliary is None
    assert one.scripts
    assert all(len(script) == 4 and script.istitle() for script in one.scripts)
    labels = one.identification_labels
    assert len(set(labels)) == len(labels) >= 1
    if one.flores_plus:
        assert {one.flores200, one.flores_plus, one.code} <= set(labels)
        family = {"Jpan": "Kana", "Hans": "Hani", "Hant": "Hani"}
        script = one.flores_plus.partition("_")[2]
        assert family.get(script, script) in one.scripts
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.code = "xx"  # type: ignore[misc]


@pytest.mark.parametrize("field", ["name", "flores200", "flores_plus", "ntrex", "iso639_3"])
def test_no_two_languages_share_a_name_elsewhere(field: str) -> None:
    names = [getattr(one, field) for one in LANGUAGES.values() if getattr(one, field)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("zho_Hans", "it is called 'zh' here"),
        ("cmn_Hans", "it is called 'zh' here"),
        ("tgk-Cyrl", "it is called 'tg' here"),
        ("kaz", "it is called 'kk' here"),
        ("Modern Greek", "it is called 'el' here"),
        ("EN", "it is called 'en' here"),
        ("mvv", "did you mean 'mvf'?"),
        ("yu", "did you mean 'yue'?"),
        ("xx", "known: am, ar, az"),
        ("", "known: am, ar, az"),
        (False, "quotes around it"),
    ],
)
def test_an_unknown_code_is_told_what_to_give_instead(given: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        language(given)
    assert message in str(error.value)
    assert repr(given) in str(error.value)


def test_a_known_code_gives_its_language() -> None:
    assert language("kk").name == "Kazakh"
    with pytest.raises(TypeError):
        LANGUAGES["xx"] = language("kk")  # type: ignore[index]


def test_the_command_shows_all_within_80_columns() -> None:
    done = run()
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    shown = [line.split()[0] for line in lines if line.split() and line.split()[0] in LANGUAGES]
    assert shown == list(LANGUAGES)
    assert max(map(len, lines)) <= 80
    assert "…" not in done.stdout
    assert "Norwegian Bokmål" in done.stdout
    assert lines[-1].startswith("60 languages, 117 pairs, 234 directions")


def test_the_command_shows_all_fields_of_one() -> None:
    shown = dict(line.split(maxsplit=1) for line in run("kk").stdout.splitlines() if line.strip())
    assert {name: text.strip() for name, text in shown.items() if name != "kk:"} == {
        "code": "kk",
        "name": "Kazakh",
        "tier": "low",
        "scripts": "Cyrl",
        "group": "Turkic",
        "right_to_left": "no",
        "flores200": "kaz_Cyrl",
        "flores_plus": "kaz_Cyrl",
        "ntrex": "kaz",
        "iso639_3": "kaz",
        "sacrebleu_tokenizer": "13a",
        "comet": "covered",
        "identification_labels": "kaz_Cyrl kk",
        "auxiliary": "ru",
        "other_codes": "none",
    }


def test_the_command_prints_json() -> None:
    everything = json.loads(run("--json").stdout)["languages"]
    assert [one["code"] for one in everything] == list(LANGUAGES)
    (tibetan,) = json.loads(run("--json", "bo").stdout)["languages"]
    assert tibetan["comet"] == "unreliable"
    assert tibetan["scripts"] == ["Tibt"]
    assert tibetan["auxiliary"] is None


def test_the_command_refuses_an_unknown_code() -> None:
    done = run("kk", "no")
    assert done.returncode == 2
    assert "Error: no language 'no': the nearest is nb" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
