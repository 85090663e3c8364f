"""Tables, heat maps and page of evaluations, opened in a real browser where there is one."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from matplotlib.image import imread
from rich.console import Console

from hf_lmt.commands.report import report_command
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.evaluation_folder import read_evaluation
from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.evaluation.report import heat_maps
from hf_lmt.evaluation.report.heat_maps import Block, draw_blocks, draw_heat_map
from hf_lmt.evaluation.report.report_figures import (
    Figure,
    cells_of,
    described,
    directions_of,
    names_of,
    silent_measures,
    title_of,
)
from hf_lmt.evaluation.report.report_page import as_script_data
from hf_lmt.evaluation.report.report_tables import show_report, words_for
from hf_lmt.evaluation.report.write_report import write_report, write_reports
from hf_lmt.evaluation.results.evaluation_card import BEHAVIOR, group_table, silent_rates
from hf_miwv.common.cards.figures import ABOVE
from hf_miwv.common.errors import InputError

SAMPLE = files("hf_lmt") / "sample" / "sentences.csv"
TABLE = list(csv.DictReader(SAMPLE.read_text("utf-8").splitlines()))
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)> $x_{ \u2028"
DIRECTIONS = ("en-kk", "kk-en", "zh-de", "en-zh")
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
ACT = """
const found = {};
const rows = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
found.all = rows();
table.tHead.querySelectorAll("button")[1].click();
found.sorted = rows();
document.getElementById("language").value = "Kazakh";
document.getElementById("language").dispatchEvent(new Event("input"));
found.kazakh = rows();
table.tBodies[0].querySelector("button").click();
found.hostile = [...document.querySelectorAll("#examples .text")].map((one) => one.textContent);
document.getElementById("group").value = "x2en";
document.getElementById("group").dispatchEvent(new Event("input"));
found.group = rows();
table.tBodies[0].querySelector("button").click();
found.heading = document.querySelector("#examples h3").textContent;
found.owned = document.title;
found.images = document.images.length;
found.texts = document.querySelectorAll("#examples .text").length;
document.title = JSON.stringify(found);
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two evaluations: hostile outputs, a mark, a COMET score that is unreliable, a gap."""
    parent = tmp_path_factory.mktemp("evaluations")
    made = []
    for name in ("first", "second"):
        texts = {one: [row[one.split("-")[1]] for row in TABLE] for one in DIRECTIONS}
        texts["en-kk"] = [HOSTILE if i % 2 else text for i, text in enumerate(texts["en-kk"])]
        if name == "second":
            texts["kk-en"] = texts["kk-en"][7:] + texts["kk-en"][:7]
        evaluate(str(SAMPLE), parent / name, hypotheses=texts, metrics=["chrf++"], progress=False)
        made.append(parent / name)
    path = made[1] / "scores.json"
    scores = json.loads(path.read_text("utf-8"))
    scores["marks"] = ["trained on this <b>set</b>"]
    scores["missing"] = {"en-mvf": "the set has no text in mvf"}
    scores["metrics"].append("comet-22")
    for name, own in scores["directions"].items():
        why = "XLM-R has not seen it" if name == "en-kk" else None
        own["scores"]["comet-22"] = {
            "value": 0.8,
            "low": 0.7,
            "high": 0.9,
            "signature": "s",
            "unavailable": None,
            "unreliable": why,
        }
    for own in scores["groups"].values():
        own["scores"]["comet-22"] = {
            "mean": 0.8,
            "count": 1,
            "missing": ["en-mvf"],
            "apart": ["en-kk"],
            "mean_with_apart": 0.8,
        }
    path.write_text(json.dumps(scores), "utf-8")
    return made


@pytest.fixture(scope="module")
def page(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reports(folders, tmp_path_factory.mktemp("report") / "out")


def browse(page: Path, folder: Path, *options: str) -> str:
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={folder / 'profile'}",
        *options,
        f"file://{page}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_the_page_asks_for_nothing_and_runs_one_script(page: Path) -> None:
    html = page.read_text("utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; ")
    assert re.search(r"script-src 'sha256-[\w+/]{43}='$", policy)
    assert html.count("<script") == 2
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", html)
    assert "url(" not in html
    assert "Do not publish" in html
    assert "trained on this &lt;b&gt;set&lt;/b&gt;" in html
    assert "en-mvf: the set has no text in mvf" in html
    assert "~0.800*" in html


def test_a_browser_runs_it_and_nothing_else(page: Path, tmp_path: Path) -> None:
    dom = browse(page, tmp_path, "--dump-dom")
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None
    assert title[1] == "Evaluation: hypotheses given as files"
    assert "5 of 5 directions" in dom
    assert dom.count("<img") == 2
    assert 'id="examples"' in dom
    assert 'class="text" dir="auto"' in dom


def test_sorting_filters_and_examples(page: Path, tmp_path: Path) -> None:
    html = re.sub(r"<meta http-equiv[^>]+>", "", page.read_text("utf-8"))  # to let the test act
    acted = tmp_path / "acted.html"
    acted.write_text(html.replace("</body>", f"<script>{ACT}</script></body>"), "utf-8")
    title = re.search(r"<title>(.*?)</title>", browse(acted, tmp_path, "--dump-dom"))
    assert title is not None
    found: dict[str, Any] = json.loads(unescape(title[1]))
    assert set(found["all"]) == {*DIRECTIONS, "en-mvf"}
    assert found["sorted"][0] == "en-kk"  # the lowest chrF++ first
    assert found["sorted"][-1] == "en-mvf"  # no figure, last
    assert set(found["kazakh"]) == {"en-kk", "kk-en"}
    assert found["group"] == ["kk-en"]
    assert HOSTILE in found["hostile"]
    assert found["owned"] == "Evaluation: hypotheses given as files"
    assert found["images"] == 2  # the heat maps
    assert found["heading"] == "kk-en: Kazakh → English"
    assert found["texts"] >= 5 * 4  # source, reference and two outputs of five lines at least


def test_a_folder_stays_free_of_the_sets_texts(folders: list[Path]) -> None:
    page = write_report(folders[1])
    assert page == folders[1] / "index.html"
    first = page.read_bytes()
    html = first.decode()
    assert "Sources and references are not in this page" in html
    lines = {row["en"] for row in TABLE} | {row["kk"] for row in TABLE}
    own = {row["hypothesis"] for one in DIRECTIONS for row in read_evaluation(folders[1]).hypotheses(one)}
    shown = json.loads(html.split('id="data">')[1].split("</script>")[0])
    for direction in shown["directions"]:
        for example in direction["examples"]:
            assert example["source"] is None
            assert example["reference"] is None
    assert {row["kk"] for row in TABLE} - own  # there is something that could have leaked
    assert not any(as_script_data(text)[1:-1] in html for text in lines - own)
    assert write_report(folders[1]).read_bytes() == first
    assert {"heat_map.png", "heat_map.svg"} <= {path.name for path in folders[1].iterdir()}
    assert not list(folders[1].glob(".report-*"))


def test_heat_maps_have_a_place_for_every_direction(folders: list[Path], tmp_path: Path) -> None:
    evaluation = read_evaluation(folders[1])
    assert draw_heat_map(evaluation, tmp_path) == ["heat_map.png", "heat_map.svg"]
    assert imread(tmp_path / "heat_map.png").shape[1] > 1000
    svg = (tmp_path / "heat_map.svg").read_text("utf-8")
    for words in ("Kazakh kk · low", "~0.800", "marked: trained on this"):
        assert words in svg
    first = (tmp_path / "heat_map.svg").read_bytes()
    draw_heat_map(evaluation, tmp_path)
    assert (tmp_path / "heat_map.svg").read_bytes() == first
    places = {str(one): cells_of(one) for one in directions_of([evaluation])}
    assert places["en-zh"] == [("zh", "en2x"), ("en", "x2zh")]


def test_only_what_was_trained_on_is_called_contaminated() -> None:
    sample, trained = "a sample of 8 lines", "CONTAMINATED: the model was trained on this set"
    found = [words_for(marks) for marks in ([], [sample], [sample, trained])]
    assert found == ["", " (marked, see below)", " (CONTAMINATED, see below)"]


def test_the_terminal_names_what_is_marked_and_missing(folders: list[Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(report_command, [*map(str, folders)])
    assert result.exit_code == 0, result.output
    for words in (
        "(marked, see below)",
        "second is marked: trained on this <b>set</b>",
        "~0.800*",
        "1 direction missing (en-mvf): the set has no text in mvf",
        "COMET-22 is unreliable in 1 direction",
        "give --output FOLDER",
    ):
        assert words in result.output
    output = tmp_path / "out"
    arguments = [str(folders[0]), "--output", str(output)]
    assert CliRunner().invoke(report_command, arguments).exit_code == 0
    names = {"index.html", "heat_map.png", "heat_map.svg", "run.json"}
    assert {path.name for path in output.iterdir()} == names
    with pytest.raises(InputError, match="--overwrite"):
        CliRunner().invoke(report_command, arguments, catch_exceptions=False)


def test_json_in_a_script_cannot_end_it() -> None:
    text = as_script_data({"a": HOSTILE})
    assert "<" not in text
    assert ">" not in text
    assert json.loads(text) == {"a": HOSTILE}


def letters(figure: Any) -> list[float]:
    """Sizes of all letters of a figure, in pixels of it shown 1,200 pixels wide."""
    from matplotlib.text import Text

    found = [one for one in figure.findobj(Text) if one.get_text().strip() and one.get_visible()]
    pixels = 1200 / (72 * figure.get_size_inches()[0])
    return [float(one.get_fontsize()) * pixels for one in found]


def test_letters_of_heat_maps_can_be_read() -> None:
    drawn: list[Any] = []
    for ways in (2, 4, 5):
        cells = {("de", column): Figure(1.0) for column in [*COLUMNS[:4], "zero_shot"][:ways]}
        blocks = [Block(f"measure {n}", cells, 0, 1) for n in range(9)]
        drawn.append(draw_blocks(blocks, "title"))
    for figure in drawn:
        assert min(letters(figure)) >= 9
        assert figure.get_size_inches()[0] <= heat_maps.WIDEST
        assert len(figure.axes) >= 9


def test_rates_that_are_zero_everywhere_are_named_and_not_drawn() -> None:
    def block(title: str, value: float, color: str = ABOVE) -> Block:
        return Block(title, {("de", "en2x"): Figure(value)}, 0, 20, color=color)

    blocks = [block("BLEU", 0.0, "#123456"), block("copies", 0.0), block("blank", 0.5)]
    shown, folded = heat_maps.fold(blocks)
    assert [one.title for one in shown] == ["BLEU", "blank"]
    assert folded == ["copies"]
    assert heat_maps.fold([block("copies", 0.0)]) == ([block("copies", 0.0)], [])
    figure = draw_blocks(blocks, "title")
    assert figure.get_suptitle() == "title\n0 everywhere: copies"
    many = [block(f"rate number {number}", 0.0) for number in range(12)]
    head = draw_blocks([*blocks, *many], "title").get_suptitle()
    assert all(one.title in head.replace("\n", " ") for one in many)  # in as many lines as it takes


def test_tables_fold_rates_that_nothing_shows(folders: list[Path]) -> None:
    scores = read_evaluation(folders[1]).scores
    header, rows = group_table(scores)
    silent = silent_rates(scores)
    assert silent
    assert all(BEHAVIOR[name] not in header for name in silent)
    assert all(len(row) == len(header) for row in rows)
    card = (folders[0] / "README.md").read_text("utf-8")
    assert f"; 0 in every group: {BEHAVIOR[silent[0]]}" in card


def test_the_page_and_the_terminal_fold_columns_of_zeros(folders: list[Path], page: Path) -> None:
    evaluations = [read_evaluation(folder) for folder in folders]
    silent = silent_measures(evaluations)
    assert silent
    assert "fan_in" not in silent  # one sentence stands behind every other source
    html = page.read_text("utf-8")
    data = json.loads(html.split('id="data">')[1].split("</script>")[0])
    titles = [measure["title"] for measure in data["measures"]]
    for name in silent:
        assert title_of(name) not in titles
        assert f">{title_of(name)}</th>" not in html
    assert all(len(row) == len(titles) for row in data["directions"][0]["figures"])
    words = f"0 everywhere: {', '.join(map(title_of, silent))}"
    assert f"{words}." in html
    printed = io.StringIO()
    show_report(evaluations, Console(file=printed, width=200))
    assert words in printed.getvalue()


def test_a_rate_without_a_value_is_not_called_zero(folders: list[Path]) -> None:
    evaluation = read_evaluation(folders[0])
    name = silent_measures([evaluation])[0]
    for own in evaluation.scores["directions"].values():
        own["behavior"][name]["value"] = None
    assert name not in silent_measures([evaluation])


def test_the_hash_of_the_hubs_cache_is_no_name(folders: list[Path], tmp_path: Path) -> None:
    snapshot = Path("me--mt") / "snapshots" / ("0123abcd" * 5)
    cached = tmp_path / f"datasets--{snapshot}"
    shutil.copytree(folders[0], cached)
    record = json.loads((cached / "run.json").read_text())
    record["model"] = {"source": f"/hub/models--{snapshot}"}
    (cached / "run.json").write_text(json.dumps(record))
    evaluation = read_evaluation(str(cached))
    assert names_of([evaluation]) == ["me/mt@0123abcd"]
    assert described(evaluation)["model"] == "me/mt@0123abcd"
