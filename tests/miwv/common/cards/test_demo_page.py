"""demo.html: each demo writes its own part, text stays text, and a browser shows both."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from hf_miwv.common.cards.demo_page import PARTS, picture, write_part

ROOT = Path(__file__).parents[4]
TEMPLATES = {
    PARTS[0]: ROOT / "hf_miwv" / "templates" / "demo_rows.html.jinja",
    PARTS[1]: ROOT / "hf_lmt" / "templates" / "demo_translations.html.jinja",
}
HOSTILE = "<script>document.title = 'taken'</script><!-- end of part hf-miwv demo --> & <b>bold</b>"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    figure, _ = plt.subplots()
    figure.savefig(tmp_path / "picture.png")
    plt.close(figure)
    image = picture(tmp_path / "picture.png", "How the scores lie")
    row = {"miwv": 0.5, "zero_shot": 1.0, "one_shot": 1.5, "prompt": HOSTILE, "response": "r"}
    row |= {"example_prompt": "p", "example_response": " "}
    rows = {"rows": 339, "model": "a/model", "pictures": [image], "groups": {"The highest": [row]}}
    rows |= {"labels": "Of the highest tenth 9 %"}
    translations = {
        "steps": 4,
        "rows": 10,
        "model": "a/model",
        "lines": 1,
        "scores": [("de-en", 1.25, 2.5)],
        "pictures": [],
        "example": "de-en",
        "sentences": [("Guten Tag", HOSTILE, "Good day")],
    }
    path = tmp_path / "demo.html"
    write_part(path, PARTS[1], TEMPLATES[PARTS[1]], translations)
    assert "Which rows would teach" not in path.read_text("utf-8")
    write_part(path, PARTS[0], TEMPLATES[PARTS[0]], rows)
    write_part(path, PARTS[0], TEMPLATES[PARTS[0]], {**rows, "rows": 12})  # anew: its own part alone
    return path


def test_each_demo_writes_its_own_part(page: Path) -> None:
    html = page.read_text("utf-8")
    assert html.count("<section") == 2
    assert html.index('id="rows"') < html.index('id="translations"')
    assert "12 rows of the sample" in html
    assert "339 rows" not in html
    assert '<span class="quiet">(none)</span>' in html
    assert "<script" not in html
    assert [path.name for path in page.parent.iterdir() if path.name.startswith(".")] == []


def test_a_browser_shows_both_parts_and_runs_nothing(page: Path, tmp_path: Path) -> None:
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"file://{page}"]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<title>The two demos</title>" in dom
    assert dom.count("&lt;script&gt;") == 2
    assert "MIWV +0.50" in dom
    assert '<td class="number">2.5</td>' in dom
