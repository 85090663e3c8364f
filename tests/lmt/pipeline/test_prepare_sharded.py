"""Preparation in tasks: the rows and counts of one process, for any number of tasks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.workspace import Workspace
from tests.lmt.data.prepare.prepared_rows import NO_SETS, WORDS, data_bytes, lines, rows_of, table

pytest.importorskip("datatrove", reason="datatrove is missing: pip install 'hf-miwv-lmt[scale]'")

from hf_lmt.pipeline import prepare_sharded as pipeline
from hf_lmt.pipeline.prepare_sharded import prepare_sharded
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


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"curation": {**NO_SETS, "near_duplicates": True}}, "near_duplicates: compares each row.*hf-lmt curate"),
        ({"curation": {**NO_SETS, "caps": {"per_target": 3}}}, "caps: counts rows of a text"),
        ({"downsampling": {"counts": {"kk-en": 5}}}, "downsampling: counts: .*give rates"),
        ({"data": [{"path": "x", "caps": {"en-*": 5}}]}, "caps: are counted over all tasks; give the source a weight"),
    ],
)
def test_what_needs_one_process_is_refused(section: dict[str, Any], message: str, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, {"data": [{"path": "x"}], "curation": NO_SETS, **section})
    with pytest.raises(InputError, match=message):
        sharded(recipe, tmp_path / "rows", 2)
    assert not (tmp_path / "rows.work").exists()


def test_fewer_parts_than_tasks_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "en-de.tsv").write_text("en\tde\n" + "".join(f"a word {n}\tein Wort {n}\n" for n in range(9)), "utf-8")
    recipe = recipe_of(tmp_path, {"data": [{"path": str(tmp_path / "en-de.tsv")}], "curation": NO_SETS})
    sharded(recipe, tmp_path / "rows", 3)
    assert "parts to read: 1, for 3 tasks, so 2 tasks read nothing: TMX, TSV and zipped files" in caplog.text


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
