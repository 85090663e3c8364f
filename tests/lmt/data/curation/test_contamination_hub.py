"""Overlap with the default evaluation sets, as they lie on the Hub, read by the real client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
import yaml
from hub.clients import speak_to
from hub.server import HubServer
from hub.store import Blob

from hf_lmt.data.curation.contamination import EvaluationOverlap
from hf_lmt.data.curation.curation_settings import steps_from
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_miwv.common.errors import InputError
from tests.lmt.evaluation.sets.test_evaluate_sets_hub import REPOSITORIES

FLORES, WMT24 = "openlanguagedata/flores_plus", "google/wmt24pp"
GATED = {
    401: "Access to dataset is restricted. You must have access to it and be authenticated.",
    403: "Access to dataset is restricted and you are not in the authorized list.",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer()
    for name in (FLORES, WMT24):
        tree = {path: Blob(text.encode(), False) for path, text in REPOSITORIES[name].items()}
        server.store.create("dataset", name, False).add("main", "files", tree)
    speak_to(server, tmp_path / "home", monkeypatch)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    yield server
    server.shutdown()


def close(hub: HubServer, status: int) -> None:
    """The terms of FLORES+ are not accepted: it is listed, but its files are refused."""
    hub.fault(
        rf"/datasets/{FLORES}/resolve/",
        times=999,
        status=status,
        message=GATED[status],
        headers={"X-Error-Code": "GatedRepo"},
    )


def recipe(folder: Path, **sections: Any) -> Path:
    lines = [{"en": f"An English line {one} of some length", "de": f"Eine deutsche Zeile {one}"} for one in range(6)]
    lines[2]["en"], lines[4]["de"] = "devtest eng_Latn 3", "de_DE 2"
    lines[5]["en"] = "dev eng_Latn 3"  # of the split that may be trained on
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folder / "recipe.yaml"
    path.write_text(
        yaml.safe_dump({"data": [{"path": str(folder / "corpus.jsonl")}], "downsampling": False, **sections})
    )
    return path


def test_the_default_sets_are_found_by_their_ids_and_then_in_the_cache(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (step,) = (one for one in steps_from(None) if isinstance(one, EvaluationOverlap))
    texts = [
        ("zh", "devtest cmn_Hans 1"),
        ("tl", "devtest fil_Latn 2"),
        ("zh", "zh_CN 1"),
        ("nb", "no_NO 2"),
        ("pt", "pt_PT 3"),
        ("de", "dev deu_Latn 1"),
        ("de", "neu"),
    ]
    rows = pyarrow.table(
        [["en"] * len(texts), *map(list, zip(*texts, strict=True)), ["x"] * len(texts)],
        ["source_lang", "target_lang", "target", "source"],
    )
    flores, wmt = "target in flores-devtest", "target in wmt24++"
    assert step(rows) == [flores, flores, wmt, wmt, wmt, None, None]
    assert step.notes == {
        "sets": {"flores-devtest": {"texts": 15, "languages": 3}, "wmt24++": {"texts": 30, "languages": 6}}
    }
    fetched = {one for one, _ in hub.asked(r"^GET .*/resolve/")}
    assert {one.split("/")[-2] for one in fetched if FLORES in one} == {"devtest"}
    hub.shutdown()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    again = EvaluationOverlap()
    assert again(rows) == step(rows)
    assert again.contents() == step.contents()


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_set_stops_before_any_corpus_is_read(hub: HubServer, tmp_path: Path, status: int) -> None:
    close(hub, status)
    with pytest.raises(InputError) as told:
        prepare(read_data_recipe(recipe(tmp_path)), tmp_path / "rows", progress=False)
    for words in (
        f"'{FLORES}' cannot be loaded: it is gated",
        "hf auth login",
        f"https://huggingface.co/datasets/{FLORES}",
        "local copy",
        "none",
    ):
        assert words in str(told.value)
    assert hub.token not in str(told.value)
    assert not (tmp_path / "cache").exists()
    assert not list(tmp_path.glob("rows*"))


def test_prepare_reads_the_default_sets_and_records_them(hub: HubServer, tmp_path: Path) -> None:
    path = recipe(tmp_path, curation={"length_ratio": False, "copy": False})
    run = prepare(read_data_recipe(path), tmp_path / "rows", progress=False)
    assert run["contamination"] == "checked"
    found = run["counts"]["curation"]["contamination"]
    assert found["reasons"] == {
        "source in flores-devtest": 1,
        "source in wmt24++": 1,
        "target in flores-devtest": 1,
        "target in wmt24++": 1,
    }
    assert found["notes"]["sets"]["flores-devtest"] == {"texts": 15, "languages": 3}
    assert run["rows"] == 8
