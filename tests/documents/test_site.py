"""The site of `make docs`: built without a warning, with every public name in its reference."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import hf_lmt
import hf_miwv
from tests.documents.test_documents import ROOT, blocks

REFERENCE = sorted((ROOT / "docs" / "api").glob("*.md"))


def pages_in(navigation: list[dict[str, object]]) -> list[str]:
    """The pages of a navigation, in its order."""
    pages: list[str] = []
    for entry in navigation:
        (target,) = entry.values()
        pages += pages_in(target) if isinstance(target, list) else [str(target)]
    return pages


@pytest.mark.skipif(not find_spec("mkdocs"), reason="MkDocs is not installed; `make test` installs it")
def test_the_site_is_built_without_a_warning() -> None:
    done = subprocess.run(
        # An environment that is ready is not made again.
        ["make", "docs", f"BIN={Path(sys.executable).parent}", "--old-file", ".venv/.ready"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "WARNING" not in done.stderr
    assert "AttachDemonstration" in (ROOT / "build" / "site" / "docs" / "api" / "transforms.html").read_text("utf-8")


def test_every_public_name_stands_in_the_reference_once() -> None:
    names = [name for page in REFERENCE for name in re.findall(r"^::: (.+)$", page.read_text("utf-8"), re.MULTILINE)]
    public = [f"{face.__name__}.{name}" for face in (hf_miwv, hf_lmt) for name in face.__all__]
    for name in ("hf_lmt.InputError", "hf_lmt.push"):  # hf_miwv's
        public.remove(name)
    assert sorted(name for name in names if name.count(".") == 1) == sorted(public)
    assert len(names) == len(set(names))


def test_every_page_is_in_the_navigation() -> None:
    navigation = pages_in(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    ours = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert set(ours) <= set(navigation)
    assert len(navigation) == len(set(navigation))
    assert [page for page in navigation if not (ROOT / page).is_file()] == []


def test_every_picture_stands_in_the_gallery_with_the_command_that_drew_it() -> None:
    page = ROOT / "docs" / "gallery.md"
    pictures = re.findall(r"!\[.*?\]\(pictures/(.+?)\)", page.read_text("utf-8"))
    assert sorted(pictures) == sorted(path.name for path in (ROOT / "docs" / "pictures").iterdir())
    assert len(blocks(page, "sh")) == len(pictures)
