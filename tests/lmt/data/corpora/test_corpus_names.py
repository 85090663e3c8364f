"""Names of corpora and of languages."""

import pytest

from hf_lmt.data.corpora.sources import Source
from hf_lmt.language_codes import code_of


@pytest.mark.parametrize(
    ("path", "corpus"),
    [
        ("a/test.en-de.jsonl.gz", "test.en-de"),
        ("google/smol", "smol"),
        ({"en": "x.en", "de": "y"}, "x"),
    ],
)
def test_the_corpus_is_named_after_the_path(path, corpus):
    assert Source(path).corpus_name == corpus
    assert Source(path, corpus="mine").corpus_name == "mine"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("en", "en"),
        ("EN-us", "en"),
        ("eng_Latn", "en"),
        ("eng", "en"),
        ("pt-BR", "pt"),
        ("zh-CN", "zh"),
        ("zh_Hans", "zh"),
        ("zho_Hans", "zh"),
        ("cmn", "zh"),
        ("zh-TW", None),
        ("zho_Hant", None),
        ("yue_Hant", "yue"),
        ("uz_Latn", "uz"),
        ("uz-Cyrl", None),
        ("nob_Latn", "nb"),
        ("no", None),
        ("tgl_Latn", "tl"),
        ("fil", "tl"),
        ("id", "id"),
        ("idea", None),
        ("", None),
        ("es-419", "es"),
        ("mvf", "mvf"),
    ],
)
def test_names_of_languages_in_other_systems(name, code):
    assert code_of(name) == code
