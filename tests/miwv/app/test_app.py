"""The app: what it finds, shows and refuses; served, asked, and ended."""

from __future__ import annotations

import builtins
import importlib.util
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from app_server import ask, running
from click.testing import CliRunner
from scored_folder import write_scored
from starlette.testclient import TestClient
from tiny import make_rows

from hf_miwv.__main__ import main
from hf_miwv.app.row_page import PAGE_ROWS, build_page, find_page
from hf_miwv.app.row_pictures import histogram_image
from hf_miwv.app.row_views import HEADERS, introduction, neighbor_of, table_row, view_row
from hf_miwv.app.scored_rows import ORDERS, ScoredRows
from hf_miwv.common.app.serving import host_names, listen, make_app
from hf_miwv.common.errors import InputError
from hf_miwv.results.score_columns import ScoreColumns

NAN = float("nan")
HIGHEST = next(iter(ORDERS))
CHAT = [
    {
        "messages": [
            {"role": "user", "content": f"Question {number}: Straße?"},
            {"role": "assistant", "content": answer},
        ]
    }
    for number, answer in enumerate(["Ja, immer.", "no", "maybe"])
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 rows: row 7 without a score, row 39 with markup in it, the others by a rising score."""
    rows = make_rows(40)
    rows[39] |= {"instruction": "Find the <b>needle</b>", "output": "<script>alert(1)</script>"}
    miwv = [NAN if row == 7 else (row - 20) / 10 for row in range(40)]
    return write_scored(tmp_path_factory.mktemp("app") / "scored", rows, miwv)


@pytest.fixture(scope="module")
def rows(folder: Path) -> ScoredRows:
    return ScoredRows.open(folder, "scored")


@pytest.mark.parametrize(
    ("asked", "first", "count"),
    [
        ({"order": HIGHEST}, [39, 38, 37], 40),
        ({"order": "MIWV, lowest first"}, [0, 1, 2], 40),
        ({"order": "order of the data"}, [0, 1, 2], 40),
        ({"order": HIGHEST, "statuses": ["empty_response"]}, [7], 1),
        ({"order": HIGHEST, "statuses": ["ok", "empty_response"]}, [39, 38, 37], 40),
        ({"order": HIGHEST, "flags": ["duplicate_prompt"]}, [], 0),
        ({"order": HIGHEST, "text": "NEEDLE"}, [39], 1),
        ({"order": HIGHEST, "text": "alert(1)"}, [39], 1),  # words, not a pattern
        ({"order": HIGHEST, "text": "needle", "statuses": ["empty_response"]}, [], 0),
    ],
)
def test_rows_are_found(rows: ScoredRows, asked: dict[str, Any], first: list[int], count: int) -> None:
    found = rows.find(**asked)
    assert found[: len(first)].tolist() == first
    assert len(found) == count
    if count == 40 and asked["order"].startswith("MIWV"):
        assert found[-1] == 7  # without a score: last, whichever comes first


def test_flags_are_any_of(folder: Path) -> None:
    opened = ScoredRows.open(folder, "scored")
    opened.columns.flags[3].append("duplicate_prompt")
    opened.columns.flags[5].extend(["duplicate_prompt", "response_truncated"])
    assert opened.find(HIGHEST, flags=["response_truncated"]).tolist() == [5]
    asked = ["response_truncated", "duplicate_prompt"]
    assert opened.find(HIGHEST, flags=asked).tolist() == [5, 3]
    assert table_row(opened, 5)[8] == "duplicate_prompt, response_truncated"


@pytest.mark.parametrize(("text", "found"), [("STRASSE", []), ("STRAßE", [0, 1, 2]), ("immer", [0]), ("user", [])])
def test_conversations_are_searched_without_their_roles(tmp_path: Path, text: str, found: list[int]) -> None:
    opened = ScoredRows.open(write_scored(tmp_path / "chat", CHAT, [3.0, 2.0, 1.0]), "chat")
    assert opened.find(HIGHEST, text=text).tolist() == found


def test_a_search_goes_through_all_blocks(rows: ScoredRows, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows.find(HIGHEST, text="rain")
    monkeypatch.setattr("hf_miwv.app.scored_rows.SEARCHED", 7)
    assert rows.find(HIGHEST, text="rain").tolist() == whole.tolist()
    assert 0 < len(whole) < 40


def test_pages_hold_every_row_once(rows: ScoredRows) -> None:
    pages = [find_page(rows, HIGHEST, [], [], "", number) for number in (1, 2, 3)]
    assert [len(page.lines) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 40 - 2 * PAGE_ROWS]
    assert sorted(line[0] for page in pages for line in page.lines) == list(range(40))
    assert find_page(rows, HIGHEST, [], [], "", 99) == pages[2]
    assert find_page(rows, HIGHEST, [], [], "", -1) == pages[0]
    assert pages[1].counted == "40 of 40 rows; page 2 of 3"
    assert "no row fits" in find_page(rows, HIGHEST, [], [], "not there", 1).counted


def test_a_row_of_the_table(rows: ScoredRows) -> None:
    line = dict(zip(HEADERS, table_row(rows, 39), strict=True))
    assert line == {
        "row": 39,
        "MIWV": "1.900",
        "zero-shot": "2.000",
        "one-shot": "3.900",
        "neighbor": "0",
        "cosine": "0.500",
        "tokens": 10,
        "status": "ok",
        "flags": "",
        "prompt": "Find the <b>needle</b> " + rows.read(39).input,
    }
    assert table_row(rows, 7)[1:3] == ["–", "–"]
    assert table_row(rows, 0)[1] == "−2.000"


def test_a_row_beside_its_neighbor(rows: ScoredRows) -> None:
    view = view_row(rows, 39)
    assert view.prompt.startswith("Find the <b>needle</b>")  # texts go where they are not HTML
    assert view.response == "<script>alert(1)</script>"
    assert "row 0 (cosine 0.500)" in view.neighbor_title
    assert view.neighbor_response == rows.read(0).response
    assert "1 of 39, highest first" in view.facts
    assert "worse" in view.facts
    assert "better" in view_row(rows, 0).facts
    assert neighbor_of(rows, 39) == 0
    assert view.picture.startswith('<img class="wide" alt="Histogram of MIWV; row 39: 1.900"')


def test_a_row_without_a_score(rows: ScoredRows) -> None:
    view = view_row(rows, 7)
    assert view.picture == ""
    assert "empty_response" in view.facts
    assert "never chosen" in view.facts


@pytest.mark.parametrize("row", [-1, 40])
def test_a_row_that_is_not_there_is_refused(rows: ScoredRows, row: int) -> None:
    with pytest.raises(InputError, match=f"no row {row} here; they are numbered 0 to 39"):
        view_row(rows, row)


def test_neighbors_outside_and_none_at_all(rows: ScoredRows) -> None:
    two = rows.dataset.select([39, 38])
    columns = ScoreColumns.from_dataset(two)
    chosen = replace(rows, dataset=two, columns=columns)
    assert "not among the rows of this folder" in view_row(chosen, 39).neighbor_title
    with pytest.raises(InputError, match=r"no row 0 here; they are numbered 38 to 39, with gaps"):
        view_row(chosen, neighbor_of(chosen, 39))
    alone = replace(chosen, columns=replace(columns, neighbor=np.array([-1, -1])))
    assert view_row(alone, 39).neighbor_title == "<h3>No neighbor</h3>"
    with pytest.raises(InputError, match="row 39 has no neighbor"):
        neighbor_of(alone, 39)


def test_names_are_escaped(folder: Path) -> None:
    assert "<b>&lt;i&gt;" not in introduction(ScoredRows.open(folder, "<i>"))
    assert "<h2>&lt;i&gt;</h2>" in introduction(ScoredRows.open(folder, "<i>"))


def test_a_score_beyond_the_picture_is_marked_at_its_edge() -> None:
    scores = np.concatenate([np.linspace(-1, 1, 1000), [50.0]])
    assert "(beyond the axis)" in histogram_image(scores, 50.0, 3)
    assert "beyond" not in histogram_image(scores, 0.5, 3)


def test_without_run_json_the_shape_is_recognized(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for file in folder.glob("data/*.parquet"):
        (tmp_path / "data" / file.name).write_bytes(file.read_bytes())
    opened = ScoredRows.open(tmp_path, "bare")
    assert opened.shape.name == "alpaca"
    assert "40 rows" in introduction(opened)


def test_a_folder_without_scores_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    done = CliRunner().invoke(main, ["app", str(tmp_path)])
    assert done.exit_code == 2
    assert "no column row, miwv" in done.output


def test_without_the_extra_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("hf_miwv.common.app.serving.find_spec", lambda name: None if name == "gradio" else find(name))
    done = CliRunner().invoke(main, ["app", "scored"])
    assert done.exit_code == 2
    assert "pip install 'hf-miwv-lmt[app]'" in done.output


def test_the_command_line_is_light_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refusing(name: str, *rest: Any) -> Any:
        assert not name.startswith("gradio")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refusing)
    assert "Ctrl-C ends it" in CliRunner().invoke(main, ["app", "--help"]).output


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as place:
        yield place.getsockname()[1]


def test_a_taken_port_is_refused_and_the_default_gives_way(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=f"--host 127.0.0.1 --port {taken}: cannot listen there"):
        listen("127.0.0.1", taken)
    monkeypatch.setattr("hf_miwv.common.app.serving.PORT", taken)
    with listen("127.0.0.1", None) as place:
        assert place.getsockname()[1] not in (0, taken)
    with pytest.raises(InputError, match=r"--host 192\.0\.2\.1"):  # not an address of this machine
        listen("192.0.2.1", None)


def test_the_app_serves_and_ends(folder: Path, tmp_path: Path) -> None:
    with running("hf_miwv", "app", str(folder), watch=tmp_path) as address:
        assert address.startswith("http://127.0.0.1:")
        page = requests.get(address, timeout=60)
        assert "MIWV of" in page.text
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert not re.search(r'(src|href)="(https?:)?//', page.text)
        kind, (table, number, counted) = ask(address, "find", [HIGHEST, ["ok"], [], "", 2])
        assert kind == "complete"
        assert [line[0] for line in table["data"]][:2] == [39 - PAGE_ROWS, 38 - PAGE_ROWS]
        assert (number, counted) == (2, "39 of 40 rows; page 2 of 3")
        kind, shown = ask(address, "row", [39])
        assert kind == "complete"
        assert shown[2].startswith("Find the <b>needle</b>")
        kind, message = ask(address, "row", [4000])
        assert kind == "error"
        assert "no row 4000 here" in str(message)


def test_options_of_the_hub_are_refused_for_a_folder(folder: Path) -> None:
    done = CliRunner().invoke(main, ["app", str(folder), "--config", "scored"])
    assert done.exit_code == 2
    assert "--config scored: is for the Hub" in done.output


@pytest.fixture(scope="module")
def client(rows: ScoredRows) -> Iterator[TestClient]:
    app = make_app(build_page(rows), {"/report": "text"}, host_names("scores.lan", ["*.example.com"]))
    with TestClient(app, base_url="http://192.168.1.5:7860") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/report", "/gradio_api/info"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1:7860", 200),
        ("[::1]:7860", 200),
        ("[::1]", 200),
        ("scores.lan:80", 200),
        ("a.example.com", 200),
        ("192.168.1.5:7860", 200),  # where the request arrives
        ("192.168.1.6:7860", 400),
        ("evil.test", 400),
        ("localhost.evil.test:7860", 400),
        ("localhost:1@evil.test", 400),
        ("example.com", 400),
        ("scores.lan.evil.test", 400),
        ("", 400),
    ],
)
def test_only_known_hosts_are_answered(client: TestClient, path: str, host: str, status: int) -> None:
    answer = client.get(path, headers={"host": host})
    assert answer.status_code == status
    assert ("--allowed-host NAME" in answer.text) == (status == 400)


@pytest.mark.parametrize("name", ["http://a.test", "a.test:80", "a.*.test", "", "a b", "*a.test"])
def test_names_of_hosts_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"--allowed-host .*give the name alone"):
        host_names("127.0.0.1", [name])


@pytest.mark.parametrize("path", ["upload", "upload/", "upload?upload_id=1", "process_recording"])
def test_nothing_can_be_uploaded(client: TestClient, path: str) -> None:
    answer = client.post(f"/gradio_api/{path}", files={"files": ("a.txt", b"text")}, headers={"host": "localhost"})
    assert answer.status_code == 403
