"""COMET behind an address: the scores of one in process, whatever happens on the way, and what both sides refuse."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from faulty_comet_server import FaultyCometServer

from hf_lmt.__main__ import main as door
from hf_lmt.comet.comet_model import CometModel
from hf_lmt.comet.comet_server import MAX_BODY_BYTES, CometServer, describe_comet
from hf_lmt.comet.load_comet import load_comet
from hf_lmt.comet.served_comet import ServedComet
from hf_lmt.rewards import make_comet_reward
from hf_lmt.rewards.named_rewards import make_reward, reward_identity
from hf_miwv.common.errors import InputError

pytest.importorskip("openai")
ROOT = Path(__file__).parents[3]
CHECKPOINTS = Path(__file__).parents[1] / "comet" / "checkpoints"
ROWS = [json.loads(line) for line in (CHECKPOINTS / "rows.jsonl").read_text("utf-8").splitlines()][20:50]
SOURCES, TRANSLATIONS, REFERENCES = ([row[column] for row in ROWS] for column in ("src", "mt", "ref"))
COLUMNS = {"source": SOURCES, "target": REFERENCES}


@pytest.fixture(scope="module")
def models() -> dict[str, CometModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CHECKPOINTS)  # the checkpoints name their encoders by relative paths
        return {name: load_comet(name, device="cpu") for name in ("comet", "cometkiwi", "xcomet")}


@pytest.fixture
def server(models: dict[str, CometModel]) -> Iterator[FaultyCometServer]:
    server = FaultyCometServer(models["comet"])
    yield server
    server.end()


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_, **__: 0.01)


@pytest.mark.parametrize("name", ["comet", "cometkiwi", "xcomet"])
def test_scores_are_exactly_those_in_process(name: str, models: dict[str, CometModel]) -> None:
    server, references = FaultyCometServer(models[name]), name != "cometkiwi"
    try:
        inside = make_comet_reward(models[name], references=references)(TRANSLATIONS, **COLUMNS)
        served = make_comet_reward(references=references, base_url=server.address)
        assert served(TRANSLATIONS, **COLUMNS) == inside
        assert len(set(inside)) > 20, "equal numbers would show nothing"
        assert served([], source=[], target=[]) == []
        assert server.asked == [len(ROWS)]
    finally:
        server.end()


def test_long_lists_go_in_the_blocks_of_the_model(server: FaultyCometServer, models: dict[str, CometModel]) -> None:
    texts = [f"a {number}" for number in range(515)]
    expected = models["comet"].score(texts, texts[::-1], texts)
    np.testing.assert_array_equal(ServedComet(server.address).score(texts, texts[::-1], texts), expected)
    assert server.asked == [512, 3]


@pytest.mark.usefixtures("_no_pauses")
def test_broken_and_slow_replies_are_asked_for_again(server: FaultyCometServer, models: dict[str, CometModel]) -> None:
    server.script = ["drop", "slow", "drop"]
    served = ServedComet(server.address, timeout=1.0, retries=20)
    assert served.identity == "comet"  # connected
    scores = served.score(SOURCES[:3], TRANSLATIONS[:3], REFERENCES[:3])
    np.testing.assert_array_equal(scores, models["comet"].score(SOURCES[:3], TRANSLATIONS[:3], REFERENCES[:3]))
    assert server.script == []
    server.script = ["slow"] * 3
    with pytest.raises(InputError, match=r"no answer within 0.2 seconds \(timeout in Python\), several times over"):
        ServedComet(server.address, timeout=0.2, retries=1).score(["a"], ["b"], ["c"])


@pytest.mark.usefixtures("_no_pauses")
def test_a_server_that_is_not_there_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reward = make_comet_reward(references=True, base_url=f"http://127.0.0.1:{port}")
    with pytest.raises(InputError, match=r"cannot be reached .* start `hf-lmt serve-comet MODEL` there") as refusal:
        reward(["a"], source=["a"], target=["b"])
    assert f"COMET server http://127.0.0.1:{port}/v1/score" in str(refusal.value)


def test_another_model_at_the_address_is_refused_by_name(
    server: FaultyCometServer, models: dict[str, CometModel]
) -> None:
    served = ServedComet(server.address)
    served.score(["a"], ["b"], ["c"])
    server.description = describe_comet(models["cometkiwi"])
    with pytest.raises(InputError, match=r"it scored by comet \(float32, .* and has cometkiwi \(float32, .* now"):
        served.score(["a"], ["b"], ["c"])


def test_the_description_tells_models_apart(
    models: dict[str, CometModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CHECKPOINTS)
    described = describe_comet(models["comet"])
    assert (described["model"], described["dtype"], described["needs_references"]) == ("comet", "float32", True)
    again = load_comet("comet", device="cpu")
    assert describe_comet(again) == described
    again.score(["a"], ["b"], ["c"])  # the tokenizer truncates from here on
    assert describe_comet(again) == described
    again.estimator.ff[0].bias.data[0] += 1e-3
    assert describe_comet(again)["fingerprint"] != described["fingerprint"]
    assert len({describe_comet(model)["fingerprint"] for model in models.values()}) == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ('{"scores": [1, 2, 3]}', "3 scores for 1 rows"),
        ('{"scores": ["good"]}', "answers with something else than scores"),
        ('{"model": "comet"}', "answers with something else than scores"),
    ],
)
def test_answers_that_cannot_be(server: FaultyCometServer, answer: str, message: str) -> None:
    server.script = [answer]
    with pytest.raises(InputError, match=message):
        ServedComet(server.address).score(["a"], ["b"], ["c"])


def test_a_score_that_is_no_number_is_0(
    server: FaultyCometServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CometModel, "score", lambda *_: np.array([0.5, np.nan]))
    reward = make_comet_reward(references=True, base_url=server.address)
    assert reward(["a", "b"], source=["a", "b"], target=["a", "b"]) == [0.5, 0]
    assert "comet gave no finite score for 1 of 2 completions: they get 0" in caplog.text


def post(server: CometServer, body: bytes, path: str = "/v1/score", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=20)
    connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
    reply = connection.getresponse()
    return reply.status, json.loads(reply.read())["error"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "the request is list, not an object"),
        ({"source": ["a"], "translation": ["b"]}, "comet: reference is missing"),
        ({"source": ["a"], "mt": ["b"], "reference": ["c"]}, "translation is missing, 'mt' is not known"),
        ({"source": "a", "translation": ["b"], "reference": ["c"]}, "source is str, not a list"),
        ({"source": ["a"], "translation": ["b", 3], "reference": ["c"]}, "translation 1 is 3, not a text"),
        ({"source": ["a"], "translation": ["\ud800"], "reference": ["c"]}, "translation 0 is .*not a text in Unicode"),
        (
            {"source": ["a"], "translation": ["b", "c"], "reference": ["c"]},
            r"different lengths \(source 1, translation 2, reference 1\)",
        ),
    ],
)
def test_requests_that_cannot_be_scored(server: FaultyCometServer, content: Any, message: str) -> None:
    status, error = post(server, json.dumps(content).encode())
    assert status == 400
    assert re.search(message, error)
    assert 'send {"source": [...], "translation": [...], "reference": [...]}' in error
    assert server.asked == []


def test_requests_of_another_kind(server: FaultyCometServer, caplog: pytest.LogCaptureFixture) -> None:
    assert post(server, b"{")[0] == 400
    assert post(server, b"[" * 100_000)[0] == 400
    assert post(server, b"{}", "/score")[0] == 404
    status, error = post(server, b"{}", **{"Content-Type": "text/plain"})
    assert (status, error) == (415, "send the header Content-Type: application/json")
    assert post(server, b"", **{"Content-Length": "many"})[0] == 411
    assert post(server, b"", **{"Content-Length": str(MAX_BODY_BYTES + 1)})[0] == 413
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=20)
    for path, expected in [("/", 404), ("/v1/identity", 200)]:
        connection.request("GET", path)
        reply = connection.getresponse()
        content = json.loads(reply.read())
        assert reply.status == expected
    assert content == server.description
    server.model = None  # type: ignore[assignment]
    assert post(server, b'{"source": [], "translation": []}')[0] == 500
    assert "a request was not scored" in caplog.text


def test_a_key_for_others_is_not_sent(server: FaultyCometServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    seen: list[str | None] = []
    monkeypatch.setattr(
        "hf_lmt.comet.comet_server.CometHandler.log_message",
        lambda handler, *_: seen.append(handler.headers["Authorization"]),
    )
    ServedComet(server.address).score(["a"], ["b"], ["c"])
    assert seen == [None, None]
    with pytest.raises(InputError, match=r"\(HF_TOKEN, for hosts of Hugging Face\)") as refusal:
        ServedComet("https://me:secret@host/v1")
    assert "secret" not in str(refusal.value)


def test_a_served_reward_by_name(server: FaultyCometServer) -> None:
    gated = make_reward("gated_comet", base_url=server.address)
    identity = reward_identity(gated, "gated_comet")
    assert identity["model"] == "comet"
    assert identity["served"] == server.description
    assert "right_script" in identity["gates"]
    assert server.address not in json.dumps(identity)
    for settings, message in [
        ({"model": "folder"}, "give either model, to score in this process, or base_url"),
        ({"device": "cpu"}, "dtype and device have no effect with base_url"),
        ({"base_url": "nowhere"}, "COMET server 'nowhere' is no address"),
    ]:
        with pytest.raises(InputError, match=message):
            make_reward("gated_comet", **{"base_url": server.address, **settings})
    with pytest.raises(InputError, match="reward 'chrf' has no COMET model"):
        make_reward("chrf", base_url=server.address)
    with pytest.raises(InputError, match="comet scores with a reference only"):
        make_comet_reward(references=False, base_url=server.address)(["a"], source=["a"])
    with pytest.raises(InputError, match="give either model"):
        make_comet_reward(references=True)


def test_the_command_refuses_what_it_cannot_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        result = CliRunner().invoke(door, ["serve-comet", "comet", "--port", port])
        assert result.exit_code == 2
        assert f"--port {port}: cannot listen there" in result.output
    result = CliRunner().invoke(door, ["serve-comet", str(tmp_path / "none"), "--port", port, "--device", "cpu"])
    assert result.exit_code == 2
    assert "none" in result.output


@pytest.mark.slow
def test_a_server_killed_between_two_calls_is_waited_for(models: dict[str, CometModel]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    command = [sys.executable, "-m", "hf_lmt", "serve-comet", "comet", "--port", port, "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    expected = models["comet"].score(SOURCES, TRANSLATIONS, REFERENCES)
    served = ServedComet(f"http://127.0.0.1:{port}", retries=60)
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(served.score, SOURCES, TRANSLATIONS, REFERENCES)  # before it is there
            process = subprocess.Popen(command, cwd=CHECKPOINTS, stderr=subprocess.DEVNULL, env=environment)
            try:
                np.testing.assert_array_equal(asked.result(), expected)
            finally:
                process.kill()
                process.wait()
