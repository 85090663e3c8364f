"""Scorers in another process: somebody's own small one stands for COMET, and misbehaves."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hf_lmt.evaluation.comet import comet
from hf_lmt.evaluation.comet.comet import BLOCK, CometScorer, comet_command
from hf_lmt.evaluation.comet.comet_environment import comet_environment
from hf_lmt.evaluation.metrics.corpus_scores import mean_statistics, score_of
from hf_miwv.common.errors import InputError

SCORER = """
import json, os, sys, time
how, marks = sys.argv[1], sys.argv[2]
print("loading", file=sys.stderr)
if how != "unsigned":
    print(json.dumps({"signature": "overlap:1"}), flush=True)
for number, line in enumerate(sys.stdin):
    row = json.loads(line)
    open(marks, "a").write(row["mt"] + "\\n")
    right, said = set(row.get("ref", row["src"]).split()), row["mt"].split()
    if how == "dies" and row["mt"] == "row 700":
        sys.stdout.flush()
        os.abort()
    if how == "sleeps" and row["mt"] == "row 700":
        sys.stdout.flush()
        time.sleep(60)
    if how == "stops" and number == 9:
        sys.exit(0)
    if how == "rubbish" and number == 9:
        print("Loading model...")
    if how == "texts" and number == 9:
        print(json.dumps({"score": "high"}))
    score = float("nan") if how == "nan" and number == 3 else len(right & set(said)) / len(said)
    print(json.dumps({"score": score}))
    if how == "twice":
        print(json.dumps({"score": score}))
if how == "fails":
    print("out of memory", file=sys.stderr)
    sys.exit(3)
"""
SIZE = 1200
SOURCES = [f"Satz {number}" for number in range(SIZE)]
HYPOTHESES = [f"row {number}" for number in range(SIZE)]
REFERENCES = [f"row {number * (number % 3)}" for number in range(SIZE)]
EXPECTED = [1.0 if number * (number % 3) == number else 0.5 for number in range(SIZE)]


@pytest.fixture
def scorer_of(tmp_path: Path):  # type: ignore[no-untyped-def]
    script = tmp_path / "scorer.py"
    script.write_text(SCORER)

    def make(how: str) -> CometScorer:
        return CometScorer([sys.executable, str(script), how, str(tmp_path / "seen")])

    return make


@pytest.mark.parametrize("how", ["well", "unsigned"])
def test_scores_come_in_order(how: str, scorer_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = scorer_of(how).score(SOURCES, HYPOTHESES, REFERENCES, tmp_path / "work")
    assert found.values.tolist() == EXPECTED
    assert found.unscored == ()
    assert found.signature.startswith("overlap:1" if how == "well" else "command:")
    assert not (tmp_path / "work").exists()


def test_a_model_without_references_gets_none(scorer_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = scorer_of("well").score(["a b", "c d"], ["a b", "a d"], None, tmp_path / "work")
    assert found.values.tolist() == [1.0, 0.5]


def test_what_is_no_number_is_told_and_left_out(  # type: ignore[no-untyped-def]
    scorer_of, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = scorer_of("nan").score(SOURCES[:9], HYPOTHESES[:9], REFERENCES[:9], tmp_path / "work")
    assert found.unscored == (3,)
    assert np.isnan(found.values[3])
    assert "no finite score for 1 of 9 rows, the first of them row 3" in caplog.text
    score = score_of(mean_statistics("comet-22", found.values, found.signature))
    assert score.value == pytest.approx(np.mean(EXPECTED[:3] + EXPECTED[4:9]))
    assert score.signature == "overlap:1"
    nothing = score_of(mean_statistics("comet-22", [float("nan")], ""))
    assert (nothing.value, nothing.unavailable) == (None, "no sentence has a score")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("dies", f"by signal {signal.SIGABRT.value} after 700 of 1,200 rows; 512 scores are kept"),
        ("stops", "with exit code 0 after 9 of 1,200 rows; 0 scores are kept"),
        ("fails", "with exit code 3 after 1,200 of 1,200 rows; 1,024 scores are kept"),
        ("fails", "It said:\nloading\nout of memory"),
        ("rubbish", "answered 'Loading model...' for row 9"),
        ("texts", 'answered \'{"score": "high"}\' for row 9'),
        ("twice", "gave more than one score for each of 1,200 rows"),
    ],
)
def test_a_scorer_that_misbehaves(how: str, message: str, scorer_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as caught:
        scorer_of(how).score(SOURCES, HYPOTHESES, REFERENCES, tmp_path / "work")
    assert message in str(caught.value)


def test_one_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be started: No such file"):
        CometScorer([str(tmp_path / "none")]).score(["a"], ["b"], None, tmp_path / "work")


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[3], sys.argv[3] + "/tests"]
from tests.lmt.evaluation.comet.test_comet import HYPOTHESES, REFERENCES, SOURCES
from hf_lmt.evaluation.comet.comet import CometScorer
command = [sys.executable, sys.argv[1] + "/scorer.py", sys.argv[2], sys.argv[1] + "/seen"]
CometScorer(command).score(SOURCES, HYPOTHESES, REFERENCES, Path(sys.argv[1]) / "work")
"""


def test_a_killed_run_goes_on(scorer_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    scorer = scorer_of("sleeps")
    arguments = [str(tmp_path), "sleeps", str(Path(__file__).parents[4])]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], start_new_session=True)
    journal = tmp_path / "work" / comet.JOURNAL
    for _ in range(600):
        if journal.exists() and journal.read_bytes().endswith(b"\n"):
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    script = Path(scorer.command[1])
    script.write_text(script.read_text().replace("time.sleep(60)", "pass"))
    (tmp_path / "seen").unlink()
    found = scorer.score(SOURCES, HYPOTHESES, REFERENCES, tmp_path / "work")
    assert found.values.tolist() == EXPECTED
    assert (tmp_path / "seen").read_text().split("\n")[0] == f"row {BLOCK}"


def test_other_rows_begin_anew(scorer_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="512 scores are kept"):
        scorer_of("dies").score(SOURCES, HYPOTHESES, REFERENCES, tmp_path / "work")
    found = scorer_of("dies").score(SOURCES[:9], HYPOTHESES[:9], REFERENCES[:9], tmp_path / "work")
    assert found.values.tolist() == EXPECTED[:9]


def test_the_environment_is_made_with_consent_only(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        comet_environment(tmp_path / "comet")
    message = str(caught.value)
    commands = [shlex.split(line) for line in message.splitlines() if line.startswith("  ")]
    assert commands[0] == [sys.executable, "-m", "venv", str(tmp_path / "comet")]
    assert commands[1][1:4] == ["-m", "pip", "install"]
    assert "unbabel-comet==2.2.7" in commands[1]
    assert "All other metrics go on without it" in message
    assert not (tmp_path / "comet").exists()


def test_an_environment_that_has_comet_is_used(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    with pytest.raises(InputError, match="COMET is not installed"):
        comet_environment(tmp_path / "env")
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (packages / "comet").mkdir()
    (packages / "comet" / "__init__.py").write_text(STAND_IN)
    (packages / "unbabel_comet-2.2.7.dist-info").mkdir()
    (packages / "unbabel_comet-2.2.7.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: unbabel-comet\nVersion: 2.2.7\n"
    )
    (packages / "torch.py").write_text("class cuda:\n    is_available = staticmethod(bool)\n")
    (packages / "huggingface_hub.py").write_text("def snapshot_download(name):\n    return name\n")
    python = comet_environment(tmp_path / "env")
    found = CometScorer(comet_command(python, "comet-22")).score(SOURCES, HYPOTHESES, REFERENCES, tmp_path / "work")
    assert found.values.tolist() == [len(text) for text in REFERENCES]
    assert found.signature == "model:Unbabel/wmt22-comet-da|unbabel-comet:2.2.7"


STAND_IN = """
class Model:
    def predict(self, samples, batch_size, gpus, progress_bar, num_workers):
        print("this is for people")
        return {"scores": [len(row["ref"]) for row in samples]}
def load_from_checkpoint(path):
    assert path == "Unbabel/wmt22-comet-da/checkpoints/model.ckpt"
    return Model()
"""


def test_a_mistyped_metric() -> None:
    with pytest.raises(InputError, match="did you mean 'cometkiwi'"):
        comet_command("python", "cometkivi")
    assert json.dumps(comet_command("python", "xcomet")).count("XCOMET-XL") == 1
