"""The judge behind an endpoint: what is asked again, what ends a run, and where the key goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from judge_server import JudgeServer

from hf_miwv import InputError
from hf_miwv.judging.endpoint import endpoint_judge
from tests.miwv.judging.answer_files import KEY, answers, judged


@pytest.mark.parametrize(
    ("script", "requests"),
    [
        ([(500, {})], 3),
        ([(503, {}), (429, {"Retry-After": "0"})], 4),
        (["drop"], 3),
        (["hang"], 3),
        (["no scores here"], 3),
    ],
)
def test_what_passes_is_asked_again(server: JudgeServer, tmp_path: Path, script: list[Any], requests: int) -> None:
    server.script = script
    run = judged(server, *answers(tmp_path, [(8, 5)]), tmp_path / "judged", timeout=0.5)
    assert run["scores"]["all"]["wins"] == 1
    assert len(server.asked) == requests


def test_retry_after_is_honored(server: JudgeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hf_miwv")
    server.script = [(429, {"Retry-After": "1"})]
    judged(server, *answers(tmp_path, [(8, 5)]), tmp_path / "judged")
    assert server.times[1] - server.times[0] >= 1.0  # the server's own clock
    assert "status 429: the judge asks to wait 1 seconds" in caplog.text


@pytest.mark.parametrize("has_key", [True, False])
def test_of_the_environment_the_key_is_all_that_is_sent(
    server: JudgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_key: bool
) -> None:
    secrets = {
        "OPENAI_ADMIN_KEY": "admin-secret",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_CUSTOM_HEADERS": "X-Team: team-secret\nAuthorization: Bearer another-secret\nCookie: cookie-secret",
        "OPENAI_ORG_ID": "org-secret",
        "OPENAI_PROJECT_ID": "project-secret",
        "OPENAI_WEBHOOK_SECRET": "webhook-secret",
        "NETRC": str(tmp_path / "netrc"),
    }
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password netrc-secret\n")
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    if not has_key:
        monkeypatch.delenv("OPENAI_API_KEY")
    judged(server, *answers(tmp_path, [(8, 5)]), tmp_path / "judged")
    assert server.keys == {f"Bearer {KEY}" if has_key else None}
    names = {"host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent"}
    assert server.headers.keys() == (names | {"authorization"} if has_key else names)
    assert "secret" not in " ".join(server.headers.values())


def test_the_key_does_not_follow_a_redirect(server: JudgeServer, tmp_path: Path) -> None:
    elsewhere = JudgeServer()
    server.script = [(307, {"Location": f"{elsewhere.address}/chat/completions"})]
    with pytest.raises(InputError, match="status 307"):
        judged(server, *answers(tmp_path, [(8, 5)]), tmp_path / "judged")
    assert not elsewhere.asked
    elsewhere.shutdown()
    elsewhere.server_close()


def test_a_pause_that_is_too_long_ends_the_run_and_is_said(
    server: JudgeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hf_miwv")
    server.script = [(429, {"Retry-After": "3600"})]
    with pytest.raises(InputError, match=r"status 429: .* or wait; verdicts that were given are kept"):
        judged(server, *answers(tmp_path, [(8, 5)]), tmp_path / "judged")
    assert len(server.asked) == 1
    assert "the judge asks to wait 3600 seconds" in caplog.text


def test_half_a_surrogate_pair_can_be_asked_about(server: JudgeServer) -> None:
    judge = endpoint_judge(server.address, "tiny")
    question = "".join(f"[Answer {i}]\nworth {i} \ud83d\n[End of answer {i}]\n" for i in (1, 2))
    assert judge.ask([[{"role": "user", "content": question}]]) == ["Answer 1: 1; Answer 2: 2\nBecause."]
    assert server.asked[0]["messages"][0]["content"] == question


def test_a_proxy_that_cannot_be_used_is_said_when_the_judge_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://me:secret@127.0.0.1:1")
    with pytest.raises(InputError, match="a proxy in the environment, cannot be used") as refusal:
        endpoint_judge("https://host/v1", "tiny")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("script", "requests", "words"),
    [
        ([(401, {})], 1, "the key in OPENAI_API_KEY is not the right one"),
        ([(403, {})], 1, "refuses access .status 403."),
        ([(404, {})], 1, "status 404: .*check --judge and --judge-model"),
        ([(301, {"Location": "http://example.invalid"})], 1, "status 301"),
        (["html"], 1, "something else than a chat completion .<html>"),
        ([(500, {})] * 2, 2, "status 500"),
        (["hang"] * 2, 2, "no answer within 0.5 seconds"),
        (["drop"] * 2, 2, "cannot be reached"),
        ([(400, {})] * 2, 2, "refuses all 1 pairs; the first with: status 400: .*told to"),
    ],
)
def test_what_does_not_pass_is_said(
    server: JudgeServer, tmp_path: Path, script: list[Any], requests: int, words: str
) -> None:
    server.script = script
    with pytest.raises(InputError, match=words) as refusal:
        judged(server, *answers(tmp_path, [(8, 5)]), tmp_path / "judged", timeout=0.5, retries=1)
    assert KEY not in str(refusal.value)
    assert len(server.asked) == requests
    assert not (tmp_path / "judged").exists()


def test_no_server_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = JudgeServer()
    files = answers(tmp_path, [(8, 5)])
    monkeypatch.delenv("OPENAI_API_KEY")
    server.script = [(401, {})]
    with pytest.raises(InputError, match="OPENAI_API_KEY is not set; set OPENAI_API_KEY"):
        judged(server, *files, tmp_path / "judged")
    assert server.keys == {None}
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match=r"cannot be reached .*Connection refused"):
        judged(server, *files, tmp_path / "judged", retries=0)
