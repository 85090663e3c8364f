"""`hf-lmt prepare`: which rows come out, in which order, and what is recorded of the others."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from datasets import Dataset, load_dataset
from multiprocess import get_context
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.data.method.prompts import translation_prompt
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_lmt.directions import auxiliary_of, parse_direction
from hf_miwv.common.errors import InputError
from tests.lmt.data.method.test_downsampling import mixed
from tests.lmt.data.method.test_prompts import QWEN3

LANGUAGES = ("en", "zh", "de", "nl", "kk", "ru", "ar")
NO_SETS: dict[str, Any] = {"contamination": {"sets": "none"}}
PLAIN = {"seed": 3, "curation": NO_SETS}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


WORDS = {
    "en": "good morning dear friend",
    "zh": "亲爱的朋友早上好",
    "de": "guten Morgen lieber Freund",
    "nl": "goede morgen beste vriend",
    "kk": "қайырлы таң қымбатты дос",
    "ru": "доброе утро дорогой друг",
    "ar": "صباح الخير يا صديقي",
}


def lines(count: int = 60, languages: tuple[str, ...] = LANGUAGES) -> list[dict[str, Any]]:
    return [{code: f"{WORDS[code]} {1000 + number}" for code in languages} for number in range(count)]


def table(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return str(path)


def make(folder: Path, content: dict[str, Any], name: str = "rows", **given: Any) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return prepare(read_data_recipe(path), folder / name, progress=False, **given)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return load_dataset(str(folder), split="train").to_list()


def data_bytes(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "data").iterdir())]


def lasting(folder: Path) -> dict[str, Any]:
    run = json.loads((folder / "run.json").read_text("utf-8"))
    return {name: part for name, part in run.items() if name != "timing"}


def plain_rows(records: list[dict[str, Any]], seed: int) -> Iterator[tuple[Any, ...]]:
    """Every row by loops and the public steps on one row at a time."""
    thin, hint = StrategicDownsampling(seed=seed), ParallelMultilingualPrompting(seed=seed)
    for source in LANGUAGES:
        for target in LANGUAGES:
            if source == target or not {"en", "zh"} & {source, target}:
                continue
            auxiliary = auxiliary_of(parse_direction(f"{source}-{target}"))
            auxiliary = auxiliary if auxiliary in LANGUAGES else None
            for record in records:
                text = record[auxiliary] if auxiliary else None
                row = {
                    "source_lang": [source],
                    "target_lang": [target],
                    "corpus": ["mine"],
                    "source": [record[source]],
                    "target": [record[target]],
                    "auxiliary_lang": [auxiliary],
                    "auxiliary": [text],
                }
                if thin(row) == [True]:
                    added = hint(row)
                    prompt = added["prompt"][0][0]["content"]
                    yield source, target, record[source], record[target], prompt


def found_rows(folder: Path) -> list[tuple[Any, ...]]:
    return [
        (row["source_lang"], row["target_lang"], row["source"], row["target"], row["prompt"][0]["content"])
        for row in rows_of(folder)
    ]


def test_the_rows_are_those_of_plain_loops_whatever_the_order_and_processes(
    tmp_path: Path,
) -> None:
    records = lines(80)
    path = table(tmp_path / "t.jsonl", records)
    recipe = {**PLAIN, "data": [{"path": path, "corpus": "mine"}]}
    run = make(tmp_path, recipe)
    assert sorted(found_rows(tmp_path / "rows")) == sorted(plain_rows(records, 3))
    groups = run["counts"]["groups"]
    assert groups["en2x"]["read"] == groups["en2x"]["rows"] == 5 * 80
    assert groups["x2en"]["rows"] + groups["x2en"]["downsampled"] == 5 * 80
    assert 0 < groups["x2en"]["rows"] < 60
    assert groups["all"]["hinted"] == sum(row["hinted"] for row in rows_of(tmp_path / "rows"))
    make(tmp_path, recipe, "two", num_proc=2)
    records = mixed(records, seed=4)
    table(tmp_path / "t.jsonl", records)
    make(tmp_path, recipe, "shuffled")
    assert data_bytes(tmp_path / "rows") == data_bytes(tmp_path / "two")
    assert data_bytes(tmp_path / "rows") == data_bytes(tmp_path / "shuffled")
    assert lasting(tmp_path / "rows") == lasting(tmp_path / "shuffled")
    assert (tmp_path / "rows" / "README.md").read_text() == (tmp_path / "two" / "README.md").read_text()


def test_neither_sources_nor_copies_in_them_have_an_order(tmp_path: Path) -> None:
    first = table(tmp_path / "a.jsonl", lines(30))
    second = table(tmp_path / "b.jsonl", lines(45, ("en", "de")))  # shares texts, has no hints
    sources = [{"path": path, "corpus": "mine"} for path in (first, second)]
    make(tmp_path, {**PLAIN, "data": sources, "downsampling": False}, "one")
    make(tmp_path, {**PLAIN, "data": sources[::-1], "downsampling": False}, "other")
    assert data_bytes(tmp_path / "one") == data_bytes(tmp_path / "other")


def test_rows_without_an_aligned_auxiliary_are_joined_by_their_english_text(
    tmp_path: Path,
) -> None:
    german = table(tmp_path / "de.jsonl", lines(20, ("en", "de")))
    dutch = table(tmp_path / "nl.jsonl", lines(10, ("en", "nl")))
    recipe = {
        "data": [{"path": german}, {"path": dutch}],
        "curation": NO_SETS,
        "directions": ["en-de", "en-nl"],
        "pmp": {"share": 1.0},
    }
    make(tmp_path, recipe)
    for row in rows_of(tmp_path / "rows"):
        hint = {"de": "nl", "nl": "de"}[row["target_lang"]]
        number = int(row["source"][-4:]) - 1000
        joined = number < 10
        assert row["auxiliary"] == (f"{WORDS[hint]} {1000 + number}" if joined else None)
        assert row["hinted"] is joined
        assert row["auxiliary_lang"] in ((hint,) if joined else (None,))


def test_hints_are_half_of_the_reverse_rows_that_stay(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(4000, ("en", "de", "nl")))
    recipe = {"data": [{"path": path}], "directions": ["de-en", "nl-en"], "curation": NO_SETS}
    counts = make(tmp_path, recipe)["counts"]["groups"]["x2en"]
    assert abs(counts["rows"] - 400) < 4 * (8000 * 0.05 * 0.95) ** 0.5
    assert abs(counts["hinted"] - counts["rows"] / 2) < 2 * counts["rows"] ** 0.5


def test_caps_and_weights_are_nested_and_by_source(tmp_path: Path) -> None:
    one = table(tmp_path / "a.jsonl", lines(200, ("en", "de")))
    other = table(
        tmp_path / "b.jsonl",
        [{code: text.replace(" ", "  ", 1) for code, text in line.items()} for line in lines(300, ("en", "de"))],
    )
    kept: dict[int, set[str]] = {}
    for cap in (10, 50):
        sources = [
            {"path": one, "caps": {"*-de": cap}},
            {"path": other, "weight": 0.2},
            {"path": one, "corpus": "unused", "weight": 0},
        ]
        recipe = {"data": sources, "directions": ["en-de"], "curation": NO_SETS}
        run = make(tmp_path, recipe, f"cap{cap}")
        rows = rows_of(tmp_path / f"cap{cap}")
        by_corpus = Counter(row["corpus"] for row in rows)
        assert by_corpus["a"] == cap
        assert 30 < by_corpus["b"] < 90
        assert set(by_corpus) == {"a", "b"}
        counts = run["counts"]["directions"]["en-de"]
        assert counts["outside_weight"] == 500 - by_corpus["b"]
        assert counts["capped"] == 200 - cap
        assert counts["rows"] == len(rows)
        kept[cap] = {row["source"] for row in rows}
    assert kept[10] < kept[50]


def test_the_folder_opens_and_its_card_says_what_was_done(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(20))
    sources = [{"path": path, "corpus": "mine", "license": "cc-by-4.0"}]
    run = make(tmp_path, {**PLAIN, "data": sources}, origin={"command_line": ["hf-lmt", "prepare"]})
    folder = tmp_path / "rows"
    assert not (tmp_path / "rows.work").exists()
    rows = load_dataset(str(folder), split="train")
    assert rows.column_names == [
        "source_lang",
        "target_lang",
        "source",
        "target",
        "auxiliary_lang",
        "auxiliary",
        "corpus",
        "row_key",
        "prompt",
        "completion",
        "hinted",
        "chat_template_kwargs",
    ]
    assert len(rows) == run["rows"]
    card = (folder / "README.md").read_text("utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == ["cc-by-4.0"]
    assert front["configs"][0]["data_files"][0]["path"] == "data/train-*.parquet"
    for words in ("not checked", "hf-lmt prepare", "mine", "StrategicDownsampling"[:9]):
        assert words in card
    assert (folder / "directions.png").read_bytes().startswith(b"\x89PNG")
    assert run["contamination"] == "not checked"
    assert run["settings"]["downsampling"]["rate"] == 0.05
    assert run["data"][0]["sentences"] == 20


def test_a_finished_folder_is_not_made_again_and_another_is_not_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = table(tmp_path / "t.jsonl", lines(10))
    recipe = {**PLAIN, "data": [{"path": path}]}
    make(tmp_path, recipe)
    before = (tmp_path / "rows" / "run.json").stat().st_mtime_ns
    with caplog.at_level(logging.INFO):
        make(tmp_path, recipe)
    assert (tmp_path / "rows" / "run.json").stat().st_mtime_ns == before
    assert "already holds this result" in caplog.text
    with pytest.raises(InputError, match=r"not the same: .*seed.*--overwrite"):
        make(tmp_path, {**recipe, "seed": 4})
    assert make(tmp_path, {**recipe, "seed": 4}, overwrite=True)["settings"]["seed"] == 4


def test_a_glob_without_rows_is_a_warning_and_a_name_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de")))
    recipe = {**PLAIN, "data": [{"path": path}], "directions": ["en-*"]}
    run = make(tmp_path, recipe)
    assert "58 asked directions have no row: en-zh, en-ar" in caplog.text
    assert len(run["counts"]["directions_without_rows"]) == 58
    with pytest.raises(InputError, match=r"en-kk, kk-en: asked for by name.*there are: en-de"):
        make(tmp_path, {**recipe, "directions": ["en-*", "kk-en", "en-kk"]}, "named")
    thin = {**recipe, "directions": ["en-de", "de-en"], "downsampling": {"counts": {"en-de": 0}}}
    with pytest.raises(InputError, match=r"de-en: .*of 10 read: downsampled 10"):
        make(tmp_path, {**thin, "downsampling": {"rate": 1e-9}}, "thin")
    assert make(tmp_path, {**thin, "downsampling": {"rate": 0.0}}, "none")["rows"] == 10


def test_what_took_all_rows_is_said(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de")))
    recipe = {"data": [{"path": path, "caps": {"*-*": 0}}], "curation": NO_SETS}
    with pytest.raises(InputError, match="no row is left; of 20 read: capped 20"):
        make(tmp_path, recipe)
    wrong = [
        {
            "source_lang": "en",
            "target_lang": "de",
            "source": "a",
            "target": "b",
            "auxiliary_lang": "de",
            "auxiliary": "c",
        }
    ]
    path = table(tmp_path / "w.jsonl", wrong)
    with pytest.raises(InputError, match=r"w.jsonl:1: auxiliary_lang is de, a language of en-de"):
        make(tmp_path, {"data": [{"path": path}], "curation": NO_SETS}, "wrong")


@pytest.mark.parametrize(
    ("template", "thinking", "lead"),
    [(QWEN3, "disabled", ""), (QWEN3, "template", "<think>\n\n</think>\n\n")],
)
def test_train_and_inference_prompts_are_compared(template: str, thinking: str, lead: str, tmp_path: Path) -> None:
    make_tokenizer(bos=False, chat_template=template).save_pretrained(tmp_path / "model")
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de", "nl")))
    recipe = {
        **PLAIN,
        "data": [{"path": path}],
        "pmp": {"thinking": thinking},
        "model_name_or_path": str(tmp_path / "model"),
    }
    check = make(tmp_path, recipe)["prompt_check"]
    assert (check["checked"], check["before_target"]) == ("yes", [lead])
    assert check["rows"] == len(rows_of(tmp_path / "rows"))


def test_prompts_that_differ_stop_the_run(tmp_path: Path) -> None:
    uneven = CHATML.replace("assistant\n{% endif %}", "assistant: {% endif %}")
    make_tokenizer(bos=False, chat_template=uneven).save_pretrained(tmp_path / "model")
    make_tokenizer(bos=False).save_pretrained(tmp_path / "base")
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de")))
    recipe = {**PLAIN, "data": [{"path": path}]}
    for name, words in (
        ("model", "differ from token"),
        ("base", r"pmp: \{form: text\}"),
        ("gone", "no tokenizer can be read"),
    ):
        with pytest.raises(InputError, match=words):
            make(tmp_path, {**recipe, "model_name_or_path": str(tmp_path / name)}, f"at-{name}")
        assert not (tmp_path / f"at-{name}").exists()
    text = {**recipe, "pmp": {"form": "text"}, "model_name_or_path": str(tmp_path / "base")}
    assert make(tmp_path, text, "text")["prompt_check"]["checked"] == "yes"


def test_trl_trains_on_the_folder_as_it_is(tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    path = table(tmp_path / "t.jsonl", lines(6, ("en", "de", "nl")))
    make(tmp_path, {**PLAIN, "data": [{"path": path}]})
    rows = load_dataset(str(tmp_path / "rows"), split="train")
    tokenizer = make_tokenizer(bos=False, chat_template=QWEN3)
    settings = SFTConfig(
        output_dir=str(tmp_path / "tuned"),
        max_steps=1,
        report_to="none",
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=2,
        save_strategy="no",
        max_length=512,
    )
    trainer = SFTTrainer(make_model("qwen3"), args=settings, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    batch = next(iter(trainer.get_train_dataloader()))
    targets = {tokenizer.decode([one for one in labels.tolist() if one >= 0]).strip() for labels in batch["labels"]}
    wanted = {row["target"] for row in rows}
    assert all(any(text.startswith(target) for target in wanted) for text in targets)


def begin(folder: Path, name: str, num_proc: int) -> Any:
    """A process of its own; forked, for it would spend its time on imports."""

    def run() -> None:
        prepare(read_data_recipe(folder / "r.yaml"), folder / name, num_proc=num_proc, progress=False)

    process = get_context("fork").Process(target=run)
    process.start()
    return process


@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_run_that_is_killed_goes_on_to_the_same_bytes(num_proc: int, tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(500))
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**PLAIN, "data": [{"path": path}]}), "utf-8")
    prepare(read_data_recipe(tmp_path / "r.yaml"), tmp_path / "whole", progress=False)
    work = tmp_path / "killed.work"
    for name in (
        "identity.json",
        "rows.arrow.part",
        "rows.arrow",
        "kept.arrow",
        "prompted.arrow.part",
        "prompted.arrow",
        "output",
    ):
        process = begin(tmp_path, "killed", num_proc)
        while process.is_alive() and not (work / name).exists():
            time.sleep(0.001)
        process.kill()
        process.join()
        assert name == "output" or not (tmp_path / "killed").exists()
    process = begin(tmp_path, "killed", num_proc)
    process.join()
    assert process.exitcode == 0
    assert data_bytes(tmp_path / "killed") == data_bytes(tmp_path / "whole")
    assert lasting(tmp_path / "killed") == lasting(tmp_path / "whole")
    assert not work.exists()


@pytest.mark.parametrize("name", ["rows.arrow", "kept.arrow", "prompted.arrow"])
def test_a_flipped_bit_is_seen_when_a_run_goes_on(name: str, tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(500))
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**PLAIN, "data": [{"path": path}]}), "utf-8")
    file = tmp_path / "killed.work" / name
    process = begin(tmp_path, "killed", 1)
    while process.is_alive() and not file.exists():
        time.sleep(0.001)
    process.kill()
    process.join()
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"{name} is damaged.*Remove .*killed.work, and run"):
        prepare(read_data_recipe(tmp_path / "r.yaml"), tmp_path / "killed", progress=False)


def test_prompts_equal_the_inference_prompt(tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(10, ("en", "de", "nl")))
    make(tmp_path, {**PLAIN, "data": [{"path": path}], "pmp": False})
    for row in rows_of(tmp_path / "rows"):
        prompt = translation_prompt(row["source"], row["source_lang"], row["target_lang"])
        assert row["prompt"] == [{"role": "user", "content": prompt}]
        assert row["hinted"] is False


def test_rejects_are_kept_with_their_reasons(tmp_path: Path) -> None:
    records = [*lines(10, ("en", "de")), {"en": "nothing behind it", "de": ""}]
    path = table(tmp_path / "t.jsonl", records)
    run = make(tmp_path, {**PLAIN, "data": [{"path": path}]}, keep_rejects=True)
    folder = tmp_path / "rows"
    rejects = Dataset.from_parquet(str(folder / "rejects" / "rejects.parquet"))
    assert {row["rejected_by"] for row in rejects} == {"empty"}
    assert len(rejects) == run["counts"]["groups"]["all"]["curated_away"] == 2
    empty = run["counts"]["curation"]["empty"]
    assert (empty["rejected"], empty["directions"]) == (2, {"de-en": 1, "en-de": 1})
    assert run["counts"]["curation"]["contamination"]["notes"] == {"checked": "not checked"}
    assert load_dataset(str(folder), split="train").to_list() == rows_of(folder)
    assert load_dataset(str(folder), "rejects", split="train").to_list() == rejects.to_list()


def test_a_mixture_for_continued_pre_training(tmp_path: Path) -> None:
    make_tokenizer(bos=False).save_pretrained(tmp_path / "model")
    pairs = table(tmp_path / "t.jsonl", lines(40, ("en", "zh", "de")))
    texts = {code: [{"text": f"{WORDS[code]} {number}"} for number in range(80)] for code in ("en", "de")}
    sources = [
        {"path": table(tmp_path / f"{code}.jsonl", records), "language": code} for code, records in texts.items()
    ]
    recipe = {
        "data": [{"path": pairs}],
        "curation": NO_SETS,
        "seed": 2,
        "mixture": {"monolingual": sources, "tokens": 3000, "temperature": 3.0},
        "model_name_or_path": str(tmp_path / "model"),
    }
    run = make(tmp_path, recipe)
    rows = rows_of(tmp_path / "rows")
    assert {row["part"] for row in rows} == {"monolingual", "zh", "en"}
    assert any(row["text"].startswith("<en2de>") for row in rows)
    assert abs(run["mixture"]["tokens"]["given"] - 3000) < 400
    assert run["rows"] == len(rows)
    make(tmp_path, recipe, "two", num_proc=2)
    assert data_bytes(tmp_path / "rows") == data_bytes(tmp_path / "two")
