"""Judging that was killed, stopped or finished asks nothing twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from judge_server import JudgeServer

from hf_miwv import InputError
from hf_miwv.common.runs.workspace import workspace_of
from tests.miwv.judging.answer_files import KEY, answers, judged


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


@pytest.mark.slow
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
