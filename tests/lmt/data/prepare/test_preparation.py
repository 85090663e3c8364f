"""`hf-lmt prepare`: which rows come out, in which order, and what is recorded of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset, load_dataset
from tiny import make_tokenizer

from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.directions import auxiliary_of, parse_direction
from tests.lmt.data.method.test_downsampling import mixed
from tests.lmt.data.prepare.prepared_rows import (
    LANGUAGES,
    NO_SETS,
    PLAIN,
    WORDS,
    data_bytes,
    lasting,
    lines,
    make,
    rows_of,
    table,
)


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
