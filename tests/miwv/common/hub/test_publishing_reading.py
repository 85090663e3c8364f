"""What was pushed comes back by its id: to the unmodified libraries, and to our own commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub.clients import environment, run_python
from hub.server import HubServer
from scored_folder import write_scored
from tiny import make_rows

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_folder
from hf_miwv.common.hub.push import push
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder import read_record
from hf_miwv.comparing.comparison import compare
from hf_miwv.selection.selection import select

READ = """
import json, os, sys
from hf_miwv.__main__ import main
from hf_miwv.common.reading.reading import read_dataset
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from huggingface_hub import ModelCard
report = {
    "default": load_dataset("ada/rows", split="train").column_names,
    "scored": len(load_dataset("ada/rows", "scored", split="train")),
    "chosen": len(load_dataset("ada/rows", "chosen", split="train")),
    "first": next(iter(load_dataset("ada/rows", "chosen", split="train", streaming=True)))["row"],
    "whole": len(load_dataset("ada/chosen", split="train")),
    "of a branch": len(load_dataset("ada/chosen", split="train", revision="half")),
    "pinned": len(read_dataset("ada/chosen@half")),
}
model = AutoModelForCausalLM.from_pretrained("ada/model", revision="step-1")
tokenizer = AutoTokenizer.from_pretrained("ada/model")
ids = tokenizer.apply_chat_template(
    [{"role": "user", "content": "name the capital"}], add_generation_prompt=True,
    return_tensors="pt", return_dict=False,
)
report["generated"] = model.generate(ids, max_new_tokens=2, do_sample=False).shape[1] - ids.shape[1]
report["card"] = ModelCard.load("ada/model").text.strip()
os.chdir(sys.argv[1])
for words in (
    ["select", "ada/scored", "--fraction", "0.5", "--output", "by-id"],
    ["score", "ada/chosen", "--model", "ada/model", "--embedder", sys.argv[2], "--template",
     "alpaca", "--overwrite-columns", "--output", "again"],
):
    main(words, standalone_mode=False)
print(json.dumps(report))
"""


@pytest.mark.slow
def test_what_was_pushed_comes_back_by_its_id(
    hub: HubServer, tmp_path: Path, model_folder: Path, embedder_folder: Path
) -> None:
    scored = write_scored(tmp_path / "scored", make_rows(24), [0.1 * one for one in range(24)])
    select(scored, fraction=0.25, output_dir=tmp_path / "chosen")
    select(scored, fraction=0.125, output_dir=tmp_path / "half")
    push(scored, "ada/rows", config="scored")
    push(tmp_path / "chosen", "ada/rows", config="chosen")
    push(tmp_path / "chosen", "ada/chosen")
    push(tmp_path / "half", "ada/chosen", revision="half")
    push(scored, "ada/scored")
    push(model_folder, "ada/model", revision="step-1")
    card = "---\ntags: [x]\n---\n\nA model.\n"
    push(_with_card(model_folder, tmp_path / "with-card", card), "ada/model")
    around = environment(hub, tmp_path / "home", OMP_NUM_THREADS="1")
    read = run_python(READ, around, tmp_path, embedder_folder)
    assert read.returncode == 0, read.stderr
    report = json.loads(read.stdout.splitlines()[-1])
    assert "miwv" in report.pop("default")
    assert report == {
        "scored": 24,
        "chosen": 6,
        "first": 23,
        "whole": 6,
        "of a branch": 3,
        "pinned": 3,
        "generated": 2,
        "card": "A model.",
    }
    select(scored, fraction=0.5, output_dir=tmp_path / "by-path")
    assert rows_of(tmp_path / "by-id") == rows_of(tmp_path / "by-path")
    assert rows_of(tmp_path / "again").num_rows == 6


def test_a_pushed_folder_comes_back_with_all_that_lies_in_it(hub: HubServer, tmp_path: Path) -> None:
    scored = write_scored(tmp_path / "scored", make_rows(24), [0.1 * one for one in range(24)])
    push(scored, "ada/scored")
    push(scored, "ada/rows", config="rows")
    assert fetch_folder(scored) == scored
    back = fetch_folder("ada/scored")
    assert read_record(back) == read_record(scored)
    assert read_record(fetch_folder(Source("ada/rows", config="rows"))) == read_record(scored)
    compared = [compare([str(folder)])["folders"][0] for folder in (back, scored)]
    assert compared[0]["fingerprint"] == compared[1]["fingerprint"]
    select(back, fraction=0.5, output_dir=tmp_path / "by-id")
    record = read_record(tmp_path / "by-id")
    assert record is not None
    assert record["scored_run"]["model"] == (read_record(scored) or {})["model"]
    for missing in (Source("ada/none"), Source("ada/rows", config="none")):
        with pytest.raises(InputError, match=r"ada/.*(no such repository|no configuration .none.)"):
            fetch_folder(missing)


def rows_of(folder: Path) -> pa.Table:
    return pq.read_table(folder / "data").replace_schema_metadata(None)


def _with_card(folder: Path, copy: Path, card: str) -> Path:
    shutil.copytree(folder, copy)
    (copy / "README.md").write_text(card)
    return copy


def test_a_name_that_is_neither_folder_nor_id() -> None:
    with pytest.raises(InputError, match=r"EVAL9: no such folder here, and no Hub id"):
        fetch_folder("EVAL9")
