"""Hints in the prompt: which rows get one, from where, and the rows that a trainer reads."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, load_dataset
from datasets.fingerprint import Hasher

from hf_lmt.data.method.auxiliary_sentences import AuxiliarySentences
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.data.method.prompts import Wording, translation_prompt
from hf_miwv.common.errors import InputError


def make_row(name: str, number: int, auxiliary_lang: str | None = None) -> dict[str, Any]:
    source_lang, target_lang = name.split("-")
    return {
        "source_lang": source_lang,
        "target_lang": target_lang,
        "source": f"{source_lang} {number}",
        "target": f"{target_lang} {number}",
        "auxiliary_lang": auxiliary_lang,
        "auxiliary": auxiliary_lang and f"{auxiliary_lang} {number}",
    }


def mixed(rows: list[Any], seed: int) -> list[Any]:
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]


def make_rows(count: int = 200) -> list[dict[str, Any]]:
    names = {
        "en-de": "nl",
        "de-en": "nl",
        "zh-de": "en",
        "de-zh": "en",
        "en-zh": None,
        "ja-en": None,
    }
    rows = [make_row(name, number, hint) for name, hint in names.items() for number in range(count)]
    return mixed(rows, seed=2)


ROWS = make_rows()


def check_row(row: dict[str, Any]) -> None:
    hint = {name: row[name] for name in ("auxiliary", "auxiliary_lang")} if row["hinted"] else {}
    prompt = translation_prompt(row["source"], row["source_lang"], row["target_lang"], **hint)
    assert row["prompt"] == [{"role": "user", "content": prompt}]
    assert row["completion"] == [{"role": "assistant", "content": row["target"]}]
    assert row["chat_template_kwargs"] == {"enable_thinking": False}


def test_every_way_to_call_it_makes_the_same_rows() -> None:
    dataset, step = Dataset.from_list(ROWS), ParallelMultilingualPrompting(seed=6)
    found = step(dataset).to_list()
    assert [{name: row[name] for name in ROWS[0]} for row in found] == ROWS
    for row in found:
        check_row(row)
        assert not row["hinted"] or row["auxiliary"]
    assert dataset.map(step, batched=True, batch_size=13).to_list() == found
    assert step(dataset, num_proc=2).to_list() == found
    assert list(step(dataset.to_iterable_dataset(num_shards=3))) == found
    assert step(DatasetDict(train=dataset))["train"].to_list() == found
    again = step(Dataset.from_list(mixed(ROWS, seed=3))).to_list()
    assert sorted(again, key=str) == sorted(found, key=str)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_the_share_is_of_the_rows_with_an_auxiliary_and_nested(share: float) -> None:
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    able = [row["auxiliary"] is not None for row in ROWS]
    hinted = ParallelMultilingualPrompting(share)(columns)["hinted"]
    assert not any(one and not may for one, may in zip(hinted, able, strict=True))
    assert abs(sum(hinted) - share * sum(able)) <= 4 * (sum(able) * share * (1 - share)) ** 0.5
    wider = ParallelMultilingualPrompting(min(1.0, share + 0.1))(columns)["hinted"]
    assert not any(one and not more for one, more in zip(hinted, wider, strict=True))


def test_hints_are_drawn_independently_of_downsampling() -> None:
    rows = Dataset.from_list([make_row("de-en", number, "nl") for number in range(20_000)])
    kept = StrategicDownsampling(0.05)(rows)
    columns = kept.to_dict()
    hinted = ParallelMultilingualPrompting()(columns)["hinted"]
    assert 850 < len(hinted) < 1150
    assert abs(sum(hinted) - len(hinted) / 2) < 4 * len(hinted) ** 0.5 / 2


def test_text_rows_wordings_and_policies() -> None:
    row = make_row("en-de", 1, "nl")
    columns = {name: [value] for name, value in row.items()}
    found = ParallelMultilingualPrompting(1, form="text", wording="figure")(columns)
    assert found == {
        "prompt": ["Translate this from English to Dutch and German:\nEnglish: en 1\nDutch: nl 1\nGerman:"],
        "completion": [" de 1"],
        "hinted": [True],
    }
    own = Wording("{text}|{target}", "{text}|{auxiliary_text}|{target}")
    made = ParallelMultilingualPrompting(1, wording=own, thinking="template")(columns)
    assert made["prompt"] == [[{"role": "user", "content": "en 1|nl 1|German"}]]
    assert set(made) == {"prompt", "completion", "hinted"}


@pytest.mark.parametrize("auxiliary", [None, "", " \n"])
def test_rows_without_an_auxiliary_stay_plain(auxiliary: str | None) -> None:
    row = {**make_row("en-de", 1, "nl"), "auxiliary": auxiliary}
    made = ParallelMultilingualPrompting(1)({name: [value] for name, value in row.items()})
    assert made["hinted"] == [False]
    assert "Dutch" not in made["prompt"][0][0]["content"]
    del row["auxiliary"], row["auxiliary_lang"]
    plain = ParallelMultilingualPrompting(1)({name: [value] for name, value in row.items()})
    assert plain["prompt"] == made["prompt"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"auxiliary_lang": "de"}, "en-de: a row's auxiliary_lang is 'de'"),
        ({"auxiliary_lang": "en"}, "auxiliary_lang is 'en'"),
        ({"auxiliary_lang": None}, "auxiliary_lang is None"),
        ({"auxiliary_lang": "nld"}, "it is called 'nl' here"),
        ({"target": " "}, "the target of 'en 1' has no text"),
        ({"source": ""}, "has no text"),
        ({"target": None}, "row 0 of this batch has no target"),
        ({"prompt": "mine"}, "already have the columns prompt"),
    ],
)
def test_rows_that_cannot_be(change: dict[str, Any], words: str) -> None:
    row = {**make_row("en-de", 1, "nl"), **change}
    with pytest.raises(InputError, match=words):
        ParallelMultilingualPrompting(0)({name: [value] for name, value in row.items()})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"share": 2}, "share 2: give a share"),
        ({"seed": -2}, "seed -2"),
        ({"wording": "figur"}, "did you mean 'figure'"),
        ({"form": "chat"}, "form 'chat'"),
        ({"thinking": "off"}, "thinking 'off'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ParallelMultilingualPrompting(**settings)


def test_the_cache_knows_the_settings() -> None:
    step = ParallelMultilingualPrompting(seed=2)
    assert pickle.loads(pickle.dumps(step))._prompts is not None  # noqa: S301
    assert Hasher.hash(step) == Hasher.hash(ParallelMultilingualPrompting(seed=2))
    others = [{"seed": 3}, {"share": 0.4}, {"wording": "figure"}, {"form": "text"}]
    assert len({Hasher.hash(ParallelMultilingualPrompting(**other)) for other in others}) == 4


def bare(name: str, source: str, target: str) -> dict[str, str]:
    source_lang, target_lang = name.split("-")
    return {
        "source_lang": source_lang,
        "target_lang": target_lang,
        "source": source,
        "target": target,
    }


CORPUS = [
    bare("en-nl", "Thanks. é", "Bedankt."),
    bare("de-en", "Danke.", "Thanks. e\u0301"),
    bare("zh-en", "谢谢。", "Thanks."),
    bare("de-zh", "Danke.", "谢谢。"),
    bare("nl-en", "Hallo.", "Hello."),
    bare("en-de", "Hello.", "Guten Tag."),
    bare("en-ja", "Hello.", "こんにちは。"),
    bare("en-fr", "Hello.", "Salut."),
    bare("it-en", "Ciao.", "Hello."),
    bare("zh-kk", "不。", "Жоқ."),
    bare("en-zh", "Hello.", " "),
]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (0, ("de", "Danke.")),
        (1, ("nl", "Bedankt.")),
        (2, ("", "")),
        (3, ("en", "Thanks.")),
        (4, ("de", "Guten Tag.")),
        (5, ("nl", "Hallo.")),
        (6, ("", "")),
        (7, ("it", "Ciao.")),
        (8, ("fr", "Salut.")),
        (9, ("", "")),
        (10, ("", "")),
    ],
)
def test_the_auxiliary_sentence_is_found(row: int, expected: tuple[str, str]) -> None:
    joined = AuxiliarySentences(Dataset.from_list(CORPUS))(Dataset.from_list(CORPUS))
    assert (joined[row]["auxiliary_lang"], joined[row]["auxiliary"]) == expected


def test_what_a_row_has_stays_and_the_order_does_not_matter(tmp_path: Path) -> None:
    several = [bare("en-nl", "Hello.", f"Hallo {number}") for number in range(20)]
    asking = Dataset.from_list(
        [
            {**bare("en-de", "Hello.", "Tag."), "auxiliary_lang": lang, "auxiliary": text}
            for lang, text in ((None, None), ("sv", "Hej."), ("nl", ""))
        ]
    )
    Dataset.from_list(several).to_parquet(tmp_path / "rows.parquet")
    on_disk = load_dataset("parquet", data_files=str(tmp_path / "rows.parquet"), split="train")
    found = AuxiliarySentences(on_disk)(asking, num_proc=2)
    assert found["auxiliary_lang"][:] == ["nl", "sv", "nl"]
    assert found["auxiliary"][1] == "Hej."
    assert found["auxiliary"][0] == found["auxiliary"][2] in [row["target"] for row in several]
    turned = AuxiliarySentences(Dataset.from_list(several[::-1]))
    assert turned(asking)["auxiliary"][:] == found["auxiliary"][:]
    assert list(turned(asking.to_iterable_dataset())) == turned(asking).to_list()
    assert Hasher.hash(AuxiliarySentences(on_disk)) == Hasher.hash(AuxiliarySentences(on_disk))
    ready = ParallelMultilingualPrompting(1)(found)
    assert ready["hinted"][:] == [True, True, True]


def test_sentences_are_read_from_a_data_set() -> None:
    with pytest.raises(InputError, match=r"give Dataset.from_list\(list\(rows\)\)"):
        AuxiliarySentences(Dataset.from_list(CORPUS).to_iterable_dataset())
    with pytest.raises(InputError, match="name the split"):
        AuxiliarySentences(DatasetDict(train=Dataset.from_list(CORPUS)))
