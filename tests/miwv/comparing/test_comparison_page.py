"""The page and its pictures: whole in one file, inert, readable in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from matplotlib.image import imread
from sample_run import NAN
from scored_folder import write_scored

from hf_miwv.comparing import comparison_pictures
from hf_miwv.comparing.comparison import compare
from hf_miwv.comparing.comparison_folder import write_comparison
from hf_miwv.comparing.comparison_page import closest, render_page
from hf_miwv.comparing.comparison_pictures import draw_comparison, length_parts, percent

HOSTILE = "</div><script>document.title='owned'</script><img src=x onerror=alert(1)> $x_{ & \u202e'\""
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
CELL = r'"number">(\d+ %) <small>\((\d+ %)\)'  # a share of rows, and the same by chance
EVERY = ["miwv", "prompt_loss", "perplexity", "length", "random", "miwv_low", "perplexity_low"]
VOID = {"meta", "img", "link", "input", "br"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and the texts of the classes asked for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(dict(attributes).get("class") or tag)
            self.texts.setdefault(self.open[-1], []).append("")

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of two hostile folders: names, sources, prompts and responses."""
    parent = tmp_path_factory.mktemp("made")
    rows = [
        {"prompt": f"{HOSTILE} {index}", "completion": HOSTILE, "source": f"<b>$s_{index % 2}"} for index in range(8)
    ]
    for name, miwv in (
        ("a$<i>", [8, 7, 6, 5, 4, 3, 2, NAN]),
        ("b$\n<td>", [1, 2, 3, 4, 5, 6, 7, 8]),
    ):
        write_scored(parent / name, rows, miwv, [1, 2, 3, 4, 50, 60, 70, 80])
    report = compare([parent / "a$<i>", parent / "b$\n<td>"], fractions=["0.25", "0.5"])
    write_comparison(report, parent / "out")
    return parent / "out"


def check_inert(html: str) -> Page:
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "i"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "img" or (attributes["src"] or "").startswith("data:image/png;base64,")
        assert tag != "a" or (attributes["href"] or "").startswith("#")
    return page


def test_the_page_needs_nothing_and_runs_nothing(folder: Path) -> None:
    html = (folder / "comparison.html").read_text()
    page = check_inert(html)
    policy = next(a["content"] for _, a in page.elements if "http-equiv" in a)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert "url(" not in html
    assert "@import" not in html
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) == len(list(folder.glob("*.png"))) == 6
    assert all(attributes["alt"] for attributes in images)
    links = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    targets = {f"#{attributes['id']}" for _, attributes in page.elements if "id" in attributes}
    assert links <= targets


def test_texts_stand_on_the_page_as_they_are_in_the_rows(folder: Path) -> None:
    page = Page((folder / "comparison.html").read_text())
    report = json.loads((folder / "comparison.json").read_text())
    examples = [
        example["texts"]
        for part in report["fractions"].values()
        for choice in part["choices"].values()
        for example in choice["examples"]
    ]
    assert examples
    expected = [text for texts in examples for text in (texts["prompt"], texts["response"])]
    assert [re.sub(r"\s+", " ", text) for text in page.texts["text"]] == expected


def test_the_page_tells_the_numbers_of_the_report(folder: Path) -> None:
    html = (folder / "comparison.html").read_text()
    report = json.loads((folder / "comparison.json").read_text())
    for name in report["rankings"]:
        row = rf'<tr><th scope="row">{re.escape(escape(name))}</th>(.*?)</tr>'
        lines = [re.findall(CELL, line) for line in re.findall(row, html, re.DOTALL)]
        assert [cells for cells in lines if len(cells) == len(report["rankings"])] == [
            [
                (f"{100 * part['overlap'][name][other]:.0f} %", f"{100 * part['expected'][name][other]:.0f} %")
                for other in report["rankings"]
            ]
            for part in report["fractions"].values()
        ]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    return tmp_path / "profile"


def browse(profile: Path, page: Path, *options: str) -> str:
    assert BROWSER is not None
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        *options,
        f"file://{page}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_a_browser_shows_hostile_rows_as_text(folder: Path, profile: Path) -> None:
    dom = browse(profile, folder / "comparison.html", "--dump-dom")
    page = check_inert(dom)
    assert page.texts["title"] == ["Which rows would each method keep? tatsu-lab/alpaca"]
    texts = {" ".join(text.split()) for text in page.texts["text"]}
    assert " ".join(HOSTILE.split()) in texts


@pytest.mark.parametrize(("scheme", "paper"), [("1", "#ffffff"), ("0", "#15191c")])
def test_a_browser_paints_it_light_and_dark(
    scheme: str, paper: str, folder: Path, profile: Path, tmp_path: Path
) -> None:
    shot = tmp_path / "page.png"
    browse(
        profile,
        folder / "comparison.html",
        f"--screenshot={shot}",
        "--window-size=1000,1600",
        "--hide-scrollbars",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    picture = (imread(shot)[..., :3] * 255).round().astype(int)
    expected = [int(paper[start : start + 2], 16) for start in (1, 3, 5)]
    assert picture[2, 2].tolist() == expected
    heading = np.abs(picture[20:80, 20:400] - picture[2, 2]).sum(axis=-1)
    assert heading.max() > 500  # of 765: ink that stands out from its paper


@pytest.mark.parametrize(
    ("folders", "methods"),
    [
        (["scored"], ["miwv"]),
        (["scored"], ["miwv", "random"]),
        (["scored", "one of a rather long name, of $n_{as}$ names"], EVERY),
    ],
)
def test_pictures_hold_their_texts(
    folders: list[str], methods: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: dict[str, Any] = {}
    monkeypatch.setattr(
        comparison_pictures,
        "save",
        lambda figure, _, name: figures.setdefault(name, figure) and name,
    )
    rows = [{"prompt": f"p{i}", "completion": "r", "source": f"$s_{{{i % 3}"} for i in range(6)]
    for name in folders:
        write_scored(tmp_path / name, rows, [3.0, 1.0, 2.0, 5.0, 4.0, NAN])
    report = compare([tmp_path / name for name in folders], fractions=["0.5"], methods=methods)
    assert draw_comparison(report, tmp_path) == {
        "overlap": ["overlap_0.5.png"],
        "spearman": ["spearman.png"],
        "lengths": ["lengths.png"],
        "sources": ["sources_0.5.png"],
    }
    for name, figure in figures.items():
        figure.canvas.draw()
        (axes,) = figure.axes
        low, high = axes.get_xlim()
        ticks = [text for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high]
        texts = [*axes.texts, *ticks, *axes.get_yticklabels()]
        legend = axes.get_legend()
        texts += legend.get_texts() if legend else []
        labels = [text.get_text() for text in axes.get_yticklabels()]
        assert len(set(labels)) == len(labels)  # also where long names are cut
        for text in texts:
            box = text.get_window_extent()
            assert box.x0 >= -1, (name, text)
            assert box.x1 <= figure.bbox.x1 + 1, (name, text)
            assert box.y0 >= -1, (name, text)


def test_lengths_start_with_all_rows_of_each_folder(folder: Path) -> None:
    report = json.loads((folder / "comparison.json").read_text())
    parts = length_parts(report)
    first, second, *others = parts
    assert (first, second) == ("a$<i>: all scored rows", "b$\n<td>: all scored rows")
    assert parts[first][""]["rows"] == 7
    assert others == list(report["rankings"])
    assert list(parts[others[0]]) == ["0.25", "0.5"]


@pytest.mark.parametrize(("share", "words"), [("0.01", "1 %"), ("0.015", "1.5 %"), ("0.1", "10 %"), ("1", "100 %")])
def test_fractions_in_per_cent(share: str, words: str) -> None:
    assert percent(share) == words


def test_the_closest_is_the_largest_overlap() -> None:
    def report(shared: dict[str, float]) -> dict[str, Any]:
        return {"fractions": {"0.1": {"overlap": {"a": shared}}}}

    assert closest(report({"a": 1, "b": 0.2, "c": 0.7, "d": 0.7}), "0.1", "a") == "c"
    assert closest(report({"a": 1, "b": 0}), "0.1", "a") is None


def test_a_page_without_sources_or_second_method(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{index}", "completion": "r"} for index in range(4)]
    write_scored(tmp_path / "scored", rows, [4, 3, 2, 1])
    report = compare([tmp_path / "scored"], fractions=["0.5"], methods=["miwv"])
    pictures = draw_comparison(report, tmp_path)
    images = {name: "data:image/png;base64,AA==" for names in pictures.values() for name in names}
    html = render_page(report, pictures, images)
    check_inert(html)
    assert "By source" not in html
    assert "no other choice has a row of it" not in html  # as there is no other
    assert "2 rows of 2" in html
