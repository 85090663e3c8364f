"""What is watched: which rows, which settings, what is refused, what is said, what is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, DatasetDict
from tiny import CHATML, make_model, make_tokenizer
from transformers import (
    EarlyStoppingCallback,
    LlamaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.integrations.deepspeed import set_hf_deepspeed_config, unset_hf_deepspeed_config

from hf_lmt.data.corpora.load import load
from hf_lmt.directions import Direction, match_directions
from hf_lmt.recipes.evaluation_section import watching_faults, watching_settings
from hf_lmt.training.watching.curves import LOSSES, SCORES, draw_curves
from hf_lmt.training.watching.degeneration import loss_signs, quality_signs
from hf_lmt.training.watching.degeneration_watch import DegenerationWatch
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from hf_lmt.training.watching.recipe_callbacks import callbacks_from
from hf_lmt.training.watching.sample import choose_sample
from hf_lmt.training.watching.watched_figures import expected_keys, logged_numbers
from hf_lmt.translation.prompt_registry import STYLES
from hf_miwv.common.errors import InputError
from tests.lmt.training.watching.test_watching import make_trainer


def make_rows(count: int = 30) -> Dataset:
    directions = ("en-de", "de-en", "zh-nl", "nl-zh")
    return Dataset.from_list(
        [
            {
                "source_lang": name[:2],
                "target_lang": name[3:],
                "source": f"{name} {number}",
                "target": f"text {number}",
                "auxiliary_lang": "fr",
                "auxiliary": f"texte {number}",
            }
            for number in range(count)
            for name in directions
        ]
    )


ROWS = make_rows()


def test_the_sample_hangs_on_nothing_but_rows_and_seed() -> None:
    few, more = choose_sample(ROWS, 3), choose_sample(ROWS, 7)
    assert [str(one) for one in few.directions] == ["en-de", "de-en", "zh-nl", "nl-zh"]
    assert len(few.rows) == 12
    assert set(few.rows) < set(more.rows)
    assert choose_sample(ROWS.shuffle(seed=1), 3) == few
    alone = ROWS.filter(lambda row: row["target_lang"] == "de")
    assert choose_sample(alone, 3).rows == few.rows[:3]
    assert choose_sample(ROWS, 3, seed=1).rows != few.rows
    assert choose_sample(ROWS, 3, seed=1).sha256 != few.sha256
    sources = [row.source for row in more.rows[:7]]
    assert sources != [f"en-de {number}" for number in range(7)]  # not the first ones


def test_copies_count_once_and_blanks_not_at_all(caplog: Any) -> None:
    content = ROWS.select(range(8)).to_list()
    content += content[:4]
    content += [{**content[0], "source": " "}, {**content[1], "target": ""}]
    sample = choose_sample(Dataset.from_list(content), 50, directions=["en-*", "de-en"])
    assert sample.counts == {"rows": 14, "chosen": 4, "blank": 2, "other_directions": 6}
    assert "2 evaluation rows without text" in caplog.text
    keyed = [{**row, "row_key": "same"} for row in content[:8]]
    for order in (keyed, keyed[::-1]):
        found = choose_sample(Dataset.from_list(order), 50)
        assert [row.source for row in found.rows] == ["en-de 0", "de-en 0", "zh-nl 0", "nl-zh 0"]


@pytest.mark.parametrize(
    ("rows", "given", "words"),
    [
        (DatasetDict({"dev": ROWS}), {}, "DatasetDict: give a datasets.Dataset"),
        (ROWS.remove_columns("target"), {}, "no column 'target'"),
        (ROWS, {"per_direction": 0}, "per_direction 0"),
        (ROWS, {"seed": -1}, "seed -1"),
        (ROWS, {"directions": ["en-kk", "*-zh"]}, "none with text in en-kk"),
        (ROWS, {"directions": "en-de"}, "give a list"),
        (ROWS, {"directions": ["en-xx"]}, "no language 'xx'"),
        (ROWS, {"metrics": ["chrf"]}, "metric 'chrf'"),
        (ROWS, {"metrics": "bleu"}, "give a list"),
        (ROWS, {"beams": 0}, "beams 0"),
        (ROWS, {"max_new_tokens": 0}, "max_new_tokens 0"),
        (ROWS, {"hints": "selve"}, "did you mean 'self'"),
        (ROWS.remove_columns(["auxiliary", "auxiliary_lang"]), {"hints": "given"}, "no row has an aux"),
        (ROWS, {"prompt": STYLES["tower"], "hints": "self"}, "has no form for them"),
        (ROWS, {"prompt": "lmd"}, "prompt 'lmd'"),
    ],
    ids=range(15),
)
def test_refused_rows_and_settings(rows: Any, given: dict[str, Any], words: str, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        TranslationEvaluationCallback(trainer, rows, **{"per_direction": 2, **given})


@pytest.mark.parametrize("kind", [TranslationEvaluationCallback, DegenerationWatch])
def test_refused_trainers(kind: Any, tmp_path: Path) -> None:
    def refused(trainer: Any, words: str) -> None:
        with pytest.raises(InputError, match=words):
            kind(trainer, ROWS, per_direction=1)

    refused(make_trainer(tmp_path, eval_strategy="no"), "eval_strategy is 'no'")
    trainer = make_trainer(tmp_path)
    trainer.processing_class = None
    refused(trainer, "processing_class=tokenizer")
    trainer = make_trainer(tmp_path)
    trainer.args.predict_with_generate = True
    refused(trainer, "predict_with_generate=True")
    trainer = make_trainer(tmp_path)
    trainer.is_fsdp_enabled = True
    refused(trainer, "FSDP divides")
    trainer = make_trainer(tmp_path)
    trainer.processing_class = make_tokenizer()
    refused(trainer, "no chat template")
    assert kind(trainer, ROWS, per_direction=1, form="text").sample.counts["chosen"] == 4
    trainer = make_trainer(tmp_path)
    trainer.model = T5ForConditionalGeneration(
        T5Config(vocab_size=10, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    )
    refused(trainer, "is_encoder_decoder")


class ZeroThree:
    """What DeepSpeed's settings say of themselves to transformers, DeepSpeed not being needed."""

    def is_zero3(self) -> bool:
        return True


def test_zero_3_is_refused(tmp_path: Path) -> None:
    trainer, settings = make_trainer(tmp_path), ZeroThree()
    set_hf_deepspeed_config(settings)
    try:
        with pytest.raises(InputError, match="DeepSpeed ZeRO-3 divides"):
            TranslationEvaluationCallback(trainer, ROWS, per_direction=1)
    finally:
        unset_hf_deepspeed_config()


def test_virtual_tokens_are_refused(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    trainer = make_trainer(tmp_path)
    trainer.model = peft.get_peft_model(
        make_model("llama"), peft.PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    )
    with pytest.raises(InputError, match="virtual tokens"):
        TranslationEvaluationCallback(trainer, ROWS, per_direction=1)


@pytest.mark.parametrize(
    ("name", "greater", "words"),
    [
        ("eval_chrf_en2x", None, None),
        ("bleu_x2zh_high", None, None),
        ("eval_fan_in_x2en", False, None),
        ("eval_loss", None, None),
        ("eval_chrf_en2y", None, "did you mean"),
        ("eval_chrf_en2x", False, "greater_is_better=True"),
        ("eval_fan_in_x2en", None, "greater_is_better=False"),
        ("eval_off_target_kk2x", None, "not among"),
    ],
    ids=range(8),
)
def test_metric_for_best_model(name: str, greater: bool | None, words: str | None, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, metric_for_best_model=name, greater_is_better=greater)
    if words is None:
        TranslationEvaluationCallback(trainer, ROWS, per_direction=1)
        return
    with pytest.raises(InputError, match=f"(?i){words}"):
        TranslationEvaluationCallback(trainer, ROWS, per_direction=1)


def test_a_loss_is_better_when_lower(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, metric_for_best_model="eval_loss_x2en")
    with pytest.raises(InputError, match="greater_is_better=False"):
        DegenerationWatch(trainer, ROWS, per_direction=1)
    trainer.args.greater_is_better = False
    DegenerationWatch(trainer, ROWS, per_direction=1)


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


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"per_directon": 3}, ["unknown key 'per_directon'; did you mean 'per_direction'"]),
        ({"directions": ["en-no", False]}, ["directions: "]),
        ({"directions": ["en-no"]}, ["no language 'no'"]),
        (
            {"beams": True, "per_direction": 0, "metrics": ["blue"], "seed": 1.5},
            ["beams: True is not a whole number", "per_direction 0: give 1 or more", "metrics", "seed"],
        ),
        ({"hints": False}, ["put it in quotes"]),
        ("loss", ["give a mapping"]),
        ({"sets": ["flores-dev"], "translate": False, "early_stopping": None}, []),
    ],
    ids=range(7),
)
def test_faults_of_the_section(section: Any, words: list[str]) -> None:
    found = watching_faults(section)
    assert len(found) == len(words)
    for word in words:
        assert any(word.lower() in fault.lower() for fault in found), found
    if found:
        with pytest.raises(InputError):
            watching_settings(section)


def test_callbacks_of_the_section(tmp_path: Path) -> None:
    section: dict[str, Any] = {"sets": ["dev"], "per_direction": 2, "early_stopping": 3}
    trainer = make_trainer(tmp_path, metric_for_best_model="eval_chrf_x2en")
    losses, scores, stop = callbacks_from(section, trainer, ROWS, prompt=STYLES["lmt"])
    assert isinstance(losses, DegenerationWatch)
    assert isinstance(scores, TranslationEvaluationCallback)
    assert isinstance(stop, EarlyStoppingCallback)
    assert stop.early_stopping_patience == 3
    assert losses.sample == scores.sample == choose_sample(ROWS, 2)
    assert callbacks_from({"translate": False, "losses": False}, trainer, ROWS) == []
    trainer.args.metric_for_best_model = None
    with pytest.raises(InputError, match="early_stopping goes by metric_for_best_model"):
        callbacks_from(section, trainer, ROWS)


def test_a_prompt_in_a_form_of_its_own(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.processing_class = make_tokenizer(chat_template=CHATML)
    with pytest.raises(InputError, match="in form 'text'"):
        TranslationEvaluationCallback(trainer, ROWS, per_direction=1, prompt=STYLES["lmt"], form="text")


def test_rows_of_translations_are_read_as_files_of_them_are(tmp_path: Path, caplog: Any) -> None:
    pairs = [{"en": f"text {i}", "de": f"Text {i}", "xx": "left out"} for i in range(5)]
    records = [{"translation": pair, "corpus": "dev"} for pair in pairs]
    translations = Dataset.from_list(records)
    path = tmp_path / "dev.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    expected = choose_sample(load(str(path)).rows, 3)
    sample = choose_sample(translations.with_format("torch"), 3)
    assert [str(one) for one in sample.directions] == ["en-de", "de-en"]
    assert [row.source for row in sample.rows] == [row.source for row in expected.rows]
    assert "the evaluation rows: texts in languages that LMT does not have" in caplog.text
    callback = TranslationEvaluationCallback(make_trainer(tmp_path), translations, per_direction=2)
    assert len(callback.sample.rows) == 4


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"translation": {"en": "a", "xx": "b"}}], "is in both languages"),
        ([{"translation": {"en": "a"}}], "the evaluation rows: row 0: translation is"),
        ([{"translation": "a"}], "the evaluation rows: row 0: translation is 'a'"),
        ([{"translation": {"en": "a", "de": 7}}], "row 0: de is 7, and must be text"),
    ],
)
def test_translations_that_cannot_be_watched(rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        choose_sample(Dataset.from_list(rows), 3)


class BareModel(torch.nn.Module):
    """A model of somebody's own, which only gives a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))


def classifier() -> Any:
    return LlamaForSequenceClassification(make_model("llama").config)


def with_adapter(model: Any) -> Any:
    peft = pytest.importorskip("peft")
    return peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (classifier, r"a reward model or classifier of whole texts \(LlamaForSequenceClassification\)"),
        (
            lambda: with_adapter(classifier()),
            r"a reward model or classifier of whole texts \(LlamaForSequenceClassification\)",
        ),
        (lambda: make_model("llama").model, r"without generate\(\) \(LlamaModel\)"),
        (BareModel, r"without generate\(\) \(BareModel\)"),
    ],
)
@pytest.mark.parametrize("callback", [TranslationEvaluationCallback, DegenerationWatch])
def test_models_that_write_nothing(callback: Any, make: Any, words: str, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.model = make()
    with pytest.raises(InputError, match=f"the model of this Trainer is {words}"):
        callback(trainer, ROWS)


def test_a_reward_trainer_is_refused(tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    tokenizer = make_tokenizer(chat_template=CHATML)
    config = make_model("llama").config
    config.num_labels, config.pad_token_id = 1, tokenizer.pad_token_id
    pairs = Dataset.from_list([{"prompt": "a ", "chosen": "b", "rejected": "c"}] * 2)
    trainer = trl.RewardTrainer(
        LlamaForSequenceClassification(config),
        args=trl.RewardConfig(
            output_dir=str(tmp_path), use_cpu=True, report_to=[], bf16=False, eval_strategy="steps", eval_steps=1
        ),
        train_dataset=pairs,
        eval_dataset=pairs,
        processing_class=tokenizer,
    )
    with pytest.raises(InputError, match="the model of this RewardTrainer is a reward model"):
        TranslationEvaluationCallback(trainer, ROWS)
