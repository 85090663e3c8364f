"""A trial whose verdict is a judge's: each method's answers beside its control's, in both orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from judge_server import ANSWERS, JudgeServer

from hf_miwv import InputError, trial
from hf_miwv.common.models.models import load_model
from hf_miwv.judging.endpoint import endpoint_judge
from hf_miwv.judging.local_model import model_judge
from tests.miwv.trials.test_trial import SETTINGS, rows

pytestmark = pytest.mark.slow


class LongerIsBetter(JudgeServer):
    """Scores an answer by its letters: 1 to 10."""

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        scores = [min(10, 1 + len(text) // 3) for text in ANSWERS.findall(body["messages"][0]["content"])]
        return {"message": {"role": "assistant", "content": f"Answer 1: {scores[0]}; Answer 2: {scores[1]}\nBecause."}}


def test_the_judge_is_asked_of_each_method_and_seed(
    model_folder: Path, embedder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = LongerIsBetter()
    settings = {**SETTINGS, "scoring": {"embedder": str(embedder_folder), "progress": False}}
    run = trial(
        Dataset.from_list(rows()),
        str(model_folder),
        output_dir=tmp_path / "TRIAL",
        **{**settings, "evaluate": ["judge", "loss"], "judged_rows": 4, "max_new_tokens": 6},
        judge=endpoint_judge(server.address, "tiny", concurrency=1),
    )
    server.shutdown()
    server.server_close()
    assert run["measurements"]["judge"]["rows"] == 4
    by_judge, by_loss = (next(c for c in run["comparisons"] if c["measurement"] == name) for name in ("judge", "loss"))
    assert -1 <= by_judge["mean"] <= 1
    assert by_loss["method"] == by_judge["method"] == "miwv"
    assert [seen["measurement"] for seen in run["power"]] == ["loss"]
    assert "wins less losses" in (tmp_path / "TRIAL" / "trial.html").read_text()
    # Each question in both orders, for both seeds; equal answers make equal questions, which are asked once.
    assert 2 <= len(server.asked) <= 4 * 2 * 2


def test_a_model_is_not_its_own_judge(model_folder: Path, embedder_folder: Path, tmp_path: Path) -> None:
    judge = model_judge(load_model(str(model_folder), device="cpu", dtype="float32"), max_new_tokens=64)
    settings = {**SETTINGS, "loading": {"device": "cpu", "dtype": "float32"}, "evaluate": ["judge"]}
    with pytest.raises(InputError, match="--judge is the model that is tuned"):
        trial(
            Dataset.from_list(rows()),
            str(model_folder),
            output_dir=tmp_path / "TRIAL",
            judge=judge,
            **{**settings, "scoring": {"embedder": str(embedder_folder), "progress": False}},
        )
