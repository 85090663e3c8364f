"""Two systems' answers before a real judge: an endpoint on the loopback address, a tiny model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import load_dataset
from judge_server import JudgeServer
from scipy.stats import bootstrap

from hf_miwv import InputError
from hf_miwv.commands.judge import open_judge
from hf_miwv.common.models.models import load_model
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.judging.answer_pairs import pair_answers, read_answers
from hf_miwv.judging.endpoint import completions_url, endpoint_judge, key_for
from hf_miwv.judging.judge_answers import judge_answers
from hf_miwv.judging.local_model import model_judge
from hf_miwv.judging.question import REMINDER, read_scores
from hf_miwv.judging.win_score import Judged, pair_outcome, tally, win_score, win_score_interval

KEY = "sk-not-to-be-seen-anywhere-4711"


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    server = JudgeServer()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answers(folder: Path, worths: list[tuple[int, int]], **more: Any) -> tuple[Path, Path]:
    """A's and B's answers, each worth its number; B's lines in the opposite order."""
    a = [{"instruction": f"question {i}", "output": f"worth {one}", **more} for i, (one, _) in enumerate(worths)]
    b = [
        {"prompt": f"question {i}", "response": f"worth {two} says B", "input": None}
        for i, (_, two) in enumerate(worths)
    ]
    return write_lines(folder / "a.jsonl", a), write_lines(folder / "b.jsonl", b[::-1])


def judged(server: JudgeServer, a: Path, b: Path, output: Path, **options: Any) -> dict[str, Any]:
    judge = endpoint_judge(server.address, "tiny", **{"concurrency": 1, **options})
    return judge_answers(a, b, judge, output, progress=False)


WIN, TIE, LOSE = (8.0, 6.0), (7.0, 7.0), (5.0, 9.5)


@pytest.mark.parametrize(
    ("a_first", "b_first", "expected"),
    [
        (WIN, WIN, "win"),
        (WIN, TIE, "win"),
        (TIE, WIN, "win"),
        (LOSE, LOSE, "lose"),
        (LOSE, TIE, "lose"),
        (TIE, LOSE, "lose"),
        (TIE, TIE, "tie"),
        (WIN, LOSE, "tie"),
        (LOSE, WIN, "tie"),
    ],
)
def test_the_outcome_of_both_orders(a_first: Any, b_first: Any, expected: str) -> None:
    assert pair_outcome(a_first, b_first) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((3, 1, 0), 1.75), ((0, 5, 0), 1.0), ((1, 0, 3), 0.5), ((0, 0, 2), 0.0), ((0, 0, 0), None)],
)
def test_the_win_score_by_hand(counts: tuple[int, int, int], expected: float | None) -> None:
    assert win_score(*counts) == expected


def test_the_interval_is_that_of_resampled_pairs() -> None:
    values = np.array([1] * 40 + [0] * 25 + [-1] * 15)
    plain = bootstrap(
        (values + 1,), np.mean, n_resamples=10_000, method="percentile", random_state=3
    ).confidence_interval
    found = win_score_interval(40, 25, 15, seed=0)
    assert found is not None
    np.testing.assert_allclose(found, [plain.low, plain.high], atol=0.02)
    assert found == win_score_interval(40, 25, 15, seed=0)
    assert win_score_interval(999, 800, 777, seed=0) != win_score_interval(999, 800, 777, seed=1)
    assert win_score_interval(4, 0, 0) == (2.0, 2.0)
    assert win_score_interval(0, 0, 0) is None


def test_a_tally_does_not_hang_on_the_order_of_the_pairs() -> None:
    pairs = [
        Judged("x", "judged", WIN, WIN),
        Judged("x", "judged", WIN, LOSE),
        Judged("y", "unparseable", None, WIN),
        Judged("y", "refused", None, None),
        Judged("y", "judged", TIE, LOSE),
    ]
    found = tally(pairs)
    assert found == tally(pairs[::-1])
    assert (found["wins"], found["ties"], found["losses"], found["win_score"]) == (1, 1, 1, 1.0)
    assert (found["pairs"], found["judged"], found["unparseable"], found["refused"]) == (5, 3, 1, 1)
    # shown first: A, A, A with B's place taken in the other order
    assert found["higher"] == {"first": 4, "second": 1, "equal": 1}
    assert found["orders_agree"] == 1


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Answer 1: 7; Answer 2: 8", (7.0, 8.0)),
        ("\n Answer 1: 10; Answer 2: 8.5 \r\nBecause.", (10.0, 8.5)),
        ("<think>\nAnswer 1: 2; Answer 2: 3\n</think>\n\nAnswer 1: 7; Answer 2: 1", (7.0, 1.0)),
        ("Answer 1: 11; Answer 2: 8", None),
        ("Answer 1: 0; Answer 2: 8", None),
        ("Answer 1: 10.5; Answer 2: 8", None),
        ("Answer 1: 7/10; Answer 2: 8/10", None),
        ("Answer 1: 7; Answer 2: 8 of 10", None),
        ("Answer 2: 7; Answer 1: 8", None),
        ("**Answer 1: 7; Answer 2: 8**", None),
        ("I think:\nAnswer 1: 7; Answer 2: 8", None),
        ("7 8", None),
        ("", None),
    ],
)
def test_scores_are_read_strictly(reply: str, expected: tuple[float, float] | None) -> None:
    assert read_scores(reply) == expected


def test_both_orders_by_an_endpoint(server: JudgeServer, tmp_path: Path) -> None:
    a, b = answers(tmp_path, [(8, 5), (7, 3), (6, 6), (2, 9)], source="vicuna")
    output = tmp_path / "judged"
    run = judged(server, a, b, output, concurrency=4)
    scores = run["scores"]["all"]
    assert (scores["wins"], scores["ties"], scores["losses"]) == (2, 1, 1)
    assert scores["win_score"] == 1.25
    assert run["scores"]["sets"]["vicuna"] == scores
    assert scores["higher"] == {"first": 3, "second": 3, "equal": 2}
    rows = load_dataset(str(output), split="train")
    assert rows["outcome"] == ["win", "win", "tie", "lose"]
    assert rows["b_first_score_a"] == [8.0, 7.0, 6.0, 2.0]  # turned back to A's
    assert rows["a_first_replies"][0] == ["Answer 1: 8; Answer 2: 5\nBecause."]
    assert rows["answer_b"][3] == "worth 9 says B"
    assert len(server.asked) == 8
    assert server.asked[0]["temperature"] == 0
    assert server.keys == {f"Bearer {KEY}"}
    assert read_record(output) == run
    assert "| all | 4 | 2 | 1 | 1 | 1.250 |" in (output / "README.md").read_text()
    assert (output / "outcomes.png").stat().st_size > 1000
    assert not workspace_of(output).exists()


def test_a_judge_that_prefers_a_place_makes_ties(server: JudgeServer, tmp_path: Path) -> None:
    server.bias = 3
    run = judged(server, *answers(tmp_path, [(5, 6), (6, 5), (7, 7)]), tmp_path / "judged")
    scores = run["scores"]["all"]
    assert (scores["wins"], scores["ties"], scores["losses"]) == (0, 3, 0)
    assert (scores["win_score"], scores["interval"]) == (1.0, [1.0, 1.0])
    assert scores["higher"] == {"first": 6, "second": 0, "equal": 0}
    assert scores["orders_agree"] == 0


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


def test_replies_that_cannot_be_read_are_counted(
    server: JudgeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = ["7 to 8", "still 7 to 8"]
    run = judged(server, *answers(tmp_path, [(8, 5), (6, 5)]), tmp_path / "judged")
    scores = run["scores"]["all"]
    assert (scores["unparseable"], scores["judged"], scores["win_score"]) == (1, 1, 2.0)
    assert "1 of 2 pairs have a reply without readable scores and are left out" in caplog.text
    again = server.asked[1]["messages"]
    assert [turn["role"] for turn in again] == ["user", "assistant", "user"]
    assert (again[1]["content"], again[2]["content"]) == ("7 to 8", REMINDER)
    row = load_dataset(str(tmp_path / "judged"), split="train")[0]
    assert (row["status"], row["outcome"], row["a_first_score_a"]) == ("unparseable", None, None)
    assert row["a_first_replies"] == ["7 to 8", "still 7 to 8"]
    assert row["b_first_score_a"] == 8.0  # what was given is kept


def test_a_pair_that_the_judge_refuses_is_counted(server: JudgeServer, tmp_path: Path) -> None:
    server.refused = ("question 1", 413)
    run = judged(server, *answers(tmp_path, [(8, 5), (6, 5)]), tmp_path / "judged")
    assert (run["scores"]["all"]["refused"], run["scores"]["all"]["wins"]) == (1, 1)
    rows = load_dataset(str(tmp_path / "judged"), split="train")
    assert rows["status"] == ["judged", "refused"]
    assert "status 413" in rows["refusal"][1]
    assert "far too long" in rows["refusal"][1]


def test_a_refusal_is_asked_for_again_and_a_verdict_is_not(
    server: JudgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its folder was written, it goes on: a refusal may be no refusal the next time."""
    files = answers(tmp_path, [(8, 5), (6, 5)])

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt  # as a kill behind the last verdict

    server.refused = ("question 1", 413)
    with monkeypatch.context() as patched:
        patched.setattr("hf_miwv.judging.judge_answers.write_folder", fail)
        with pytest.raises(KeyboardInterrupt):
            judged(server, *files, tmp_path / "judged")
    before = len(server.asked)
    server.refused = None
    run = judged(server, *files, tmp_path / "judged")
    again = [question["messages"][-1]["content"] for question in server.asked[before:]]
    assert len(again) == 2  # both orders of the pair that was refused
    assert all("question 1" in text for text in again)
    assert (run["scores"]["all"]["refused"], run["scores"]["all"]["wins"]) == (0, 2)


def command(server: JudgeServer, a: Path, b: Path, output: Path) -> list[str]:
    code = (
        "from hf_miwv.__main__ import main\n"
        "from hf_miwv.commands.judge import judge_command\n"
        "main.add_command(judge_command)\n"
        "main()\n"
    )
    return [
        sys.executable,
        "-c",
        code,
        "judge",
        str(a),
        str(b),
        "--judge",
        server.address,
        "--judge-model",
        "tiny",
        "--concurrency",
        "1",
        "--output",
        str(output),
    ]


def test_kill_9_and_go_on_without_asking_twice(server: JudgeServer, tmp_path: Path) -> None:
    a, b = answers(tmp_path, [(i % 9 + 1, i % 7 + 1) for i in range(12)])
    output = tmp_path / "judged"
    journal = workspace_of(output) / "verdicts.jsonl"
    server.holds_from = 8
    process = subprocess.Popen(command(server, a, b, output), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(server.asked) < 8:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert journal.read_bytes().count(b"\n") == 7
    with open(journal, "ab") as file:
        file.write(b'[["5f')  # as a pulled plug leaves it
    server.holds_from = None
    server.release.set()
    last = subprocess.run(command(server, a, b, output), capture_output=True, text=True)
    assert last.returncode == 0, last.stderr[-2000:]
    assert "7 of 24 verdicts are there" in last.stderr
    assert "A against B" in last.stderr
    times_asked = sorted(server.questions().values())
    assert times_asked == [1] * 23 + [2]  # the one under way when the process was killed
    everything = [path.read_bytes() for path in output.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in [*everything, last.stderr.encode()])

    whole = tmp_path / "whole" / "judged"
    judged(server, a, b, whole, concurrency=8)
    for file in ("data/train-00000-of-00001.parquet", "outcomes.png"):
        assert (output / file).read_bytes() == (whole / file).read_bytes()


def test_ctrl_c_asks_nothing_more(server: JudgeServer, tmp_path: Path) -> None:
    files = answers(tmp_path, [(i % 9 + 1, 5) for i in range(12)])
    server.holds_from = 3
    process = subprocess.Popen(
        command(server, *files, tmp_path / "judged"),
        stderr=subprocess.PIPE,
        # a shell's background jobs, and so what they start, would ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while len(server.asked) < 3:
        assert process.poll() is None, "ended before it could be stopped"
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    server.holds_from = None
    server.release.set()
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert len(server.asked) == 3
    journal = workspace_of(tmp_path / "judged") / "verdicts.jsonl"
    assert journal.read_bytes().count(b"\n") == 3  # the one under way, too


def test_a_finished_run_asks_nothing_and_more_answers_ask_for_themselves(server: JudgeServer, tmp_path: Path) -> None:
    files = answers(tmp_path, [(8, 5), (6, 5)])
    first = judged(server, *files, tmp_path / "judged")
    assert judged(server, *files, tmp_path / "judged") == first
    assert len(server.asked) == 4
    with pytest.raises(InputError, match=r"another run \(not the same: judge\)"):
        judged(server, *files, tmp_path / "judged", max_new_tokens=7)
    stopped = tmp_path / "stopped"
    server.script = ["Answer 1: 8; Answer 2: 1"] * 3 + [(404, {})]
    with pytest.raises(InputError, match="status 404"):
        judged(server, *files, stopped)
    more = answers(tmp_path, [(8, 5), (6, 5), (1, 2)])
    judged(server, *more, stopped)
    assert len(server.asked) == 4 + 4 + 3


def test_the_judge_model_here_says_nothing_that_can_be_read(model_folder: Path, tmp_path: Path) -> None:
    files = answers(tmp_path, [(8, 5), (6, 5)])
    runs = []
    for name in ("one", "other"):
        loaded = load_model(str(model_folder), device="cpu")
        loaded.model.config.max_position_embeddings = 4096
        judge = model_judge(loaded, max_new_tokens=8, batch_tokens=8000)
        runs.append(judge_answers(*files, judge, tmp_path / name, progress=False))
    scores = runs[0]["scores"]["all"]
    assert (scores["pairs"], scores["unparseable"], scores["judged"]) == (2, 2, 0)
    assert (scores["win_score"], scores["interval"]) == (None, None)
    parts = [(tmp_path / n / "data/train-00000-of-00001.parquet").read_bytes() for n in ("one", "other")]
    assert parts[0] == parts[1]
    row = load_dataset(str(tmp_path / "one"), split="train")[0]
    assert len(row["a_first_replies"]) == 2
    assert "| all | 0 | 0 | 0 | 0 | – | – |" in (tmp_path / "one" / "README.md").read_text()


def test_questions_that_are_too_long_for_the_judge_model(model_folder: Path, tmp_path: Path) -> None:
    judge = model_judge(load_model(str(model_folder), device="cpu"), max_new_tokens=8)
    with pytest.raises(InputError, match=r"refuses all 1 pairs.* tokens, and there is room for 504"):
        judge_answers(*answers(tmp_path, [(8, 5)]), judge, tmp_path / "judged", progress=False)


def test_matching_by_id_and_by_content(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    a = write_lines(
        tmp_path / "a.jsonl",
        [
            {"id": 1, "instruction": "add", "input": "2 3", "output": "5"},
            {"id": 2, "question": "why?", "answer": ""},
            {"id": 3, "text": "how?", "completion": "so"},
        ],
    )
    b = write_lines(
        tmp_path / "b.jsonl",
        [
            {"prompt": "how? ", "output": "thus"},
            {"prompt": "add\n\n2 3", "output": "six"},
            {"prompt": "when?", "output": "now"},
        ],
    )
    found = pair_answers(read_answers(a), read_answers(b))
    assert [(pair.id, pair.a, pair.b) for pair in found.pairs] == [("1", "5", "six"), ("3", "so", "thus")]
    assert (found.matched_by, found.only_in_a, found.only_in_b) == ("prompt", 1, 1)
    assert f"{a}:2: row 1: no answer with this prompt in the other file" in caplog.text
    assert f"{b}:3: row 2: no answer with this prompt in the other file" in caplog.text
    same = pair_answers(read_answers(a), read_answers(a)[::-1])
    assert (same.matched_by, len(same.pairs)) == ("id", 3)


GOOD = {"prompt": "why?", "output": "so"}


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ([{"prompt": "why?"}], [GOOD], r"a.jsonl:1: row 0: give the answer in one of .* none"),
        ([{**GOOD, "answer": "x"}], [GOOD], "found both output and answer"),
        ([{"prompt": "why?", "output": 3}], [GOOD], r"'output' must be a string, found .*\(3\)"),
        ([GOOD, {"output": "x"}], [GOOD], r"a.jsonl:2: row 1: no prompt; give it as one of"),
        ([{"prompt": " ", "output": "x"}], [GOOD], "'prompt' is empty"),
        ([{"prompt": ["x"], "output": "x"}], [GOOD], "'prompt' must be a string, found a list"),
        ([GOOD, GOOD], [GOOD], r"a.jsonl:2: row 1: the same prompt as in .*a.jsonl:1: row 0"),
        ([GOOD], [{**GOOD, "prompt": "who?"}], "no line of the two files has the same prompt"),
        ([{**GOOD, "id": 1}], [{"id": 1, "prompt": "who?", "output": "x"}], "different prompts"),
        ([{**GOOD, "id": [1]}], [GOOD], "column id must be a string or a whole number"),
        ([["x"]], [GOOD], "a row must be an object"),
        ([], [GOOD], "holds no rows"),
    ],
)
def test_files_that_cannot_be_judged(tmp_path: Path, a: Any, b: Any, words: str) -> None:
    files = write_lines(tmp_path / "a.jsonl", a), write_lines(tmp_path / "b.jsonl", b)
    with pytest.raises(InputError, match=words):
        pair_answers(*(read_answers(file) for file in files))


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
