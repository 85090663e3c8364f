"""Without sacreBLEU, what would count scores says so when it is made, not hours later."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tiny import make_tokenizer

from hf_lmt.__main__ import main
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.metrics.compute_metrics import make_compute_metrics
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from hf_miwv.common.errors import InputError
from tests.lmt.training.watching.test_watching import make_trainer
from tests.lmt.training.watching.test_watching_settings import ROWS

INSTALL = r"needs sacrebleu, not installed here; run pip install 'hf-miwv-lmt\[evaluate\]'"


@pytest.fixture(autouse=True)
def _no_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)


def test_the_callback_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=INSTALL):
        TranslationEvaluationCallback(make_trainer(tmp_path), ROWS)


def test_compute_metrics_is_not_made() -> None:
    with pytest.raises(InputError, match=INSTALL):
        make_compute_metrics(make_tokenizer(bos=False), "de")


def test_texts_are_not_scored() -> None:
    with pytest.raises(InputError, match=INSTALL):
        corpus_scores(["Hallo."], ["Hallo."], "de", ["chrf++"])


def test_evaluate_opens_neither_set_nor_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=INSTALL):
        evaluate(str(tmp_path / "no_set"), tmp_path / "out", model=str(tmp_path / "no_model"))
    arguments = ["evaluate", "--data", "no_set", "--model", "no_model", "--output"]
    result = CliRunner().invoke(main, [*arguments, str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "pip install 'hf-miwv-lmt[evaluate]'" in result.output


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, True),
        ({"evaluation": {"sets": ["dev.csv"], "translate": False}}, False),
        ({"eval_strategy": "no"}, False),  # the sets are compared with the rows, and not translated
    ],
)
def test_a_recipe_that_watches_is_refused(change: dict[str, Any], refused: bool, tmp_path: Path) -> None:
    pytest.importorskip("trl")
    pytest.importorskip("peft")
    recipe = {
        "model_name_or_path": "owner/model",
        "output_dir": "out",
        "data": [{"path": "train"}],
        "curation": {"contamination": {"sets": "none"}},
        "eval_strategy": "steps",
        "eval_steps": 2,
        "evaluation": {"sets": ["dev.csv"]},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe | change), "utf-8")
    if not refused:
        assert read_training_recipe(path, launch=Launch()).evaluation
        return
    with pytest.raises(InputError, match=f"evaluation: .*{INSTALL}, or set translate: false"):
        read_training_recipe(path, launch=Launch())
