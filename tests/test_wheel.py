"""What an installed package holds: every file of the packages that git knows, and nothing else."""

from __future__ import annotations

import email
import email.policy
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hf_miwv", "hf_lmt")


def tracked(*paths: str) -> set[str]:
    """The files that git knows below these paths."""
    done = subprocess.run(["git", "ls-files", "-z", "--", *paths], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no checkout of git here: {done.stderr.strip()}")
    return {name for name in done.stdout.split("\0") if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an sdist and of the wheel made from it.

    Built from a copy of the tracked files: a checkout may hold an older build/ that setuptools
    would pack again, and files that were forgotten in a commit.
    """
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    copy, built = (tmp_path_factory.mktemp(name) for name in ("copy", "built"))
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    for package in PACKAGES:  # what running from the checkout leaves there
        (copy / package / "__pycache__").mkdir()
        (copy / package / "__pycache__" / "errors.cpython-311.pyc").touch()
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", built, copy],
        check=True,
        capture_output=True,
    )
    return built


@pytest.fixture(scope="module")
def archives(built: Path) -> dict[str, set[str]]:
    """The names in the sdist and in the wheel, each without its first folder."""
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as zipped, tarfile.open(sdist) as tarred:
        return {
            "wheel": set(zipped.namelist()),
            "sdist": {member.name.partition("/")[2] for member in tarred.getmembers() if member.isfile()},
        }


@pytest.mark.parametrize("archive", ["wheel", "sdist"])
def test_every_tracked_file_of_the_packages_is_packed_and_no_other(
    archives: dict[str, set[str]], archive: str
) -> None:
    packed = {name for name in archives[archive] if name.startswith(PACKAGES)}
    packed = {name for name in packed if name.split("/")[0] in PACKAGES}  # not the metadata
    recipes = {name for name in tracked("recipes") if archive == "wheel"}
    assert packed == tracked(*PACKAGES) | {f"hf_miwv/recipe_files/{name.partition('/')[2]}" for name in recipes}


def test_the_recipes_are_in_the_sdist_too(archives: dict[str, set[str]]) -> None:
    assert {name for name in archives["sdist"] if name.startswith("recipes/")} == tracked("recipes")


def test_the_license_is_packed_and_the_tests_are_not(archives: dict[str, set[str]]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in archives["wheel"])
    assert "LICENSE" in archives["sdist"]
    assert not any(name.startswith("tests") for name in archives["wheel"])


def test_the_page_on_the_index_leads_to_no_file_of_the_checkout(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as zipped:
        (name,) = (name for name in zipped.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(zipped.read(name), policy=email.policy.default)
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = str(metadata.get_payload())
    assert "Which few rows of a large instruction set" in page
    assert "The commands in two screens" in page
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert links
    assert all(link.startswith("https://") for link in links)


def test_a_published_page_leads_to_the_published_files() -> None:
    base = "https://example.org/NAME/REPOSITORY/raw/v1"
    page = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "--long-description"],
        cwd=ROOT,
        env={**os.environ, "README_BASE_URL": base},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"![MIWV of the sample's rows]({base}/docs/pictures/miwv_histogram.png)" in page
    assert f"[The commands in two screens]({base}/docs/commands.md)" in page
