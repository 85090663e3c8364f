"""Addresses, keys and options of a judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from judge_server import JudgeServer

from hf_miwv import InputError
from hf_miwv.commands.judge import open_judge
from hf_miwv.common.endpoint import key_for
from hf_miwv.judging.endpoint import completions_url
from hf_miwv.judging.judge_answers import judge_answers
from tests.miwv.judging.answer_files import KEY, answers


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1/chat/completions"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
        ("https://host/v1beta/openai", "https://host/v1beta/openai/chat/completions"),
        ("https://host/v1/chat/completions", "https://host/v1/chat/completions"),
    ],
)
def test_addresses(address: str, expected: str) -> None:
    assert completions_url(address) == expected


@pytest.mark.parametrize("address", ["https://me:secret@host/v1", "https://host/v1?key=secret"])
def test_keys_in_addresses_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(InputError, match="keys belong into the environment") as refusal:
        completions_url(address)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", ("OPENAI_API_KEY", KEY)),
        ("https://router.huggingface.co/v1", ("HF_TOKEN", "hf_mine")),
        ("https://x.endpoints.huggingface.cloud/v1", ("HF_TOKEN", "hf_mine")),
        ("https://nothuggingface.co/v1", ("OPENAI_API_KEY", KEY)),
    ],
)
def test_which_key_goes_where(url: str, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert key_for(url) == expected


def test_a_key_over_http_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    key_for("http://gpu-1.example.org:8000/v1")
    assert "OPENAI_API_KEY goes to gpu-1.example.org over http" in caplog.text
    assert KEY not in caplog.text


NO_OPTIONS = dict.fromkeys(
    (
        "judge_model",
        "request_fields",
        "timeout",
        "concurrency",
        "dtype",
        "device",
        "revision",
        "batch_tokens",
        "trust_remote_code",
    )
)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("https://host/v1", {}, "give --judge-model"),
        ("https://host/v1", {"judge_model": "x", "device": "cpu"}, "--device: not for an endpoint"),
        ("owner/model", {"judge_model": "x"}, "--judge-model: not for a model"),
        ("https://", {}, "is no address"),
        ("http://[::1/v1", {}, "is no address"),
        ("http://host:port/v1", {}, "is no address"),
        ("https://host/v1", {"judge_model": "x", "request_fields": "{"}, "is not JSON"),
        ("https://host/v1", {"judge_model": "x", "request_fields": "[]"}, "give an object"),
    ],
)
def test_options_that_do_not_fit(name: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_judge(name, 512, **{**NO_OPTIONS, **given})


def test_request_fields_are_added_and_taken_out(server: JudgeServer, tmp_path: Path) -> None:
    fields = '{"temperature": null, "max_tokens": null, "max_completion_tokens": 900}'
    given = {**NO_OPTIONS, "judge_model": "tiny", "request_fields": fields}
    judge = open_judge(server.address, 512, **given)
    judge_answers(*answers(tmp_path, [(8, 5)]), judge, tmp_path / "judged", progress=False)
    body = server.asked[0]
    assert body.pop("messages")
    assert body == {"model": "tiny", "max_completion_tokens": 900}
