"""`evaluate` of hypotheses with COMET: in a process of its own, and in this one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hf_lmt.evaluation.comet.comet import MODELS, PublishedModel
from hf_lmt.evaluation.evaluate import evaluate
from tests.lmt.evaluation.test_evaluate_hypotheses import COLUMNS, home  # noqa: F401

FAKE_COMET = """#!{python}
import json, sys
if sys.argv[1] != "-c":
    print(json.dumps({{"signature": "fake"}}))
    for line in sys.stdin:
        row = json.loads(line)
        print(json.dumps({{"score": float(row["mt"] == row["ref"])}}))
"""


def test_comet_in_its_own_process(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(FAKE_COMET.format(python=sys.executable), "utf-8")
    python.chmod(0o755)
    table = tmp_path / "table.csv"
    rows = [
        f'"{english}","{german}","行{place}"'
        for place, (english, german) in enumerate(zip(COLUMNS["en"][:4], COLUMNS["de"][:4], strict=True))
    ]
    table.write_text("\n".join(["en,de,yue", *rows]) + "\n", "utf-8")
    hypotheses = {"en-de": [*COLUMNS["de"][:3], "x"], "en-yue": ["行0", "x", "x", "x"]}
    judged = evaluate(
        str(table), tmp_path / "EVAL", hypotheses=hypotheses, metrics=["comet"], comet_python=python, progress=False
    )
    german, cantonese = (judged.scores["directions"][name]["scores"]["comet-22"] for name in ("en-de", "en-yue"))
    assert (german["value"], german["unreliable"]) == (0.75, None)
    assert cantonese["value"] == 0.25
    assert "unreliable into Yue Chinese" in cantonese["unreliable"]
    mean = judged.scores["groups"]["en2x"]["scores"]["comet-22"]
    assert (mean["mean"], mean["apart"]) == (0.75, ["en-yue"])
    assert judged.counts("en-de").statistics["comet-22"].counts[:, 0].tolist() == [1, 1, 1, 0]
    assert judged.run["settings"]["comet"] == "unbabel-comet"


@pytest.mark.parametrize(("metric", "references"), [("comet-22", True), ("cometkiwi", False), ("xcomet", True)])
def test_comet_in_this_process(metric: str, references: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Path(__file__).parents[1] / "comet" / "checkpoints"
    monkeypatch.chdir(checkpoints)  # its models name their encoders by relative paths
    name = metric.removesuffix("-22")
    monkeypatch.setitem(MODELS, metric, PublishedModel(f"./{name}", references))
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text("utf-8").splitlines()][20:60]
    expected = json.loads(Path("scores.json").read_text())[name][20:60]
    table = tmp_path / "table.jsonl"
    table.write_text("".join(json.dumps({"en": row["src"], "de": row["ref"]}) + "\n" for row in rows))
    judged = evaluate(
        str(table),
        tmp_path / "EVAL",
        hypotheses={"en-de": [row["mt"] for row in rows]},
        metrics=[metric],
        progress=False,
    )
    score = judged.scores["directions"]["en-de"]["scores"][metric]
    assert score["value"] == pytest.approx(np.mean(expected), abs=1e-5)
    assert score["signature"].startswith(f"model:./{name}|dtype:float32|comet:hf_lmt|version:hf_lmt.")
    assert judged.run["settings"]["comet"] == judged.run["identity"]["settings"]["comet"] == "hf_lmt"
