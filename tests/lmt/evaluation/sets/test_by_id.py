"""Adapters, evaluations and prepared rows by their ids on the Hub, each at a revision."""

# ruff: noqa: F811  the fixtures of another file
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hub.server import HubServer

from hf_lmt import Translator, diagnose, evaluate, write_report
from hf_lmt.__main__ import main
from hf_lmt.evaluation.evaluation_folder import read_evaluation
from hf_lmt.evaluation.sets.trained_on import training_of
from hf_lmt.translation.prompt_registry import save_prompt_identity
from hf_miwv import push
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_folder
from hf_miwv.common.reading.source import Source
from tests.lmt.training.test_training import (  # noqa: F401
    cache,
    invoke,
    losses,
    prepared,
    recipe,
    refused,
    succeed,
    tiny,
)


def run(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def judged(folder: Path, name: str, texts: list[str]) -> Path:
    """An evaluation of these hypotheses of a set of as many lines."""
    rows = folder / "set.jsonl"
    lines = [{"en": f"number {one}", "de": f"Nummer {one}"} for one in range(len(texts))]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "en-de.txt").write_text("".join(text + "\n" for text in texts))
    output = folder / name
    evaluate(str(rows), output, hypotheses=[folder / "en-de.txt"], metrics=["chrf++"])
    return output


def test_an_adapter_translates_by_its_id(
    hub: HubServer, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    push(tiny, "ada/base")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), LoraConfig(r=4, target_modules="all-linear"))
    torch.manual_seed(1)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.3)
    model.save_pretrained(tmp_path / "adapter")
    (tmp_path / "adapter" / "README.md").unlink()
    save_prompt_identity(tmp_path / "adapter", wording="figure")
    push(tmp_path / "adapter", "ada/adapter", revision="v1", base_model="ada/base")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(tiny)
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    here, there, base = (
        Translator(str(name), num_beams=1, max_new_tokens=8) for name in (tmp_path / "adapter", "ada/adapter@v1", tiny)
    )
    texts = ["good morning", "what is water made of"]
    found = there(texts, src_lang="en", tgt_lang="de")
    assert found == here(texts, src_lang="en", tgt_lang="de")
    assert found != base(texts, src_lang="en", tgt_lang="de")
    assert there.style.name == "figure"
    assert there.commit == hub.store.find("model", "ada/adapter").refs["v1"]
    with pytest.raises(InputError, match="names another revision than --revision v2"):
        Translator("ada/adapter@v1", revision="v2")


def test_evaluations_are_diagnosed_and_shown_by_id(hub: HubServer, tmp_path: Path) -> None:
    good = [f"Nummer {one}" for one in range(40)]
    push(judged(tmp_path, "before", good), "ada/eval")
    push(judged(tmp_path, "after", ["Nummer 1"] * 40), "ada/eval", revision="v2")
    found = diagnose("ada/eval", "ada/eval@v2", samples=40)
    assert found.alarm
    assert (found.as_dict()["before"], found.as_dict()["after"]) == ("ada/eval", "ada/eval@v2")
    copy = fetch_folder("ada/eval")
    before = sorted(copy.iterdir())
    result = run("report", "ada/eval", "ada/eval@v2", "--output", tmp_path / "page")
    assert result.exit_code == 0, result.output
    assert "eval@v2" in (tmp_path / "page" / "index.html").read_text()
    result = run("report", "ada/eval")
    assert result.exit_code == 0, result.output
    assert "no page: give --output FOLDER" in result.output
    assert sorted(copy.iterdir()) == before
    with pytest.raises(InputError, match="ada/eval is on the Hub; give --output FOLDER"):
        write_report("ada/eval")
    with pytest.raises(InputError, match="'ada/none' cannot be loaded: there is no such repo"):
        read_evaluation("ada/none")


def test_what_a_model_on_the_hub_was_trained_on_is_known(hub: HubServer, tmp_path: Path, tiny: Path) -> None:
    """Its card says nothing of it, its run.json does; a folder and an id are told the same of."""
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    run = {"package": {"name": "hf_lmt"}, "data": [{"corpus": "ntrex-128", "path": "x.jsonl"}]}
    (folder / "run.json").write_text(json.dumps(run))
    push(folder, "ada/model", revision="v1")
    by_id, by_folder = (training_of(Source.parse(name)) for name in ("ada/model@v1", str(folder)))
    assert [claim.name for claim in by_id.claims] == ["ntrex-128", "x.jsonl"]
    assert [claim.name for claim in by_folder.claims] == ["ntrex-128", "x.jsonl"]
    assert by_id.looked_at == ("run.json of ada/model",)


def test_a_base_model_that_cannot_be_had_ends_nothing(
    hub: HubServer, tmp_path: Path, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / "README.md").write_text("---\nbase_model: eve/private\ndatasets: [org/x]\n---\n")
    push(folder, "ada/model")
    assert [claim.name for claim in training_of(Source("ada/model")).claims] == ["org/x"]
    assert "what the base model was trained on (model 'eve/private' cannot be" in caplog.text


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("ada/none", "there is no such repository on the Hub, or it is private"),
        ("ada/model@none", "it has no such revision"),
    ],
)
def test_a_model_that_is_not_on_the_hub(hub: HubServer, tmp_path: Path, tiny: Path, model: str, reason: str) -> None:
    push(tiny, "ada/model")
    texts, pairs = tmp_path / "in.txt", tmp_path / "set.jsonl"
    texts.write_text("one\n")
    pairs.write_text('{"en": "one", "de": "eins"}\n')
    for words in (
        ("translate", "--from", "en", "--to", "de", "--input", texts, "--output", tmp_path / "o"),
        ("evaluate", "--data", pairs, "--directions", "en-de", "--output", tmp_path / "e"),
    ):
        refused = run(*words, "--model", model)
        assert (refused.exit_code, reason in refused.output) == (2, True), refused.output


def test_prepared_rows_are_trained_on_by_id(hub: HubServer, recipe: dict[str, Any], tmp_path: Path) -> None:
    rows = prepared(recipe, tmp_path)
    push(rows, "ada/rows", revision="v1")
    del recipe["directions"], recipe["curation"]
    recipe["max_steps"] = 1
    whole = losses(succeed({**recipe, "data": [{"path": str(rows)}]}, tmp_path))
    recipe |= {"output_dir": str(tmp_path / "other"), "data": [{"path": "ada/rows", "revision": "v1"}]}
    assert losses(succeed(recipe, tmp_path)) == whole
    message = "data: ada/rows holds rows of `hf-lmt prepare`, taken as they are; downsampling would"
    recipe |= {"downsampling": {"rate": 0.5}, "output_dir": str(tmp_path / "third")}
    refused(invoke(recipe, tmp_path), message)
    assert not (tmp_path / "third").exists()
