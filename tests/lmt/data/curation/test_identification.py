"""Language identification: by the bundled library, and by a fastText file written here."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from hf_lmt.data.curation.identification import LanguageIdentification
from hf_miwv.common.errors import InputError

SENTENCES = {
    "en": "The weather was so bad that nobody wanted to leave the house.",
    "de": "Das Wetter war so schlecht, dass niemand das Haus verlassen wollte.",
    "da": "Vejret var så dårligt, at ingen havde lyst til at gå ud af huset.",
    "hr": "Vrijeme je bilo tako loše da nitko nije htio izaći iz kuće.",
    "zh": "天气太糟糕了，没有人愿意离开家门，所以我们都留在屋里喝茶。",
    "ja": "天気がとても悪かったので、誰も家を出たがりませんでした。",
    "kk": "Ауа райы өте нашар болғандықтан, ешкім үйден шыққысы келмеді.",
    "ru": "Погода была такой плохой, что никто не хотел выходить из дома.",
}


def table(*rows: tuple[str, str, str, str]) -> pyarrow.Table:
    names = ["source_lang", "target_lang", "source", "target"]
    return pyarrow.table([list(column) for column in zip(*rows, strict=True)], names)


def write_model(path: Path, words: dict[str, dict[str, float]], labels: list[str]) -> str:
    """A fastText classifier without training: for each word its weight for each label.

    One dimension a label; a text's vector is the mean of its words', the output is the identity,
    so probabilities are softmax(mean of weights).
    """
    size = len(labels)
    header = struct.pack("<ii", 793712314, 12)
    arguments = struct.pack("<12id", size, 5, 1, 1, 5, 1, 3, 3, 0, 0, 0, 100, 1e-4)
    entries = [(word, 0) for word in words] + [(f"__label__{label}", 1) for label in labels]
    dictionary = struct.pack("<iiiqq", len(entries), len(words), size, 100, -1)
    for name, kind in entries:
        dictionary += name.encode() + b"\0" + struct.pack("<qb", 1, kind)
    weights = np.array([[words[word].get(label, 0) for label in labels] for word in words], "<f4")
    inputs = struct.pack("<?qq", False, *weights.shape) + weights.tobytes()
    outputs = struct.pack("<?qq", False, size, size) + np.eye(size, dtype="<f4").tobytes()
    path.write_bytes(header + arguments + dictionary + inputs + outputs)
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> str:
    pytest.importorskip("fasttext", reason="the library fasttext-predict is not installed")
    labels = [
        "eng_Latn",
        "deu_Latn",
        "nob_Latn",
        "nno_Latn",
        "dan_Latn",
        "kaz_Cyrl",
        "xho_Latn",
        "isl_Latn",
    ]
    scattered = {
        "nob_Latn": 1.6,
        "nno_Latn": 1.6,
        "dan_Latn": 1.6,
        "isl_Latn": 2.0,
        "xho_Latn": 1.0,
    }
    words = {
        "</s>": {},
        "english": {"eng_Latn": 20},
        "german": {"deu_Latn": 20},
        "nordic": {label: 3 * weight for label, weight in scattered.items()},
        "unsure": {"isl_Latn": 2.0, "xho_Latn": 1.9, "deu_Latn": 1.9, "dan_Latn": 1.9},
    }
    return write_model(tmp_path / "model.bin", words, labels)


@pytest.mark.parametrize(
    ("lang", "text", "stays"),
    [
        ("en", "english", True),
        ("en", "german", False),
        ("de", "german", True),
        ("nb", "nordic", True),  # Icelandic leads, and what counts as nb has more in all
        ("is", "unsure", True),  # low-resource: the likeliest label, at a third
        ("de", "unsure", False),
        ("is", "german", False),
        ("fr", "german", True),
        ("mvf", "german", True),  # no label: not judged
    ],
)
def test_rules_by_tier(model: str, lang: str, text: str, stays: bool) -> None:
    step = LanguageIdentification(model=model, least_letters=0)
    found = step(table((lang, "en", text, "english"), ("en", lang, "english", text + "\n")))
    expected = ["source in another language", "target in another language"]
    assert found == ([None, None] if stays else expected)
    assert step.notes["not_covered"] == ({lang: 2} if lang in ("fr", "mvf") else {})


def test_short_texts_are_not_judged(model: str) -> None:
    step = LanguageIdentification(model=model)
    rows = table(
        ("en", "de", "german", "german german german german"),
        ("en", "en", "12 34 " * 9, "english"),
    )
    assert step(rows) == [None, None]
    assert step.notes["too_short"] == 3
    long = table(("en", "de", "german german german german", "german"))
    assert step(long) == ["source in another language"]


@pytest.mark.parametrize("code", SENTENCES)
def test_the_library_knows_right_from_wrong(code: str) -> None:
    pytest.importorskip("py3langid", reason="the library py3langid is not installed")
    step = LanguageIdentification()
    rows = [(code, "de", SENTENCES[code], SENTENCES["de"])]
    rows += [("de", code, SENTENCES["de"], other) for name, other in SENTENCES.items() if name != code]
    gone = "target in another language"
    assert step(table(*rows)) == [None] + [gone] * (len(SENTENCES) - 1)


def test_close_relatives_count_as_the_language_and_unknown_ones_are_counted() -> None:
    pytest.importorskip("py3langid", reason="the library py3langid is not installed")
    step = LanguageIdentification()
    rows = table(
        ("nb", "yue", SENTENCES["da"], SENTENCES["zh"]),
        ("bo", "mvf", SENTENCES["en"], SENTENCES["en"]),
    )
    assert step(rows) == [None, None]
    assert step.notes["not_covered"] == {"bo": 1, "mvf": 1}
    again = pickle.loads(pickle.dumps(step))  # noqa: S301
    assert again == step
    assert again.notes == {"not_covered": {}, "too_short": 0}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"threshold": 1.5}, "threshold 1.5"),
        ({"least_letters": -1}, "least_letters -1"),
        ({"model": "/no/such/lid.bin"}, "no such file"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    pytest.importorskip("fasttext", reason="the library fasttext-predict is not installed")
    with pytest.raises(InputError, match=words):
        LanguageIdentification(**settings)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    pytest.importorskip("fasttext", reason="the library fasttext-predict is not installed")
    (tmp_path / "lid.bin").write_bytes(b"rubbish" * 100)
    with pytest.raises(InputError, match="no fastText classifier"):
        LanguageIdentification(model=str(tmp_path / "lid.bin"))


@pytest.mark.parametrize(("missing", "settings"), [("py3langid", ""), ("fasttext", "model='x'")])
def test_a_missing_library_is_named(missing: str, settings: str) -> None:
    script = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "from hf_lmt.data.curation.identification import LanguageIdentification as Step\n"
        f"Step({settings})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert f"needs {missing}, not installed here; run pip install 'hf-miwv-lmt[curate]'" in done.stderr
