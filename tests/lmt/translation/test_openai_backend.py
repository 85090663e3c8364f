"""The backend of a server that runs already: a real endpoint on the loopback address, with a tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from completions_server import CompletionsServer
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.translation.prompt_registry import save_prompt_identity
from hf_lmt.translation.requests import Request
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError

pytest.importorskip("openai")

TEXTS = ["name the capital of france", "", "hello world", "what is water made of", "rain"]
REQUESTS = [Request(text, "en", code) for text, code in zip(TEXTS, ["kk", "de", "de", "zh", "kk"], strict=True)]
KEY = "sk-not-to-be-seen-anywhere-4711"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose texts end, and a key."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    model, tokenizer = make_model("llama", tied=False), make_tokenizer(chat_template=CHATML)
    with torch.no_grad():
        model.lm_head.weight[tokenizer.eos_token_id] = 2.5 * model.lm_head.weight[120]
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def server(folder: Path) -> Iterator[CompletionsServer]:
    model, tokenizer = make_model("llama", tied=False), make_tokenizer(chat_template=CHATML)
    model = type(model).from_pretrained(folder)
    server = CompletionsServer(model, tokenizer, str(folder))
    yield server
    server.shutdown()
    server.server_close()


def translator(folder: Path, server: CompletionsServer, **options: Any) -> Translator:
    defaults = {"backend": "openai", "base_url": server.address, "num_beams": 1, "max_new_tokens": 30}
    return Translator(folder, **{**defaults, **options})


@pytest.mark.parametrize("form", ["conversation", "text"])
@pytest.mark.parametrize("plain", [False, True])
def test_texts_are_those_of_the_other_backend(
    folder: Path, server: CompletionsServer, form: str, plain: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server.plain = plain
    found = list(translator(folder, server, form=form).stream(REQUESTS))
    expected = Translator(folder, num_beams=1, max_new_tokens=30, form=form, device="cpu").stream(REQUESTS)
    assert found == list(expected)
    assert {one.status for one in found} >= {"ok", "empty"}
    assert server.keys == {f"Bearer {KEY}"}
    # A server that gives no token ids may read them with another tokenizer: that is said.
    assert ("returns texts without their token ids" in caplog.text) is plain


def test_what_passes_is_asked_again_and_what_is_there_is_not(
    folder: Path, server: CompletionsServer, tmp_path: Path
) -> None:
    server.script = [503, "drop"]
    first = translator(folder, server, work=tmp_path / "work")
    found = list(first.stream(REQUESTS))
    first.close()
    assert len(server.asked) == 4 + 2
    again = translator(folder, server, work=tmp_path / "work")
    assert list(again.stream(REQUESTS)) == found
    assert again.counts["reused"] == 4
    assert len(server.asked) == 6
    assert KEY.encode() not in (tmp_path / "work" / "translations.sqlite").read_bytes()
    assert KEY not in str(again.describe())


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (401, "refuses access .status 401.: the key in OPENAI_API_KEY is not the right one"),
        (400, "status 400: .*check --base-url and --model, or wait; finished texts are kept"),
    ],
)
def test_what_does_not_pass_is_said(folder: Path, server: CompletionsServer, script: int, words: str) -> None:
    server.script = [script] * 4
    with pytest.raises(InputError, match=words) as refusal:
        list(translator(folder, server).stream(REQUESTS))
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_beams": 5}, "num_beams 5 with backend openai, whose servers search greedily here; give --num-beams 1"),
        ({"base_url": None}, "needs the address of a server: give --base-url"),
        ({"backend": "transformers"}, "goes with --backend openai, and the backend is transformers"),
        ({"base_url": "localhost:8000"}, "endpoint 'localhost:8000' is no address"),
        ({"device": "cpu", "dtype": "float32"}, "device and dtype with backend openai"),
    ],
)
def test_what_it_is_not_given(folder: Path, server: CompletionsServer, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        translator(folder, server, **options)


def test_another_model_is_refused(folder: Path, server: CompletionsServer) -> None:
    server.models = [{"id": "lmt", "root": str(folder)}]
    assert translator(folder, server).describe()["made_by"]["served"] == "lmt"
    server.models = [{"id": "other", "root": "elsewhere"}]
    with pytest.raises(InputError, match=r"serves other, and .* is asked for; give --model as it is served"):
        translator(folder, server)
    server.models = [{"id": str(folder)}]
    server.read_as = str.upper
    with pytest.raises(InputError, match="it serves another model; give --model as it is served"):
        list(translator(folder, server).stream(REQUESTS))


def test_the_prompt_that_the_model_was_trained_with(folder: Path, server: CompletionsServer) -> None:
    save_prompt_identity(folder, wording="figure")
    assert translator(folder, server).style.name == "figure"
    with pytest.raises(InputError, match="the model was trained with the prompt 'figure'"):
        translator(folder, server, prompt="plain")
