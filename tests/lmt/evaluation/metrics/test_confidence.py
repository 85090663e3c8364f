"""Intervals and paired tests: sacreBLEU's own figures, and the slow plain version."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

from hf_lmt.evaluation.metrics import confidence
from hf_lmt.evaluation.metrics.confidence import (
    compare_resampled,
    confidence_interval,
    paired_bootstrap,
    resampled_values,
)
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores, mean_statistics, sentence_statistics
from hf_miwv.common.errors import InputError

WORDS = ["the", "river", "rose", "over", "its", "banks", "after", "rain", "and", "nobody", "slept"]


def sentences(seed: int, count: int = 60) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(5, 15))) for _ in range(count)]


def spoiled(lines: list[str], seed: int, share: float) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join("mud" if generator.random() < share else word for word in line.split()) for line in lines]


REFERENCES = sentences(0)
GOOD, SAME, WORSE = (spoiled(REFERENCES, *how) for how in ((1, 0.2), (2, 0.2), (3, 0.35)))


@pytest.mark.parametrize("metric", ["bleu", "chrf++", "ter"])
@pytest.mark.parametrize("second", [SAME, WORSE])
def test_the_paired_test_is_sacrebleus(metric: str, second: list[str]) -> None:
    scorer = {"bleu": BLEU(), "chrf++": CHRF(word_order=2), "ter": TER()}[metric]
    systems = [("good", GOOD), ("other", second)]
    test = PairedTest(systems, {metric: scorer}, [REFERENCES], test_type="bs", n_samples=300)
    (said,) = (results for name, results in test()[1].items() if name != "System")
    one, two = (sentence_statistics(lines, REFERENCES, "en", metric) for lines in (GOOD, second))
    found = paired_bootstrap(one, two, samples=300)
    assert [found.first, found.second] == pytest.approx([entry.score for entry in said], abs=1e-12)
    assert found.p_value == said[1].p_value
    assert (found.p_value < 0.05) == (second is WORSE)
    for statistics, entry in ((one, said[0]), (two, said[1])):
        interval = confidence_interval(statistics, samples=300)
        half = (interval.high - interval.low) / 2
        assert half == pytest.approx(entry.ci, abs=1e-4)  # sacreBLEU computes these in float32


def test_resampling_equals_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = sentence_statistics(GOOD, REFERENCES, "en", "chrf++")
    found = resampled_values(statistics, samples=20, seed=3)
    generator = np.random.default_rng(3)
    for value in found:
        draw = generator.choice(len(GOOD), len(GOOD))
        drawn = [GOOD[row] for row in draw], [REFERENCES[row] for row in draw]
        assert value == corpus_scores(*drawn, "en", ["chrf++"])["chrf++"].value
    monkeypatch.setattr(confidence, "BLOCK", 500)  # a few resamples at a time
    assert np.array_equal(resampled_values(statistics, samples=20, seed=3), found)


def test_means_are_resampled_too() -> None:
    flags = np.array([1.0] * 30 + [0.0] * 70)
    statistics = mean_statistics("blank", flags, "version:0")
    interval = confidence_interval(statistics)
    assert 0.2 < interval.low < 0.3 < interval.high < 0.4  # 0.3 +- 1.96 sqrt(0.3 x 0.7 / 100)
    assert interval.high - interval.low == pytest.approx(0.18, abs=0.02)
    other = mean_statistics("blank", np.concatenate([flags[:20], 0 * flags[20:]]), "version:0")
    found = paired_bootstrap(statistics, other)
    assert found.difference == pytest.approx(-0.1)
    assert found.interval.high < 0
    assert found.p_value < 0.05


def test_a_mean_of_directions_is_compared() -> None:
    pairs = [
        (sentence_statistics(lines, REFERENCES, "en", metric))
        for metric in ("bleu", "chrf++")
        for lines in (GOOD, WORSE)
    ]
    values = [resampled_values(one, 100) for one in pairs]
    means = [(values[0] + values[2]) / 2, (values[1] + values[3]) / 2]
    found = compare_resampled((50.0, 40.0), means)
    assert found.difference == -10.0
    assert found.interval.low < found.interval.high < 0


@pytest.mark.parametrize(
    ("second", "samples", "message"),
    [
        (sentence_statistics(GOOD, REFERENCES, "en", "chrf"), 100, "cannot be compared"),
        (sentence_statistics(GOOD, REFERENCES, "ja", "bleu"), 100, "cannot be compared"),
        (sentence_statistics(GOOD[:9], REFERENCES[:9], "en", "bleu"), 100, "60 and 9 sentences"),
        (sentence_statistics(GOOD, REFERENCES, "en", "bleu"), 20, "give 40 or more"),
    ],
    ids=["metrics", "tokenizers", "lengths", "samples"],
)
def test_what_cannot_be_compared(second: object, samples: int, message: str) -> None:
    first = sentence_statistics(GOOD, REFERENCES, "en", "bleu")
    with pytest.raises(InputError, match=message):
        paired_bootstrap(first, second, samples)  # type: ignore[arg-type]
