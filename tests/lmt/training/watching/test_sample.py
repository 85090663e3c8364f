"""The watched sample: which rows it holds, whatever their order, and in which forms they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tiny import CHATML, make_tokenizer

from hf_lmt.data.corpora.load import load
from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback
from hf_lmt.training.watching.sample import choose_sample
from hf_lmt.translation.prompt_registry import STYLES
from hf_miwv.common.errors import InputError
from tests.lmt.training.watching.test_watching import make_trainer
from tests.lmt.training.watching.test_watching_settings import ROWS


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
