"""Signs of degeneration in what was logged, and the curves of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hf_lmt.directions import Direction, match_directions
from hf_lmt.training.watching.curves import LOSSES, SCORES, draw_curves
from hf_lmt.training.watching.degeneration import loss_signs, quality_signs
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from hf_lmt.training.watching.watched_figures import expected_keys, logged_numbers
from tests.lmt.training.watching.test_watching import make_trainer
from tests.lmt.training.watching.test_watching_settings import ROWS


def test_names_of_what_is_logged() -> None:
    directions = match_directions(["*-*"])
    keys, lower = expected_keys(directions, ["chrf++", "bleu"])
    assert {"eval_chrf_en2x", "eval_bleu_x2zh_low", "eval_chrf_overall", "eval_chrf_en-kk"} <= keys
    assert {
        "eval_copy_en2x",
        "eval_fan_in_x2en",
        "eval_off_target_zh2x",
        "eval_blank_overall",
    } <= lower
    assert all("+" not in key and "/" not in key for key in keys)
    assert "eval_copy_en-kk" not in keys
    values = {Direction("en", "ja"): {"bleu": None, "chrf": 3.0}}
    assert set(logged_numbers(values, ["bleu", "chrf"])) == {
        "eval_chrf_en2x",
        "eval_chrf_en2x_high",
        "eval_chrf_overall",
        "eval_chrf_en-ja",
    }


def entry(step: int, into: float, out_of: float, fan_in: float = 0.0) -> dict[str, float]:
    return {"step": step, "eval_chrf_x2zh": into, "eval_chrf_zh2x": out_of, "eval_fan_in_x2zh": fan_in}


@pytest.mark.parametrize(
    ("history", "now", "said"),
    [
        ([], entry(1, 10, 10), []),
        ([{"step": 1, "loss": 2.0}], entry(2, 10, 10), []),
        ([entry(1, 30, 20)], entry(2, 28.1, 22), []),  # falls by less than 2
        ([entry(1, 30, 20)], entry(2, 27.9, 20.4), []),  # the other does not rise
        ([entry(1, 30, 20)], entry(2, 27.9, 20.6), ["since step 1 chrf of x2zh fell by 2.1 to 27.9"]),
        ([entry(1, 30, 20), entry(2, 29, 21)], entry(3, 27.5, 21.4), ["since step 1"]),
        ([entry(1, 5, 5, 0.6), entry(2, 9, 9, 0.1)], entry(3, 9, 9, 0.14), []),
        ([entry(1, 5, 5, 0.6), entry(2, 9, 9, 0.1)], entry(3, 9, 9, 0.16), ["from 10.0% at step 2"]),
    ],
    ids=range(8),
)
def test_signs_of_degeneration(history: Any, now: Any, said: list[str]) -> None:
    found = quality_signs(history, now)
    assert len(found) == len(said)
    assert all(words in sign for words, sign in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("into", "out_of", "count"),
    [
        (1.04, 1.9, 0),
        (1.06, 2.1, 0),
        (1.06, 1.9, 1),
    ],
)
def test_signs_in_losses(into: float, out_of: float, count: int) -> None:
    history = [{"step": 4, "eval_loss_x2en": 1.0, "eval_loss_en2x": 2.0}]
    found = loss_signs(history, {"eval_loss_x2en": into, "eval_loss_en2x": out_of})
    assert len(found) == count


def test_signs_are_told(tmp_path: Path, caplog: Any) -> None:
    trainer = make_trainer(tmp_path)
    watch = TranslationEvaluationCallback(trainer, ROWS, per_direction=1, max_new_tokens=4)
    trainer.add_callback(watch)
    trainer.state.log_history = [{"step": 0, "eval_chrf_x2en": 99.0, "eval_chrf_en2x": -1.0}]
    trainer.evaluate()
    assert "step 0: directional degeneration: since step 0 chrf of x2en fell" in caplog.text
    assert "directional" in (tmp_path / "evaluations" / "step-0.json").read_text("utf-8")


def test_curves(tmp_path: Path) -> None:
    history = [
        {
            "step": step,
            "loss": 3 / step,
            "eval_loss": 3.1 / step,
            "eval_chrf_en2x": 2.0 * step,
            "eval_chrf_x2en": 30.0 - step,
            "eval_loss_en2x": 2.9 / step,
        }
        for step in range(1, 5)
    ]
    assert draw_curves([{"step": 1, "learning_rate": 1.0}], tmp_path) == []
    assert draw_curves(history[:1], tmp_path) == [SCORES, LOSSES]
    first = (tmp_path / SCORES).read_bytes()
    draw_curves(history, tmp_path)
    assert first.startswith(b"\x89PNG")
    assert (tmp_path / SCORES).read_bytes() != first
    assert sorted(path.name for path in tmp_path.iterdir()) == [SCORES, LOSSES]
