"""Preparation in tasks: the rows and counts of one process, for any number of tasks."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from tiny import make_tokenizer

from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.workspace import Workspace
from tests.lmt.data.prepare.prepared_rows import NO_SETS, WORDS, data_bytes, lines, rows_of, table

pytest.importorskip("datatrove", reason="datatrove is missing: pip install 'hf-miwv-lmt[scale]'")

from hf_lmt.pipeline import near_copies
from hf_lmt.pipeline import prepare_sharded as pipeline
from hf_lmt.pipeline.lowest_hashes import FindLowest, OfferLowest
from hf_lmt.pipeline.near_copies import ConnectNear, FindNear, SignRows
from hf_lmt.pipeline.prepare_sharded import prepare_sharded
from hf_lmt.pipeline.repeated_texts import FindBeyond
from hf_lmt.pipeline.sharded_work import ShardedWork
from hf_miwv.common.executors import same_code
from hf_miwv.common.executors.executor_settings import read_executor
from hf_miwv.common.executors.same_code import running_code


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def corpora(folder: Path) -> dict[str, Any]:
    """Sources of three kinds with copies among them, rows that filters take, and hints to be joined."""
    records = lines(60) + lines(20)  # copies within a source
    first = table(folder / "multi.jsonl", records)
    for code in ("en", "kk"):
        texts = [f"{WORDS[code]} {1000 + number}" for number in range(30, 90)]
        texts[5] = "" if code == "kk" else texts[5]
        (folder / f"pairs.{code}").write_text("\n".join(texts) + "\n", "utf-8")
    pair = {"source_lang": "en", "target_lang": "ru", "target": "!" * 400}
    rows = table(folder / "rows.jsonl", [{**pair, "source": f"{WORDS['en']} {1000 + number}"} for number in range(10)])
    return {
        "seed": 3,
        "data": [{"path": first}, {"path": str(folder / "pairs"), "weight": 0.5}, {"path": rows}],
        "curation": {**NO_SETS, "whitespace": True},
    }


def recipe_of(folder: Path, content: dict[str, Any]) -> Any:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return read_data_recipe(path)


def sharded(recipe: Any, output: Path, tasks: int) -> Any:
    return prepare_sharded(recipe, output, read_executor(f"local:{tasks}", {"workers": 1}), progress=False)


def counts_of(folder: Path) -> dict[str, Any]:
    run = json.loads((folder / "run.json").read_text("utf-8"))
    return {name: run[name] for name in ("rows", "counts", "contamination", "prompt_check", "settings")}


def test_any_number_of_tasks_gives_the_rows_of_one_process(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, corpora(tmp_path))
    prepare(recipe, tmp_path / "one", progress=False)
    expected = rows_of(tmp_path / "one")
    assert len({row["auxiliary"] for row in expected}) > 10
    for tasks in (1, 3):
        sharded(recipe, tmp_path / f"of-{tasks}", tasks)
        assert rows_of(tmp_path / f"of-{tasks}") == expected
        assert counts_of(tmp_path / f"of-{tasks}") == counts_of(tmp_path / "one")
    assert data_bytes(tmp_path / "of-1") == data_bytes(tmp_path / "of-3")
    assert not (tmp_path / "of-3.work").exists()


def test_a_finished_folder_is_left_as_it_is(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, {**corpora(tmp_path), "downsampling": False})
    first = sharded(recipe, tmp_path / "rows", 2)
    assert sharded(recipe, tmp_path / "rows", 5) == first  # whatever the number of tasks
    other = recipe_of(tmp_path, {**corpora(tmp_path), "downsampling": False, "seed": 4})
    with pytest.raises(InputError, match="holds the result of another run"):
        sharded(other, tmp_path / "rows", 2)


def sentences(code: str, count: int) -> list[str]:
    """Sentences of which every third is nearly the one before, and every tenth is the same again."""
    generator = random.Random(code)  # noqa: S311
    texts: list[str] = []
    for number in range(count):
        if number % 10 == 9:
            texts.append(texts[-5])
        elif number % 3 == 2:
            texts.append(f"{texts[-1]}!")
        else:
            texts.append(" ".join("".join(generator.choices("abcdefghijklmnop", k=6)) for _ in range(9)))
    return texts


def surveyed(folder: Path) -> dict[str, Any]:
    """Rows of which each kind of survey takes some: copies, near copies, texts beyond caps, and directions."""
    texts = {code: sentences(code, 50) for code in ("en", "de", "nl")}
    records = [{code: texts[code][number] for code in texts} for number in range(50)]
    # One target behind many sources, also in another source of the recipe.
    pairs = [{"en": f"{text} {number}", "de": "Ja, das stimmt."} for number, text in enumerate(sentences("x", 20))]
    return {
        "seed": 3,
        "data": [
            {"path": table(folder / "multi.jsonl", records)},
            {"path": table(folder / "pairs.jsonl", records[20:40] + pairs), "caps": {"en-de": 3, "de-*": 2}},
        ],
        "curation": {**NO_SETS, "near_duplicates": {"threshold": 0.7}, "caps": {"per_source": 2, "per_target": 3}},
        "downsampling": {"rate": 0.9, "counts": {"nl-en": 7, "en-nl": 5000, "de-en": 3}},
    }


def test_surveys_of_all_rows_take_what_they_take_in_one_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_copies, "DEALT", 100)  # several times that bands are dealt,
    monkeypatch.setattr(near_copies, "COMPARED", 200)  # and several parts of a bucket
    recipe = recipe_of(tmp_path, surveyed(tmp_path))
    prepare(recipe, tmp_path / "one", progress=False)
    warnings = [record.message for record in caplog.records if record.message.startswith("counts: ")]
    assert len(warnings) == 1
    expected, counts = rows_of(tmp_path / "one"), counts_of(tmp_path / "one")
    steps = counts["counts"]["curation"]
    assert all(steps[step]["rejected"] > 3 for step in ("duplicates", "near_duplicates", "caps"))
    assert set(steps["caps"]["reasons"]) == {"source too often", "target too often"}
    assert all(counts["counts"]["groups"]["all"][stage] > 3 for stage in ("capped", "downsampled"))
    for tasks in (1, 3):
        caplog.clear()
        sharded(recipe, tmp_path / f"of-{tasks}", tasks)
        assert rows_of(tmp_path / f"of-{tasks}") == expected
        assert counts_of(tmp_path / f"of-{tasks}") == counts
        assert data_bytes(tmp_path / f"of-{tasks}") == data_bytes(tmp_path / "of-1")
        assert [record.message for record in caplog.records if record.message.startswith("counts: ")] == warnings


def test_a_run_that_breaks_off_in_any_survey_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of(tmp_path, surveyed(tmp_path))
    sharded(recipe, tmp_path / "whole", 2)
    breaks = [(SignRows, 1), (FindNear, 0), (ConnectNear, 0), (FindBeyond, 1), (OfferLowest, 1), (FindLowest, 0)]
    for step, broken_rank in breaks:

        def broken(self: Any, data: Any, rank: int, task: Any = step._task, broken_rank: int = broken_rank) -> Any:
            task(self, data, rank)
            if rank == broken_rank:
                raise MemoryError("broken off")

        with monkeypatch.context() as patch:
            patch.setattr(step, "_task", broken)
            with pytest.raises(MemoryError, match="broken off"):
                sharded(recipe, tmp_path / "rows", 2)
        assert not (tmp_path / "rows").exists()
    sharded(recipe, tmp_path / "rows", 2)
    assert data_bytes(tmp_path / "rows") == data_bytes(tmp_path / "whole")
    assert counts_of(tmp_path / "rows") == counts_of(tmp_path / "whole")


def mixed(folder: Path) -> dict[str, Any]:
    """Pairs and texts to be mixed, with copies, empty ones and line breaks among them."""
    make_tokenizer(bos=False).save_pretrained(folder / "model")
    records = lines(40, ("en", "zh", "de")) + lines(15, ("en", "de"))
    records[38]["de"] = "guten Morgen\nlieber Freund 1038"
    texts = {code: [{"text": f"{WORDS[code]} {number % 70}"} for number in range(80)] for code in ("en", "de")}
    sources = [{"path": table(folder / f"{code}.jsonl", rows), "language": code} for code, rows in texts.items()]
    return {
        "data": [{"path": table(folder / "t.jsonl", records)}, {"path": table(folder / "again.jsonl", records[30:])}],
        "curation": {**NO_SETS, "duplicates": False},
        "seed": 2,
        "mixture": {"monolingual": sources, "tokens": 9000, "temperature": 3.0, "repeat": 1.5},
        "model_name_or_path": str(folder / "model"),
    }


@pytest.mark.parametrize("shares", [{}, {"zh": 0, "monolingual": 0.5}])
def test_a_mixture_is_that_of_one_process(shares: dict[str, float], tmp_path: Path) -> None:
    content = mixed(tmp_path)
    content["mixture"]["shares"] = shares
    recipe = recipe_of(tmp_path, content)
    run = prepare(recipe, tmp_path / "one", progress=False)
    expected = rows_of(tmp_path / "one")
    assert run["mixture"]["left_out"]["copies"] > 10
    assert run["mixture"]["line_breaks"] > 0
    for tasks in (1, 3):
        run_in_tasks = sharded(recipe, tmp_path / f"of-{tasks}", tasks)
        assert rows_of(tmp_path / f"of-{tasks}") == expected
        assert [run_in_tasks[name] for name in ("rows", "mixture", "counts")] == [
            run[name] for name in ("rows", "mixture", "counts")
        ]
        assert data_bytes(tmp_path / f"of-{tasks}") == data_bytes(tmp_path / "of-1")


def test_fewer_parts_than_tasks_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "en-de.tsv").write_text("en\tde\n" + "".join(f"a word {n}\tein Wort {n}\n" for n in range(9)), "utf-8")
    recipe = recipe_of(tmp_path, {"data": [{"path": str(tmp_path / "en-de.tsv")}], "curation": NO_SETS})
    sharded(recipe, tmp_path / "rows", 3)
    assert "parts to read: 1, for 3 tasks, so 2 read nothing: TMX, CSV, TSV and zipped files" in caplog.text


def test_a_task_that_fails_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "multi.jsonl"
    table(path, lines(400))
    whole = path.read_text("utf-8")
    path.write_text(whole + "{broken\n", "utf-8")
    recipe = recipe_of(tmp_path, {"data": [{"path": str(path)}], "curation": NO_SETS})
    with pytest.raises(InputError) as error:
        sharded(recipe, tmp_path / "rows", 4)
    message = str(error.value)
    assert "stage read: 1 of 4 tasks are not done, and nothing is written" in message
    assert re.search("task 3 .*multi.jsonl from byte .*not valid JSON", message)
    assert "leave what it reads out" in message
    assert not (tmp_path / "rows").exists()
    done = sorted(marker.name for marker in (tmp_path / "rows.work/tasks/read/completions").iterdir())
    assert done == ["00000", "00001", "00002"]


def test_two_runs_into_one_output(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, corpora(tmp_path))
    with Workspace(tmp_path / "rows.work"), pytest.raises(InputError, match="another process is at work"):
        sharded(recipe, tmp_path / "rows", 2)


def test_another_version_of_the_code_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = ShardedWork(tmp_path, recipe_of(tmp_path, corpora(tmp_path)), 1, (), running_code())
    with pytest.raises(InputError, match="must lie on a disk that all machines share"):
        work.check()
    (tmp_path / "plan.json").write_text("{}", "utf-8")
    work.check()
    monkeypatch.setattr(same_code, "running_code", lambda: "hf-miwv-lmt 0.1.0 (0123456)")
    with pytest.raises(InputError, match=r"this task runs .*\(0123456\), and the run was begun by"):
        work.check()


def test_work_of_another_version_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "multi.jsonl"
    table(path, lines(40))
    content = path.read_text("utf-8")
    path.write_text(content + "{broken\n", "utf-8")
    recipe = recipe_of(tmp_path, {"data": [{"path": str(path)}], "curation": NO_SETS})
    with pytest.raises(InputError, match="tasks are not done"):
        sharded(recipe, tmp_path / "rows", 2)
    for module in (same_code, pipeline):
        monkeypatch.setattr(module, "running_code", lambda: "hf-miwv-lmt 0.1.0 (0123456)")
    with pytest.raises(InputError, match="tasks are not done"):
        sharded(recipe, tmp_path / "rows", 2)
    assert "not the same: code): it is not reused" in caplog.text
