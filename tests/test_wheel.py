"""What an installed package holds: every file of the packages that git knows, and nothing else."""

from __future__ import annotations

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
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The names in the sdist and in the wheel made from it, each without its first folder.

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
