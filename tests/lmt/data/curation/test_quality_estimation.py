"""Quality estimation: by programs that are really run, killed and go on, and by a model."""

from __future__ import annotations

import json
import os
import pickle
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pytest
import torch
from datasets import Dataset

from hf_lmt.data.curation.curate import curate
from hf_lmt.data.curation.quality import QualityEstimation
from hf_miwv.common.errors import InputError

CHECKPOINTS = Path(__file__).parents[2] / "comet" / "checkpoints"
BY_LENGTH = """
import json, os, sys
log, fault = os.environ["ESTIMATOR_LOG"], sys.argv[1] if len(sys.argv) > 1 else ""
print("estimator speaking", file=sys.stderr)
with open(log, "a") as file:
    for number, line in enumerate(sys.stdin, 1):
        if fault == "dies" and number == 3:
            sys.exit("out of memory")
        if fault == "half" and number == 3:
            sys.stdout.write("0.")
            sys.stdout.flush()
            os.kill(os.getpid(), 9)
        if fault == "few" and number == 2:
            continue
        if fault == "rubbish" and number == 3:
            print("loading model...")
        pair = json.loads(line)
        file.write(pair["src"] + "\\n")
        file.flush()
        score = min(len(pair["src"]), len(pair["mt"])) / max(len(pair["src"]), len(pair["mt"]))
        print(json.dumps({"score": float("nan") if fault == "nan" else score}), flush=True)
        if fault == "many":
            print(0.5)
        if fault == "slow":
            import time
            time.sleep(0.2)
"""


@pytest.fixture
def estimator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("ESTIMATOR_LOG", str(tmp_path / "log"))
    (tmp_path / "by_length.py").write_text(BY_LENGTH)
    return tmp_path / "by_length.py"


def command(estimator: Path, fault: str = "") -> str:
    return shlex.join([sys.executable, str(estimator), *([fault] if fault else [])])


def seen(estimator: Path) -> list[str]:
    log = estimator.with_name("log")
    return log.read_text().splitlines() if log.exists() else []


def rows(*lengths: tuple[int, int], languages: str = "en-de") -> Dataset:
    source_lang, target_lang = languages.split("-")
    return Dataset.from_list(
        [
            {
                "source_lang": source_lang,
                "target_lang": target_lang,
                "source": f"{number}".ljust(source, "a"),
                "target": "b" * target,
            }
            for number, (source, target) in enumerate(lengths)
        ]
    )


FOUR = ((10, 10), (10, 6), (7, 10), (30, 2))


def sources(step: QualityEstimation, data: Dataset) -> list[str]:
    return [text[0] for text in curate(data, [step], progress=False).rows["source"]]


@pytest.mark.parametrize(("threshold", "kept"), [(0.7, "02"), (0.65, "02"), (0.6, "012"), (1, "0")])
def test_rows_below_the_threshold_go(estimator: Path, threshold: float, kept: str) -> None:
    step = QualityEstimation(command=command(estimator), threshold=threshold)
    assert sources(step, rows(*FOUR)) == list(kept)
    assert step.notes["scored"] == 4


def test_each_pair_is_scored_once_and_for_all(estimator: Path) -> None:
    data = datasets.concatenate_datasets([rows(*FOUR), rows(*FOUR)])
    sources(QualityEstimation(command=command(estimator)), data)
    assert sorted(seen(estimator)) == sorted(rows(*FOUR)["source"])
    again = QualityEstimation(command=command(estimator), threshold=0.6)
    assert sources(again, rows(*reversed(FOUR[:3]))) == ["0", "1", "2"]
    assert len(seen(estimator)) == 4 + 2  # two pairs are new, numbered otherwise; no other is
    alone = QualityEstimation(command=command(estimator))
    table = rows(*FOUR).with_format("arrow")[:]
    assert [reason is None for reason in alone(table)] == [True, False, True, False]
    estimator.write_text(BY_LENGTH + "\n# another version\n")
    os.utime(estimator, ns=(1, 1))
    sources(QualityEstimation(command=command(estimator)), rows(*FOUR))
    assert len(seen(estimator)) == 10


def test_languages_that_are_not_covered_stay_and_are_counted(estimator: Path) -> None:
    data = [rows((30, 1), languages=pair) for pair in ("en-de", "en-bo", "yue-en", "kk-en")]
    step = QualityEstimation(command=command(estimator))
    kept = curate(datasets.concatenate_datasets(data), [step], progress=False).rows
    assert list(kept["target_lang"]) == ["bo", "en"]
    assert step.notes == {"not_covered": {"bo": 1, "yue": 1}, "scored": 2}
    assert len(seen(estimator)) == 1  # the two have the same texts
    step = QualityEstimation(command=command(estimator), languages=["kk", "en"])
    kept = curate(datasets.concatenate_datasets(data), [step], progress=False).rows
    assert list(kept["target_lang"]) == ["de", "bo", "en"]
    assert step.notes["not_covered"] == {"de": 1, "bo": 1, "yue": 1}


@pytest.mark.parametrize(
    ("fault", "words", "kept"),
    [
        ("dies", r"status 1 after 2 scores; it said: .*out of memory.*run again", 2),
        ("half", r"status -9 after 2 scores", 2),
        ("few", r"wrote 3 scores for 4 pairs.*None of them is used", 0),
        ("many", r"None of them is used", 0),
        ("rubbish", r"line 3 of its output is 'loading model...'", 0),
        ("nan", r"line 1 of its output", 0),
    ],
)
def test_estimators_that_fail(estimator: Path, fault: str, words: str, kept: int) -> None:
    step = QualityEstimation(command=command(estimator, fault))
    with pytest.raises(InputError, match=words):
        sources(step, rows(*FOUR))
    files = list((estimator.parent / "cache").glob("lmt-quality-*"))
    assert [file.stat().st_size for file in files] == [16 * kept]
    if kept:  # the next run asks for the others alone, which here come to fewer than three
        before = len(seen(estimator))
        again = QualityEstimation(command=command(estimator, fault))
        assert sources(again, rows(*FOUR)) == ["0", "2"]
        assert len(seen(estimator)) == before + 2


def test_a_killed_run_goes_on(estimator: Path) -> None:
    many = rows(*[(10, 1 + number % 10) for number in range(20)])
    many.to_json(estimator.with_name("rows.jsonl"))
    script = (
        "import datasets, sys; from pathlib import Path\n"
        "datasets.config.HF_DATASETS_CACHE = Path(sys.argv[1])\n"
        "from hf_lmt.data.curation.quality import QualityEstimation\n"
        "rows = [__import__('json').loads(line) for line in open(sys.argv[2])]\n"
        "QualityEstimation(command=sys.argv[3]).survey(datasets.Dataset.from_list(rows))"
    )
    cache, data = estimator.with_name("cache"), estimator.with_name("rows.jsonl")
    line = command(estimator, "slow")
    process = subprocess.Popen([sys.executable, "-c", script, str(cache), str(data), line])
    deadline = time.monotonic() + 60
    while len(seen(estimator)) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (file,) = cache.glob("lmt-quality-*")
    done = file.stat().st_size // 16
    assert 3 <= done < 20
    with open(file, "ab") as torn:
        torn.write(b"torn")
    estimator.with_name("log").write_text("")
    step = QualityEstimation(command=line)
    expected = [text for text, target in zip(many["source"], many["target"], strict=True) if len(target) >= 7]
    assert list(curate(many, [step], progress=False).rows["source"]) == expected
    new = [text for text in seen(estimator) if text]
    assert len(set(new)) == 20 - done
    assert file.stat().st_size == 20 * 16


def test_a_program_that_is_not_there(estimator: Path) -> None:
    with pytest.raises(InputError, match="cannot be started"):
        sources(QualityEstimation(command="/no/such/program --fast"), rows(*FOUR))


def test_more_pairs_than_a_pipe_holds(estimator: Path) -> None:
    data = rows(*[(300, 300 - number % 200) for number in range(3000)])
    step = QualityEstimation(command=command(estimator), threshold=0.5)
    found = curate(data, [step], progress=False).rows
    assert len(found) == sum(300 - number % 200 >= 150 for number in range(3000))


COMET = """
import os
def download_model(name):
    print("Fetching", name)
    return "/models/" + name
class Model:
    def predict(self, samples, batch_size, gpus, progress_bar):
        print("Predicting")
        os.system("echo from a child")
        from types import SimpleNamespace
        return SimpleNamespace(scores=[len(one["mt"]) / len(one["src"]) for one in samples])
def load_from_checkpoint(path):
    assert path == "/models/Unbabel/kiwi", path
    return Model()
"""


def test_comet_runs_in_its_own_environment(estimator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package is played by one with the four names that the worker uses, which also prints."""
    (tmp_path / "comet").mkdir()
    (tmp_path / "comet" / "__init__.py").write_text(COMET)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    step = QualityEstimation(model="Unbabel/kiwi", python=sys.executable)
    assert sources(step, rows(*FOUR[:2], (10, 7))) == ["0", "2"]


def test_a_sentence_transformers_model(embedder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers import SentenceTransformer

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    data = Dataset.from_list(
        [
            {"source_lang": "en", "target_lang": "de", "source": source, "target": target}
            for source, target in (
                ("the red house", "the red house"),
                ("a dog runs", "stars are far"),
                ("one two", "one two three"),
            )
        ]
    )
    model = SentenceTransformer(str(embedder_folder), device="cpu")
    vectors = [model.encode(list(data[side])) for side in ("source", "target")]
    norms = [np.linalg.norm(vector, axis=1) for vector in vectors]
    cosines = (vectors[0] * vectors[1]).sum(axis=1) / norms[0] / norms[1]
    threshold = float(np.sort(cosines)[1:].mean())
    step = QualityEstimation(model=str(embedder_folder), threshold=threshold)
    found = step(data.with_format("arrow")[:])
    assert [reason is None for reason in found] == (cosines >= threshold).tolist()
    assert sum(reason is None for reason in found) == 1
    assert pickle.loads(pickle.dumps(step))(data.with_format("arrow")[:]) == found  # noqa: S301


def test_a_comet_model_in_this_process(estimator: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKPOINTS)
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text("utf-8").splitlines()][20:40]
    scores = np.array(json.loads(Path("scores.json").read_text())["cometkiwi"])[20:40]
    data = Dataset.from_list(
        [{"source_lang": "en", "target_lang": "de", "source": row["src"], "target": row["mt"]} for row in rows]
    )
    threshold = float(np.sort(scores)[9:11].mean())
    step = QualityEstimation(model="./cometkiwi", threshold=threshold)
    found = step(data.with_format("arrow")[:])
    assert [reason is None for reason in found] == (scores >= threshold).tolist()
    assert 0 < sum(reason is None for reason in found) < 20
    half = QualityEstimation(model="./cometkiwi", threshold=threshold, dtype="bfloat16")
    assert half._identity() != step._identity()  # or scores of another dtype would be taken from the cache
    half(data.with_format("arrow")[:])
    assert half._loaded.encoder.dtype == torch.bfloat16
    with pytest.raises(InputError, match=r"quality: model './comet' scores with a reference"):
        QualityEstimation(model="./comet")(data.with_format("arrow")[:])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "give model"),
        ({"model": "m", "dtype": "int8"}, "dtype int8: give float32 or bfloat16"),
        ({"command": "c", "dtype": "bfloat16"}, "for a COMET model in this process alone"),
        ({"model": "a/b", "command": "c"}, "give model"),
        ({"command": "c", "python": "/usr/bin/python"}, "give model"),
        ({"command": "c", "threshold": "high"}, "threshold 'high'"),
        ({"command": "c", "languages": "en"}, r"a list, as in \[en\]"),
        ({"command": "c", "languages": ["xx"]}, "no language 'xx'"),
        ({"command": "c", "languages": [False]}, "put quotes"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        QualityEstimation(**settings)


def test_no_rows_start_no_program() -> None:
    step = QualityEstimation(command="/no/such/program")
    assert step(pyarrow.Table.from_pylist(rows(FOUR[0], languages="en-bo").to_list())) == [None]
    assert json.dumps(step.notes)
