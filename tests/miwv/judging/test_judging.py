"""Two systems' answers before a real judge: an endpoint on the loopback address, a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import load_dataset
from judge_server import JudgeServer

from hf_miwv import InputError
from hf_miwv.common.models.models import load_model
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.judging.judge_answers import judge_answers
from hf_miwv.judging.local_model import model_judge
from hf_miwv.judging.question import REMINDER
from tests.miwv.judging.answer_files import KEY, answers, judged


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
