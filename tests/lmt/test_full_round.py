"""The whole way over the Hub and back, with faults on it: rows scored, chosen, pushed, read by id;
a model trained with its checkpoints pushed, judged by id, described, pushed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hub.clients import environment, run_python
from hub.server import HubServer
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import push
from hf_miwv.common.hub.manifest import NAME

pytest.importorskip("trl")
pytest.importorskip("peft")

# What a person types, in their order, with what they then load in between.
ROUND = """
import json, os, sys
from hf_lmt.__main__ import main as hf_lmt
from hf_miwv.__main__ import main as hf_miwv
os.chdir(sys.argv[1])
def run(line):
    name, *words = line.split()
    try:
        {"hf-miwv": hf_miwv, "hf-lmt": hf_lmt}[name](words, standalone_mode=False)
    except SystemExit as ended:
        assert not ended.code, line
run("hf-miwv score rows.jsonl --model ada/base@v1 --embedder ada/embedder --output scored "
    "--push-to-hub ada/rows")
run("hf-miwv select ada/rows --fraction 0.5 --output chosen --push-to-hub ada/rows")
from datasets import load_dataset
found = {name: len(load_dataset("ada/rows", name, split="train")) for name in ("scored", "chosen")}
found["default"] = len(load_dataset("ada/rows", split="train"))
run("hf-lmt train --config recipe.yaml")
judge = "--data set.jsonl --directions en-de --metrics chrf++ --beams 1 --max-new-tokens 4"
run(f"hf-lmt evaluate --model ada/translator@step-1 {judge} --output before")
run(f"hf-lmt evaluate --model ada/translator {judge} --output after")
run("hf-lmt push before ada/evaluation --revision before")
run("hf-lmt push after ada/evaluation")
run("hf-lmt diagnose ada/evaluation@before ada/evaluation --samples 40")
run("hf-lmt card trained --evaluation ada/evaluation --repository ada/translator "
    "--base-model ada/base")
run("hf-lmt push trained ada/translator")
from transformers import AutoModelForCausalLM, AutoTokenizer
AutoModelForCausalLM.from_pretrained("ada/translator")
AutoTokenizer.from_pretrained("ada/translator", revision="step-2")
from hf_lmt import Translator
translator = Translator("ada/translator", beams=1, max_new_tokens=4)
translator("good morning", source="en", target="de")
found["commit"] = translator.commit
print(json.dumps(found))
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The folder a person works in: rows, sentences, a recipe."""
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in make_rows(12)))
    for name, first in (("corpus", 0), ("set", 50)):
        lines = [{"en": f"number {one}", "de": f"Nummer {one}"} for one in range(first, first + 8)]
        (desk / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (desk / "recipe.yaml").write_text(
        yaml.safe_dump(
            {
                "model_name_or_path": "ada/base",
                "model_revision": "v1",
                "eos_token": "<|im_end|>",
                "data": [{"path": "corpus.jsonl", "corpus": "mine", "license": "cc0-1.0"}],
                "directions": ["en-de"],
                "curation": {"contamination": {"sets": "none"}},
                "seed": 0,
                "max_steps": 2,
                "save_steps": 1,
                "global_batch_size": 4,
                "per_device_train_batch_size": 4,
                "max_length": 400,
                "learning_rate": 1e-3,
                "use_cpu": True,
                "bf16": False,
                "activation_checkpointing": False,
                "output_dir": "trained",
                "hub": {"repo_id": "ada/translator", "every_save": True, "license": "mit"},
            }
        )
    )
    return desk


FAULTS = [
    {"where": "PUT /large/datasets/ada/rows", "cut": 1000},  # the scored rows break off
    {"where": "POST .*datasets/ada/rows/preupload/", "status": 503},
    {"where": "POST .*datasets/ada/rows/commit/", "status": 409},
    {"where": "GET /api/datasets/ada/rows/tree/", "status": 503},
    {"where": "POST .*ada/translator/commit/step-1", "status": 503},
    {"where": "PUT /large/models/ada/translator", "cut": 50_000},
    {"where": "POST .*ada/translator/commit/main", "status": 502, "after_done": True},
    {"where": "POST .*ada/evaluation/commit/", "status": 409},
    {"where": "GET /large/models/ada/translator", "cut_answer": 30_000},
]


@pytest.mark.slow
def test_the_whole_way_and_back(hub: HubServer, desk: Path, tmp_path: Path, embedder_folder: Path) -> None:
    base = tmp_path / "base"
    make_model("qwen3").save_pretrained(base)
    make_tokenizer(bos=False, chat_template=CHATML).save_pretrained(base)
    push(base, "ada/base", revision="v1")
    push(embedder_folder, "ada/embedder")
    told = [hub.fault(**fault) for fault in FAULTS]
    done = run_python(ROUND, environment(hub, tmp_path / "home", OMP_NUM_THREADS="1"), desk)
    assert done.returncode == 0, done.stderr[-4000:]
    assert all(fault.met.is_set() for fault in told)
    assert hub.token not in done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    model = hub.store.find("model", "ada/translator")
    assert found == {"scored": 12, "chosen": 6, "default": 12, "commit": model.refs["main"]}
    assert sorted(model.refs) == ["main", "step-1", "step-2"]
    assert len(hub.titles("model", "ada/translator")) == 2  # trained; described
    for kind, name, folder in (
        ("dataset", "ada/evaluation", "after"),
        ("model", "ada/translator", "trained"),
    ):
        files = hub.files(kind, name)
        here = {
            path.relative_to(desk / folder).as_posix(): path.read_bytes()
            for path in (desk / folder).rglob("*")
            if path.is_file()
        }
        assert files.keys() - {NAME} == here.keys()
        assert {path for path in here if files[path] != here[path]} <= {"README.md"}
        assert f'"{name}"'.encode() in files["README.md"]  # its examples load it by its id
        assert hub.store.find(kind, name).private
    record, scored = (json.loads((desk / name / "run.json").read_text()) for name in ("trained", "scored"))
    assert record["model"]["revision"] == hub.store.find("model", "ada/base").refs["v1"]
    assert scored["model"]["revision"] == record["model"]["revision"]
    assert scored["embedder"]["revision"] == hub.store.find("model", "ada/embedder").refs["main"]
    card = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert (card["base_model"], card["license"]) == ("ada/base", "mit")
    assert card["model-index"][0]["results"]
    assert sorted(path.name for path in desk.glob("*.work")) == []
