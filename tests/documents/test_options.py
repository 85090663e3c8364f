"""docs/options.md is what the programs say today."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_options_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "generate_options.py"))["page"]()
    assert (ROOT / "docs" / "options.md").read_text("utf-8") == page, "run make options"
    assert "## hf-lmt recipe copy\n" in page
    assert "| `--fraction` | " in page
