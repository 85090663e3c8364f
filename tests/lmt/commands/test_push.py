"""`hf-lmt push`: an evaluation as a data set, a model as a model, by the real client."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from hub.clients import environment, run_python
from hub.server import HubServer

from hf_lmt.commands.push import push_command
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.evaluation_folder import read_evaluation
from hf_lmt.translation.prompt_registry import save_prompt_identity
from hf_miwv.common.hub.fetching import fetch_folder
from hf_miwv.common.hub.manifest import NAME


def run(*words: object) -> str:
    done = CliRunner().invoke(push_command, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_evaluation_becomes_a_data_set(hub: HubServer, tmp_path: Path) -> None:
    rows = tmp_path / "set.jsonl"
    lines = [{"en": f"number {one}", "de": f"Nummer {one}"} for one in range(6)]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "en-de.txt").write_text("".join(line["de"] + "\n" for line in lines))
    evaluate(str(rows), tmp_path / "eval", hypotheses=[tmp_path / "en-de.txt"], metrics=["chrf++"])
    run(tmp_path / "eval", "ada/eval")
    assert hub.store.find("dataset", "ada/eval").private
    files = hub.files("dataset", "ada/eval")
    assert {"scores.json", "hypotheses/en-de.jsonl", "stats/en-de.npz", NAME} <= files.keys()
    code = (
        "from datasets import load_dataset\n"
        "found = load_dataset('ada/eval', split='test')\n"
        "one = load_dataset('ada/eval', 'en-de', split='test')\n"
        "print(len(found), len(one), one[5]['hypothesis'])\n"
    )
    read = run_python(code, environment(hub, tmp_path / "home"))
    back = read_evaluation(fetch_folder("ada/eval"))
    assert back.scores == read_evaluation(tmp_path / "eval").scores
    assert read.stdout.split("\n")[-2] == "6 6 Nummer 5", read.stderr


def test_a_model_brings_its_prompt(hub: HubServer, tmp_path: Path, model_folder: Path) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    save_prompt_identity(folder)
    run(folder, "ada/translator", "--public", "--revision", "v1", "--message", "First")
    assert not hub.store.find("model", "ada/translator").private
    files = hub.files("model", "ada/translator", "v1")
    assert {
        "translation_prompt.json",
        "chat_template.jinja",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
    } <= files.keys()
    assert hub.titles("model", "ada/translator", "v1") == ["First"]
    assert hub.files("model", "ada/translator") == {}
