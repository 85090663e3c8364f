"""Corpus scores: sacreBLEU's own to the last digit, and a reason where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hf_lmt.directions import Direction
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores, score_of, sentence_statistics, values_of
from hf_lmt.evaluation.metrics.judgeable import why_not_judgeable, why_unreliable
from hf_lmt.evaluation.metrics.many_directions import Translations, statistics_of_directions
from hf_miwv.common.errors import InputError

REFERENCES = {
    "de": ["Der Fluss trat nach drei Tagen Regen über die Ufer.", "„Nein“, sagte sie, „morgen!“"],
    "zh": ["下了三天雨之后，河水漫过了堤岸。", "“不，”她说，“明天！”"],
    "yue": ["落咗三日雨之後，條河浸過堤岸。", "「唔係，」佢話，「聽日！」"],
    "ja": ["三日間の雨のあと、川は堤防を越えた。", "「いいえ」と彼女は言った。「明日です！」"],
    "ko": ["사흘 동안 비가 내린 뒤 강이 둑을 넘었다.", "“아니요,” 그녀가 말했다. “내일이요!”"],
    "th": ["หลังจากฝนตกสามวัน แม่น้ำก็ล้นตลิ่ง", "“ไม่” เธอพูด “พรุ่งนี้!”"],
    "my": ["သုံးရက်မိုးရွာပြီးနောက် မြစ်ရေလျှံခဲ့သည်။", "မဟုတ်ဘူး၊ မနက်ဖြန်။"],
    "ar": ["بعد ثلاثة أيام من المطر فاض النهر على ضفتيه.", "قالت: لا، غدا!"],
    "kk": ["Үш күн жаңбырдан кейін өзен арнасынан асты.", "«Жоқ, — деді ол, — ертең!»"],
}
TER_CHARACTERS = ["--ter-normalized", "--ter-asian-support"]
COMMANDS = {
    "bleu": ["-m", "bleu"],
    "chrf++": ["-m", "chrf", "--chrf-word-order", "2"],
    "chrf": ["-m", "chrf"],
    "ter": ["-m", "ter"],
}
TOKENIZERS = {"zh": "zh", "yue": "zh", "ja": "ja-mecab", "ko": "ko-mecab", "th": "char", "my": "char"}


def damaged(references: list[str]) -> list[str]:
    return [text[:-4] + text[-1] for text in references]


def sacrebleu(folder: Path, options: list[str], references: list[str], hypotheses: list[str]) -> dict[str, object]:
    """What the command prints, with 12 decimals."""
    paths = [str(folder / name) for name in ("references.txt", "hypotheses.txt")]
    for path, lines in zip(paths, (references, hypotheses), strict=True):
        Path(path).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    command = [sys.executable, "-m", "sacrebleu", paths[0], "-i", paths[1], "-w", "12", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("target", "metric"),
    [
        *((target, "bleu") for target in REFERENCES),
        ("de", "chrf++"),
        ("th", "chrf++"),
        ("zh", "chrf"),
        ("de", "ter"),
        ("zh", "ter"),
        ("ja", "ter"),
    ],
)
def test_scores_equal_the_command_line(target: str, metric: str, tmp_path: Path) -> None:
    references = REFERENCES[target]
    hypotheses = damaged(references)
    options = list(COMMANDS[metric])
    if metric == "bleu":
        options += ["--tokenize", TOKENIZERS.get(target, "13a")]
    if metric == "ter" and target != "de":
        options += TER_CHARACTERS
    said = sacrebleu(tmp_path, options, references, hypotheses)
    score = corpus_scores(hypotheses, references, target, [metric])[metric]
    assert score.value is not None
    assert 0 < score.value < 100
    assert round(score.value, 12) == said["score"]
    assert score.signature == said["signature"]
    assert score.unavailable is None


@pytest.mark.parametrize(
    ("metric", "target", "reason"),
    [
        ("ter", "th", "TER counts words, and Thai has no blanks"),
        ("spbleu", "mvf", "FLORES-200, which has no Inner Mongolian"),
        ("ter", "zh", None),
        ("bleu", "th", None),
        ("chrf++", "mvf", None),
    ],
)
def test_a_metric_says_why_it_cannot_judge(metric: str, target: str, reason: str | None) -> None:
    found = why_not_judgeable(metric, target)
    assert found is None if reason is None else reason in (found or "")
    score = corpus_scores(["a b c d"], ["a b c d"], target, [metric])[metric]
    assert (score.value is None, score.unavailable) == (reason is not None, found)
    if reason:
        with pytest.raises(InputError, match=f"{metric}: "):
            sentence_statistics(["a"], ["a"], target, metric)


SPBLEU = """
import json, sys
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores
score = corpus_scores(["the river rose"], ["the river rose slowly"], "de", ["spbleu"])["spbleu"]
print(json.dumps([score.value, score.signature, score.unavailable]))
"""


@pytest.mark.parametrize("there", [False, True])
def test_spbleu_fetches_nothing(there: bool, tmp_path: Path) -> None:
    if there:
        pieces = pytest.importorskip("sentencepiece")
        (tmp_path / "models").mkdir()
        (tmp_path / "text").write_text("the river rose slowly after three days of rain\n" * 9)
        pieces.SentencePieceTrainer.train(
            input=str(tmp_path / "text"),
            model_prefix=str(tmp_path / "m"),
            vocab_size=19,
            minloglevel=2,
        )
        os.rename(tmp_path / "m.model", tmp_path / "models" / "flores200sacrebleuspm")
    done = subprocess.run(
        [sys.executable, "-c", SPBLEU],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SACREBLEU": str(tmp_path)},
    )
    value, signature, unavailable = json.loads(done.stdout)
    assert (value is not None) == there
    assert ("tok:flores200" in signature) == there
    assert there or "sentencepiece" in unavailable.lower()


def test_comet_is_marked_where_it_is_unreliable() -> None:
    assert [one for one in ("bo", "de", "mvf", "tg", "yue") if why_unreliable("comet-22", one)] == [
        "bo",
        "mvf",
        "tg",
        "yue",
    ]
    assert why_unreliable("chrf++", "bo") is None


def test_statistics_add_up() -> None:
    references = REFERENCES["de"] + REFERENCES["kk"]
    hypotheses = damaged(references)
    for metric in ("bleu", "chrf++", "ter"):
        whole = sentence_statistics(hypotheses, references, "de", metric)
        halves = [
            sentence_statistics(hypotheses[part], references[part], "de", metric).counts
            for part in (slice(0, 1), slice(1, None))
        ]
        assert np.array_equal(np.concatenate(halves), whole.counts)
        alone = [
            corpus_scores([one], [other], "de", [metric])[metric].value
            for one, other in zip(hypotheses, references, strict=True)
        ]
        assert values_of(whole, whole.counts).tolist() == alone


def test_processes_do_not_matter() -> None:
    given = [Translations(Direction("en", code), damaged(lines), lines) for code, lines in REFERENCES.items()]
    one, two = (
        [
            (direction, {name: score_of(found) for name, found in metrics.items()})
            for direction, metrics in statistics_of_directions(given, ["chrf++", "ter"], num_proc)
        ]
        for num_proc in (1, 2)
    )
    assert one == two
    assert [direction.target for direction, _ in one] == list(REFERENCES)
    assert list(dict(one)[Direction("en", "th")]) == ["chrf++"]
    assert (
        dict(one)[Direction("en", "de")]["chrf++"]
        == (corpus_scores(damaged(REFERENCES["de"]), REFERENCES["de"], "de")["chrf++"])
    )
    with pytest.raises(InputError, match="en-de: 1 hypotheses, 2 references"):
        list(statistics_of_directions([Translations(Direction("en", "de"), ["a"], ["a", "b"])]))


@pytest.mark.parametrize(
    ("hypotheses", "references", "target", "metrics", "message"),
    [
        (["a"], ["a", "b"], "de", ["bleu"], "1 hypotheses, 2 references: give as many of each"),
        ([], [], "de", ["bleu"], "at least one sentence"),
        (["a", None], ["a", "b"], "de", ["bleu"], "hypotheses: row 1 holds None, not a text"),
        ("a", ["a"], "de", ["bleu"], "hypotheses is one text"),
        (["a"], ["a"], "de", ["belu"], "no metric 'belu': did you mean 'bleu'"),
        (["a"], ["a"], "de", "bleu", "give a list"),
        (["a"], ["a"], "deu", ["bleu"], "it is called 'de' here"),
    ],
)
def test_what_cannot_be_scored(
    hypotheses: list[str], references: list[str], target: str, metrics: list[str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        corpus_scores(hypotheses, references, target, metrics)
    assert message in str(caught.value)
