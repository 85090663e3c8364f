"""Evaluation sets and metrics by name: as they lie on the Hub, gated or not, by the real client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.clients import environment, run_python, speak_to
from hub.server import HubServer
from hub.store import Blob

from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.sets.sets import open_set
from hf_miwv.common.errors import InputError

LINES = 5
READ = """
import json, sys
from hf_lmt.directions import Direction
from hf_lmt.evaluation.sets.sets import open_set
found = {}
for name in sys.argv[1:]:
    opened = open_set(name)
    first = opened.directions()[0]
    lines = opened.lines(first)
    found[name] = [opened.title, opened.languages, str(first), lines.ids, lines.sources[0],
                   lines.references[-1], dict(opened.notes)]
print(json.dumps(found))
"""


def flores_row(place: int, text: str) -> str:
    """A line of FLORES+ since its release of 2025."""
    row = {
        "id": place,
        "iso_639_3": "eng",
        "iso_15924": "Latn",
        "glottocode": "stan1293",
        "text": text,
        "url": "https://en.wikinews.org/wiki/a",
        "domain": "wikinews",
        "topic": "health",
        "has_image": "yes",
        "has_hyperlink": "yes",
        "last_updated": "1.0",
    }
    return json.dumps(row) + "\n"


def wmt24_row(variety: str, place: int) -> str:
    """A line of WMT24++; the first of each document is a canary, and a bad source."""
    row = {
        "lp": f"en-{variety}",
        "domain": "canary" if place == 0 else "news",
        "document_id": "d",
        "segment_id": place,
        "is_bad_source": place == 0,
        "source": f"line {place}",
        "target": f"{variety} {place}",
        "original_target": "x",
    }
    return json.dumps(row) + "\n"


def lines_of(name: str) -> str:
    return "".join(f"{name} {place}\n" for place in range(LINES))


REPOSITORIES: dict[str, dict[str, str]] = {
    "openlanguagedata/flores_plus": {
        f"{split}/{name}.jsonl": "".join(flores_row(place, f"{split} {name} {place}") for place in range(LINES))
        for split in ("dev", "devtest")
        for name in ("eng_Latn", "cmn_Hans", "cmn_Hant", "fil_Latn", "khk_Mong")
    },
    "google/wmt24pp": {
        f"en-{variety}.jsonl": "".join(wmt24_row(variety, place) for place in range(LINES))
        for variety in ("de_DE", "zh_CN", "zh_TW", "no_NO", "pt_BR", "pt_PT")
    },
    "NiuTrans/FLORES-mvf": {
        f"flores.{split}.{code}": lines_of(f"{split} {code}")
        for split in ("dev", "devtest")
        for code in ("en", "mvf", "zh")
    },
    "mteb/NTREX": {
        "test.jsonl": "".join(
            json.dumps(
                {name: f"{name} {place}" for name in ("eng_Latn", "deu_Latn", "zho_Hans", "zho_Hant", "aze_Latn")}
            )
            + "\n"
            for place in range(LINES)
        )
    },
}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    server = HubServer()
    for name, files in REPOSITORIES.items():
        tree = {path: Blob(text.encode(), False) for path, text in files.items()}
        server.store.create("dataset", name, False).add("main", "files", tree)
    yield server
    server.shutdown()


def test_named_sets_as_they_lie_on_the_hub(hub: HubServer, tmp_path: Path) -> None:
    names = ("flores-devtest", "flores-dev", "wmt24++", "flores-mvf", "ntrex-128")
    done = run_python(READ, environment(hub, tmp_path / "home"), *names)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    ids = [str(place) for place in range(LINES)]
    for split in ("dev", "devtest"):
        _, languages, first, *rest = found[f"flores-{split}"]
        assert languages == ["en", "tl", "zh"]
        assert first == "en-zh"
        assert rest == [ids, f"{split} eng_Latn 0", f"{split} cmn_Hans 4", {}]
    _, languages, first, *rest = found["wmt24++"]
    assert languages == ["de", "en", "nb", "pt", "zh"]
    assert (first, *rest) == (
        "en-zh",
        ids[1:],
        "line 1",
        "zh_CN 4",
        {"left_out_as_bad_sources": 1},
    )
    _, languages, first, ids, source, reference, _ = found["flores-mvf"]
    assert (languages, len(ids)) == (["en", "mvf", "zh"], LINES)
    assert (first, source, reference) == ("en-zh", "devtest en 0", "devtest zh 4")
    _, languages, first, ids, source, reference, _ = found["ntrex-128"]
    assert (languages, len(ids)) == (["az", "de", "en", "zh"], LINES)
    assert (first, source, reference) == ("en-zh", "eng_Latn 0", "zho_Hans 4")


def test_a_gated_set_is_explained(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speak_to(hub, tmp_path / "home", monkeypatch)
    hub.fault(
        r"GET /datasets/openlanguagedata/flores_plus/resolve|HEAD .*flores_plus",
        times=99,
        status=403,
        headers={"X-Error-Code": "GatedRepo"},
    )
    with pytest.raises(InputError, match=r"is gated: accept its terms.*log in.*local copy"):
        open_set("flores-devtest")


def test_a_set_whose_files_have_changed(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speak_to(hub, tmp_path / "home", monkeypatch)
    tree = {"flores.tar": Blob(b"x", False)}
    hub.store.find("dataset", "openlanguagedata/flores_plus").add("main", "again", tree)
    with pytest.raises(InputError, match=r"flores_plus: has no file devtest/\*\.jsonl or"):
        open_set("flores-devtest")


@pytest.mark.parametrize("in_process", [True, False])
def test_a_gated_metric_is_told_beforehand_and_the_rest_goes_on(
    in_process: bool,
    hub: HubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    speak_to(hub, tmp_path / "home", monkeypatch)
    hub.fault(
        "/api/models/Unbabel" if in_process else "auth-check",
        times=99,
        status=403,
        headers={"X-Error-Code": "GatedRepo"},
    )
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    (tmp_path / "set.csv").write_text("en,de\nOne house.,Ein Haus.\n")
    found = evaluate(
        str(tmp_path / "set.csv"),
        tmp_path / "EVAL",
        hypotheses={"en-de": ["Ein Haus."]},
        metrics=["chrf++", "cometkiwi"],
        comet_python=None if in_process else python,
        progress=False,
    )
    scores = found.scores["directions"]["en-de"]["scores"]
    assert scores["chrf++"]["value"] == 100
    assert scores["cometkiwi"]["value"] is None
    reason = scores["cometkiwi"]["unavailable"]
    assert "is gated: accept its terms" in reason
    assert "https://huggingface.co/Unbabel/wmt22-cometkiwi-da" in reason
    assert f"cometkiwi is left out: {reason}" in caplog.text
    if not in_process:
        assert hub.asked("auth-check") == [("GET /api/models/Unbabel/wmt22-cometkiwi-da/auth-check", 0)]
