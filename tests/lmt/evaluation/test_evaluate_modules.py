"""The metrics as `evaluate` loads them: from a folder, offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_lmt.directions import Direction
from hf_lmt.evaluation.metrics.behavior import behavior_rates
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores
from hf_lmt.evaluation.modules import metric_path
from hf_miwv.common.errors import InputError

evaluate = pytest.importorskip("evaluate")
ROWS = {
    "sources": ["The river rose.", "The river rose.", "No."],
    "predictions": ["Der Fluss stieg an.", "河水上涨了。", "The river rose."],
    "references": ["Der Fluss stieg.", "河水涨了。", "Nein."],
    "directions": ["en-de", "en-zh", "en-de"],
}


def loaded(name: str, tmp_path: Path):  # type: ignore[no-untyped-def]
    return evaluate.load(metric_path(name), cache_dir=str(tmp_path))


def test_scores(tmp_path: Path) -> None:
    rows = {name: texts for name, texts in ROWS.items() if name != "sources"}
    found = loaded("scores", tmp_path).compute(**rows, metrics=["bleu", "chrf++", "ter"])
    assert list(found) == ["en-de", "en-zh"]
    for name, places in (("en-de", (0, 2)), ("en-zh", (1,))):
        texts = [[ROWS[column][row] for row in places] for column in ("predictions", "references")]
        expected = corpus_scores(*texts, name[3:], ["bleu", "chrf++", "ter"])
        for metric, score in expected.items():
            assert found[name][metric]["value"] == score.value
            assert found[name][metric]["signature"] == score.signature


def test_behavior(tmp_path: Path) -> None:
    metric = loaded("behavior", tmp_path)
    metric.add_batch(**{name: texts[:2] for name, texts in ROWS.items()})
    metric.add_batch(**{name: texts[2:] for name, texts in ROWS.items()})
    found = metric.compute()
    expected = behavior_rates(
        [ROWS["sources"][row] for row in (0, 2)],
        [ROWS["predictions"][row] for row in (0, 2)],
        Direction("en", "de"),
        [ROWS["references"][row] for row in (0, 2)],
    )
    for name, rate in expected.items():
        assert found["en-de"][name]["value"] == rate.value
        assert found["en-de"][name]["signature"] == rate.signature
    assert found["en-de"]["copy"]["count"] == 0
    assert found["en-zh"]["blank"]["rows"] == 1


def test_a_mistyped_module() -> None:
    with pytest.raises(InputError, match="did you mean 'behavior'"):
        metric_path("behaviors")
