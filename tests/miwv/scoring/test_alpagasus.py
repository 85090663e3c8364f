"""AlpaGasus: one rating of a judge for each row, written down as it comes, and 4.5 as the limit."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset, load_dataset
from judge_server import JudgeServer
from killing import Stop, contents
from tiny import make_rows

from hf_miwv import InputError, select
from hf_miwv.__main__ import main
from hf_miwv.common.models.models import load_model
from hf_miwv.judging.local_model import model_judge
from hf_miwv.judging.rating_question import read_rating
from hf_miwv.judging.verdicts import Refused
from hf_miwv.results.methods import method_scores, needed_columns
from hf_miwv.scoring.rating_judge import check_rating_judge
from tests.miwv.rating_judges import rating_judge, words_in
from tests.miwv.scoring.test_several_neighbors import score_tiny


def some_rows(count: int = 12) -> list[dict[str, str]]:
    rows = make_rows(count)
    rows[4]["output"] = ""
    rows[7]["output"] = rows[7]["output"] + " odd"
    rows[8] = dict(rows[2])  # a copy is asked for once
    return rows


def rate(question: str) -> str | Refused:
    if " odd" in question:
        return "I would say four."
    return f"<think>Hm.</think>\nRating: {words_in(question) % 11 / 2}\nBecause."


def score_rows(embedder_folder: Path, judge: Any, **settings: Any) -> Dataset:
    return score_tiny(some_rows(), embedder_folder, also=("alpagasus",), rating_judge=judge, **settings)


@pytest.fixture(scope="module")
def asked() -> list[Any]:
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path, asked: list[Any]) -> Path:
    output = tmp_path_factory.mktemp("alpagasus") / "scored"
    score_rows(embedder_folder, rating_judge(rate, asked), output_dir=output)
    return output


@pytest.fixture(scope="module")
def scored(folder: Path) -> Dataset:
    return load_dataset(str(folder), split="train")


def test_each_row_has_the_rating_of_the_judge(scored: Dataset, folder: Path, asked: list[Any]) -> None:
    expected = [len(row["output"].split()) % 11 / 2 for row in some_rows()]
    assert len(set(expected)) > 4
    assert scored["alpagasus"] == [None if row in (4, 7) else value for row, value in enumerate(expected)]
    assert [row for row, flags in enumerate(scored["miwv_flags"]) if "alpagasus_unrated" in flags] == [7]
    # Twelve rows: one without a response, one a copy, and one whose reply was not in the form, asked for again.
    assert [len(conversation) for conversation in asked].count(1) == 10
    assert [len(conversation) for conversation in asked].count(3) == 1
    run = json.loads((folder / "run.json").read_text())
    assert run["stages"]["alpagasus"] == {"rows": 12, "questions": 10, "unreadable": 1, "refused": 0}
    assert (run["rating"]["dimension"], run["rating"]["judge"]) == ("accuracy", {"kind": "words"})
    question = asked[0][0]["content"]
    assert "its accuracy, from 0 (worst) to 5 (best)" in question


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("Rating: 0", 0.0),
        ("Rating: 5.0\n", 5.0),
        ("  <think>a\nb</think> Rating: 3.25\r\nWell", 3.25),
        ("Rating: 5.5", None),
        ("Rating: -1", None),
        ("Rating: 4/5", None),
        ("The Rating: 4", None),
        ("", None),
    ],
)
def test_a_rating_is_read_and_never_guessed(reply: str, rating: float | None) -> None:
    assert read_rating(reply) == (None if rating is None else (rating,))


def test_kept_from_four_and_a_half_up_or_the_highest(scored: Dataset, tmp_path: Path) -> None:
    ratings = np.array(scored["alpagasus"], float)
    assert 0 < (ratings >= 4.5).sum() < 5
    assert set(select(scored, method="alpagasus")["row"]) == set(np.flatnonzero(ratings >= 4.5))
    assert set(select(scored, method="alpagasus", threshold=2)["row"]) == set(np.flatnonzero(ratings >= 2))
    best = select(scored, method="alpagasus", count=5)["row"]
    assert ratings[best].tolist() == sorted(ratings[np.isfinite(ratings)])[::-1][:5]
    lowest = select(scored, method="alpagasus_low", count=3)["row"]
    assert ratings[lowest].tolist() == sorted(ratings[np.isfinite(ratings)])[:3]
    with pytest.raises(InputError, match="give one of --fraction, --count and --threshold"):
        select(scored, method="alpagasus_low")
    with pytest.raises(InputError, match="a threshold keeps whatever reaches it"):
        select(scored, method="alpagasus", within="length")
    assert np.nanmax(np.abs(method_scores(scored, "alpagasus") - ratings)) <= 1e-6
    assert needed_columns("alpagasus_low") == ("alpagasus",)


def test_equal_ratings_go_by_content_and_not_by_position(scored: Dataset) -> None:
    rows = scored.remove_columns("alpagasus").add_column("alpagasus", [4.0] * len(scored))
    chosen = select(rows, method="alpagasus", count=4)["row"]
    order = [7, 3, 11, 0, 5, 9, 1, 10, 2, 6, 4, 8]
    assert select(rows.select(order), method="alpagasus", count=4)["row"] == chosen
    assert sorted(chosen) != sorted(row for row in range(12) if row != 4)[:4]


def test_stopped_it_asks_for_the_rest_only(
    folder: Path, asked: list[Any], tmp_path: Path, embedder_folder: Path
) -> None:
    output = tmp_path / "scored"
    before: list[Any] = []

    def stop_at_the_sixth(question: str) -> str | Refused:
        if len(before) == 6:
            raise Stop
        return rate(question)

    with pytest.raises(Stop):
        score_rows(embedder_folder, rating_judge(stop_at_the_sixth, before), output_dir=output)
    after: list[Any] = []
    score_rows(embedder_folder, rating_judge(rate, after), output_dir=output)
    assert len(before) - 1 + len(after) == len(asked)
    assert contents(output) == contents(folder)


def test_refusals_are_flagged_and_all_of_them_an_error(embedder_folder: Path) -> None:
    judge = rating_judge(lambda question: Refused("too long") if " odd" in question else "Rating: 3")
    scored = score_rows(embedder_folder, judge)
    assert "alpagasus_unrated" in scored["miwv_flags"][7]
    with pytest.raises(InputError, match="the judge refuses all 11 responses; the first with: too long"):
        score_rows(embedder_folder, rating_judge(lambda _: Refused("too long")))


def test_a_model_here_rates_through_its_chat_template(
    model_folder: Path, embedder_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judge = model_judge(load_model(str(model_folder), device="cpu"), max_new_tokens=4)
    scored = score_rows(embedder_folder, judge)
    assert scored["alpagasus"] == [None] * 12  # random words are no rating
    assert "11 of 11 replies have no readable rating" in caplog.text


class RatingServer(JudgeServer):
    """Rates by the words of the response."""

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        content = rate(body["messages"][0]["content"])
        return {"message": {"role": "assistant", "content": content}}


@pytest.mark.skipif(not find_spec("openai"), reason="openai is not installed")
def test_the_command_asks_an_endpoint(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    server = RatingServer()
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in some_rows()[:6]), "utf-8")
    words = ["select", rows, "--model", model_folder, "--embedder", embedder_folder, "--template", "alpaca"]
    words += [
        "--method",
        "alpagasus",
        "--count",
        "2",
        "--output",
        tmp_path / "chosen",
        "--rating-judge",
        server.address,
    ]
    refused = CliRunner().invoke(main, [str(word) for word in words])
    assert refused.exit_code == 2
    assert "give --rating-judge-model" in refused.output
    words += ["--rating-judge-model", "words", "--rating-dimension", "helpfulness"]
    words += ["--rating-request-fields", '{"temperature": null, "top_p": 1}']
    done = CliRunner().invoke(main, [str(word) for word in words])
    server.shutdown()
    assert done.exit_code == 0, done.output
    assert all(body["model"] == "words" and "temperature" not in body and body["top_p"] == 1 for body in server.asked)
    assert all("its helpfulness," in body["messages"][0]["content"] for body in server.asked)
    chosen = load_dataset(str(tmp_path / "chosen"), split="train")
    assert len(chosen["alpagasus"]) == 2


@pytest.mark.parametrize(
    ("also", "settings", "message"),
    [
        ((), {"rating_judge": "m"}, "--rating-judge: is for --also alpagasus"),
        ((), {"rating_dimension": "helpfulness"}, "--rating-dimension: is for --also alpagasus"),
        (("alpagasus",), {}, "needs a judge that rates; give --rating-judge"),
        (("alpagasus",), {"rating_judge": "http://a/v1"}, "give --rating-judge-model"),
        (("alpagasus",), {"rating_judge": "http://a/v1?key=b"}, "holds more than host and path"),
        (("alpagasus",), {"rating_judge": "m", "rating_judge_model": "n"}, "--rating-judge-model: is for an endpoint"),
        (("alpagasus",), {"rating_judge": "m", "rating_request_fields": {}}, "--rating-request-fields: is for an end"),
        (("alpagasus",), {"rating_judge": "m", "rating_dimension": " "}, "names nothing to rate"),
    ],
)
def test_judges_that_are_missing_or_for_nothing(also: tuple[str], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_rating_judge(also, settings)
