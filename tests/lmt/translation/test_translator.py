"""Translator: order, empty texts, hints, documents, what is kept, and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.directions import Direction, auxiliary_of
from hf_lmt.translation.documents import join_document, split_document
from hf_lmt.translation.prompt_registry import save_prompt_identity
from hf_lmt.translation.requests import Request, Translation
from hf_lmt.translation.store import Store, entry_key
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError

TEXTS = ["name the capital of france", "", "hello world", "what is water made of", "   ", "rain"]
SOURCES = ["en", "en", "zh", "de", "en", "en"]
TARGETS = ["kk", "de", "en", "zh", "de", "de"]


@pytest.fixture(scope="module")
def model() -> Any:
    model = make_model("llama")
    model.generation_config.eos_token_id = list(range(100, 125))  # so that texts end
    return model


def translator_of(model: Any, **given: Any) -> Translator:
    tokenizer = make_tokenizer(chat_template=CHATML)
    return Translator(model, tokenizer, **{"num_beams": 1, "max_new_tokens": 12, **given})


@pytest.mark.parametrize("beams", [1, 5])
def test_texts_in_batches_equal_texts_alone(model: Any, beams: int) -> None:
    translator = translator_of(model, num_beams=beams)
    found = translator(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)
    alone = [
        translator(text, src_lang=source, tgt_lang=target)
        for text, source, target in zip(TEXTS, SOURCES, TARGETS, strict=True)
    ]
    assert found == alone
    assert found[1] == found[4] == ""
    assert all(found[row] for row in (0, 2, 3, 5))
    small = translator_of(model, num_beams=beams, batch_tokens=1)
    assert small(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS) == found


def test_what_is_counted(model: Any) -> None:
    translator, told = translator_of(model), []
    requests = [Request(*row) for row in zip(TEXTS, SOURCES, TARGETS, strict=True)]
    requests += [requests[0], Request("rain " * 600, "en", "de")]
    found = list(translator.stream(requests, notify=told.append))
    assert found[6] == found[0]
    assert [one.status for one in found if not one.text] == ["empty", "empty", "too_long"]
    assert sum(told) == len(requests)
    counts = translator.counts
    assert counts["empty"] == 2
    assert counts["too_long"] == 1
    assert counts["ok"] + counts["capped"] == 5
    assert counts["tokens"] == sum(one.tokens for one in found[:6])  # the copy was not written


def test_hints_of_the_models_own(model: Any) -> None:
    translator = translator_of(model, max_new_tokens=40)
    request = Request("hello world", "en", "kk")
    plain, hinted = (next(translator.stream([request], hints=way)) for way in ("none", "self"))
    assert auxiliary_of(Direction("en", "kk")) == "ru"
    first = next(translator.stream([Request("hello world", "en", "ru")]))
    assert (plain.hint, hinted.hint_tokens) == (None, first.tokens)
    if first.status == "ok":
        assert (hinted.hint_lang, hinted.hint) == ("ru", first.text)
        given = Request("hello world", "en", "kk", first.text, "ru")
        assert next(translator.stream([given], hints="given")).text == hinted.text
    else:
        assert (hinted.hint_dropped, hinted.text) == (first.status, plain.text)
    without = Request("hello world", "en", "zh")
    assert auxiliary_of(Direction("en", "zh")) is None
    plain, hinted = (next(translator.stream([without], hints=way)) for way in ("none", "self"))
    assert hinted == plain


def test_a_capped_hint_is_dropped(model: Any) -> None:
    translator = translator_of(model, max_new_tokens=1)
    request = Request("hello world", "en", "kk")
    first = next(translator.stream([Request("hello world", "en", "ru")]))
    found = next(translator.stream([request], hints="self"))
    assert first.status == found.hint_dropped == "capped"
    assert (found.hint, found.hint_lang, found.hint_tokens) == (None, None, 1)
    assert translator.counts["hint_capped"] == 1
    assert found.text == translator("hello world", src_lang="en", tgt_lang="kk")


def test_given_hints(model: Any) -> None:
    translator = translator_of(model)
    auxiliaries = [("ru", "привет"), None]
    found = translator(["hello"] * 2, src_lang="en", tgt_lang="kk", hints="given", auxiliaries=auxiliaries)
    assert found[1] == translator("hello", src_lang="en", tgt_lang="kk")
    stream = translator.stream([Request("hello", "en", "kk", "привет", "ru")], hints="given")
    assert next(stream) == Translation(found[0], *_rest(translator, "hello"), hint="привет", hint_lang="ru")
    assert translator.counts["hinted"] == 2


def _rest(translator: Translator, text: str) -> tuple[Any, int]:
    request = Request(text, "en", "kk", "привет", "ru")
    one = next(translator.stream([request], hints="given"))
    translator.counts["hinted"] -= 1
    return one.status, one.tokens


@pytest.mark.parametrize(
    ("text", "source_lang", "target_lang", "expected"),
    [
        ("One. Two.", "en", "de", "<One.> <Two.>"),
        ("One. Two.", "en", "zh", "<One.><Two.>"),
        ("One. Two.", "en", "th", "<One.> <Two.>"),
        ("一。二！", "zh", "en", "<一。> <二！>"),
        ("Dr. Smith left. He slept.", "en", "de", "<Dr. Smith left.> <He slept.>"),
        (
            "  One.\n\n\tTwo. Three.  \r\nFour",
            "en",
            "de",
            "  <One.>\n\n\t<Two.> <Three.>  \r\n<Four>",
        ),
        ("ක. ග.", "si", "en", "<ක.> <ග.>"),
        ("សួស្តី។ ទេ។", "km", "en", "<សួស្តី។> <ទេ។>"),
        ("नमस्ते। हाँ।", "hi", "en", "<नमस्ते।> <हाँ।>"),
        ("", "en", "de", ""),
        (" \n", "en", "de", " \n"),
    ],
)
def test_documents(text: str, source_lang: str, target_lang: str, expected: str) -> None:
    pieces = split_document(text, source_lang, target_lang)
    marked = [f"<{piece}>" for piece, is_sentence in pieces if is_sentence]
    assert join_document(pieces, marked) == expected


def test_a_document_is_its_sentences(model: Any) -> None:
    translator = translator_of(model)
    text = "  hello world. Name rain!\n\nWhat is water?\n"
    found = next(translator.stream([Request(text, "en", "de", document=True)]))
    parts = [translator(one, src_lang="en", tgt_lang="de") for one in ("hello world.", "Name rain!", "What is water?")]
    lines = [" ".join(part.splitlines()) for part in parts]
    assert found.text == f"  {lines[0]} {lines[1]}\n\n{lines[2]}\n"
    blank = next(translator.stream([Request(" \n\n", "en", "de", document=True)]))
    assert (blank.text, blank.status) == (" \n\n", "empty")


def test_finished_texts_are_taken_from_disk(model: Any, tmp_path: Path) -> None:
    first = translator_of(model, work=tmp_path)
    found = first(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)
    again = translator_of(model, work=tmp_path)
    assert again(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS) == found
    assert (again.counts["tokens"], again.counts["reused"]) == (0, 4)
    for other in ({"num_beams": 2}, {"max_new_tokens": 11}, {"prompt": "figure"}, {"form": "text"}):
        changed = translator_of(model, work=tmp_path, **other)
        changed(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)
        assert changed.counts["reused"] == 0
    weights = make_model("llama")
    weights.generation_config.eos_token_id = list(range(100, 125))
    weights.lm_head.weight.data[7] += 0.001
    changed = translator_of(weights, work=tmp_path)
    changed(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)
    assert changed.counts["reused"] == 0


def test_a_store_keeps_what_was_first(tmp_path: Path) -> None:
    keys = [entry_key({"model": "m"}, [1, 2], cap) for cap in range(1200)]
    assert len(set(keys)) == 1200
    assert entry_key({"model": "n"}, [1, 2], 0) != keys[0] != entry_key({"model": "m"}, [12], 0)
    store = Store(tmp_path)
    store.add({key: (f"text {place}", "ok", place) for place, key in enumerate(keys)})
    store.add({keys[0]: ("another", "capped", 9)})
    found = Store(tmp_path).get([*keys, b"unknown"])
    assert len(found) == 1200
    assert found[keys[0]] == ("text 0", "ok", 0)


@pytest.mark.parametrize("quantized", [False, True])
def test_models_by_name(model: Any, quantized: bool, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "base")
    tokenizer = make_tokenizer(chat_template=CHATML)
    tokenizer.save_pretrained(tmp_path / "base")
    settings: dict[str, Any] = {"device": "cpu", "num_beams": 1, "max_new_tokens": 12}
    if quantized:
        pytest.importorskip("bitsandbytes")
        settings["load_in_8bit"] = True
    by_name = Translator(tmp_path / "base", **settings)
    found = by_name(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)
    assert by_name(TEXTS[0], src_lang="en", tgt_lang="kk") == found[0]
    if not quantized:
        assert found == translator_of(model)(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)


def test_an_adapter_folder(model: Any, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model.save_pretrained(tmp_path / "base")
    make_tokenizer(chat_template=CHATML).save_pretrained(tmp_path / "base")
    loaded = type(model).from_pretrained(tmp_path / "base")
    config = peft.LoraConfig(target_modules=["q_proj"], r=2, init_lora_weights=False)
    adapted = peft.get_peft_model(loaded, config)
    adapted.save_pretrained(tmp_path / "adapter")
    save_prompt_identity(tmp_path / "adapter", wording="figure")
    translator = Translator(tmp_path / "adapter", device="cpu", num_beams=1, max_new_tokens=12)
    assert translator.style.name == "figure"
    found = translator(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)
    whole = adapted.merge_and_unload()
    whole.generation_config.eos_token_id = list(range(100, 125))
    assert found == translator_of(whole, prompt="figure")(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)
    assert found != translator_of(model, prompt="figure")(TEXTS, src_lang=SOURCES, tgt_lang=TARGETS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hints": "selv"}, "did you mean 'self'"),
        ({"num_beams": 0}, "beams 0"),
        ({"max_new_tokens": 0}, "max_new_tokens 0"),
        ({"backend": "vlm"}, "did you mean 'vllm'"),
        ({"prompt": "towr"}, "did you mean 'tower'"),
    ],
)
def test_translators_that_cannot_be(model: Any, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        translator_of(model, **settings)


def test_a_loaded_model_needs_its_tokenizer(model: Any) -> None:
    with pytest.raises(InputError, match="needs its tokenizer"):
        Translator(model)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"texts": "hi", "source": "en", "target": "kaz"}, "it is called 'kk' here"),
        ({"texts": "hi", "source": "en", "target": "kx"}, "no language 'kx'"),
        ({"texts": "hi", "source": "en", "target": "en"}, "the same"),
        ({"texts": ["hi", "you"], "source": ["en"], "target": "de"}, "2 texts, and 1 of source"),
        ({"texts": ["hi", None], "source": "en", "target": "de"}, "text 1 is None"),
        ({"texts": "hi", "source": "en", "target": "de", "hints": "given", "auxiliaries": [("de", "x")]}, "the same"),
    ],
)
def test_calls_that_cannot_be(model: Any, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        translator_of(model)(**given)


def test_hints_need_a_prompt_that_knows_them(model: Any) -> None:
    with pytest.raises(InputError, match="'tower' has no form for them"):
        translator_of(model, prompt="tower")("hi", src_lang="en", tgt_lang="kk", hints="self")


def test_a_text_with_a_token_that_the_model_does_not_have_is_named(model: Any) -> None:
    tokenizer = make_tokenizer(bos=False, chat_template=CHATML)
    missing = model.get_input_embeddings().num_embeddings - len(tokenizer)
    tokenizer.add_tokens([*(f"<|filler{number}|>" for number in range(missing)), "<|tool|>"])
    translator = Translator(model, tokenizer, num_beams=1, max_new_tokens=4)
    assert translator("name", "en", "de") is not None
    message = r"text 'a <\|tool\|> b': the token '<\|tool\|>' has the id 400"
    with pytest.raises(InputError, match=message):
        translator(["name", "a <|tool|> b"], "en", "de")
