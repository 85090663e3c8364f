"""Recipes that come with the packages: listed, shown, copied, and taken by name."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hf_lmt.__main__ import main as lmt_main
from hf_miwv.__main__ import main as miwv_main
from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes import shipped
from hf_miwv.common.recipes.shipped import find_recipe, recipe_folder, shipped_recipes

ROOT = Path(__file__).parents[4]
PROGRAMS = {"miwv": miwv_main, "lmt": lmt_main}


def run(family: str, *words: str) -> str:
    result = CliRunner().invoke(PROGRAMS[family], ["recipe", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("family", PROGRAMS)
def test_the_list_names_every_recipe_and_launch_file(family: str) -> None:
    files = [*(ROOT / "recipes" / family).rglob("*.yaml"), *(ROOT / "recipes" / "accelerate").glob("*.yaml")]
    names = {path.relative_to(ROOT / "recipes").with_suffix("").as_posix() for path in files}
    listed = json.loads(run(family, "list", "--json"))["recipes"]
    assert {recipe["name"] for recipe in listed} == names
    assert all(recipe["description"] and "\n" not in recipe["description"] for recipe in listed)
    assert [line.split("  ")[0] for line in run(family, "list").splitlines()] == [r["name"] for r in listed]


def test_a_recipe_is_shown_as_it_is() -> None:
    assert run("lmt", "show", "0.6b/sft") == (ROOT / "recipes/lmt/0.6b/sft.yaml").read_text("utf-8")


def test_a_copy_replaces_nothing_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("miwv", "copy", "accelerate/ddp")
    assert Path("ddp.yaml").read_bytes() == (ROOT / "recipes/accelerate/ddp.yaml").read_bytes()
    Path("ddp.yaml").write_text("mine", "utf-8")
    result = CliRunner().invoke(miwv_main, ["recipe", "copy", "accelerate/ddp"])
    assert result.exit_code == 2
    assert "ddp.yaml: is there already; give --overwrite, or another FOLDER" in result.output
    assert Path("ddp.yaml").read_text("utf-8") == "mine"
    run("miwv", "copy", "accelerate/ddp", "--overwrite")
    assert "num_processes" in Path("ddp.yaml").read_text("utf-8")
    run("lmt", "copy", "lmt/8b/sft", "new/folder")
    assert Path("new/folder/sft.yaml").is_file()
    Path("file").touch()
    result = CliRunner().invoke(lmt_main, ["recipe", "copy", "8b/sft", "file"])
    assert result.exit_code == 2
    assert "give another FOLDER" in result.output


def test_a_file_of_the_user_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped_file = ROOT / "recipes/miwv/smoke.yaml"
    Path("miwv").mkdir()  # a folder of that name hides nothing
    assert find_recipe(Path("miwv/smoke"), "miwv") == find_recipe(Path("smoke"), "miwv") == shipped_file
    Path("smoke").touch()
    assert find_recipe(Path("smoke"), "miwv") == Path("smoke")


@pytest.mark.parametrize(
    ("recipe", "family", "words"),
    [
        ("smok", "miwv", "smok: is no file here, and no recipe .* did you mean 'miwv/smoke'"),
        ("smoke.yaml", "miwv", "did you mean 'miwv/smoke'"),  # the name of a file that is not there
        ("recipes/lmt/0.6b/sft.yaml", "lmt", "did you mean 'lmt/0.6b/sft'"),
        ("ddpp", "accelerate", "did you mean 'accelerate/ddp'"),
        ("../lmt/0.6b/sft", "lmt", "no recipe of that name"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(
    recipe: str, family: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        find_recipe(Path(recipe), family)


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("miwv", ["train", "--config", "smok"]),
        ("miwv", ["recipe", "check", "smok"]),
        ("lmt", ["train", "--config", "smoke/sf"]),
        ("lmt", ["recipe", "check", "smoke/sf"]),
        ("lmt", ["recipe", "check", "smoke/sft", "--launch", "accelerate/dp"]),
        ("lmt", ["prepare", "smoke/sf", "--output", "rows"]),
    ],
)
def test_every_command_that_reads_a_recipe_takes_a_name(family: str, words: list[str]) -> None:
    result = CliRunner().invoke(PROGRAMS[family], words)
    assert result.exit_code == 2
    assert "no recipe of that name comes with the package; did you mean" in result.output


def test_check_reads_a_shipped_recipe_and_says_what_it_will_do() -> None:
    pytest.importorskip("trl")
    pytest.importorskip("peft")
    told = run("miwv", "check", "alpaca_1pct", "--seed", "43")
    assert "model: meta-llama/Llama-2-7b-hf, all weights\n" in told
    assert "seed 43" in told
    result = CliRunner().invoke(miwv_main, ["recipe", "check", "alpaca_1pct", "--sed", "43"])
    assert result.exit_code == 2
    assert "unknown key 'sed'" in result.output


def test_an_installed_package_has_its_recipes_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recipe_folder() == ROOT / "recipes"
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path)
    (tmp_path / "recipe_files" / "miwv").mkdir(parents=True)
    (tmp_path / "recipe_files" / "miwv" / "smoke.yaml").touch()
    assert list(shipped_recipes("miwv", "lmt")) == ["miwv/smoke"]


def test_no_page_help_or_message_names_a_path_of_the_checkout() -> None:
    """Who has installed a wheel has no folder `recipes`."""
    pages = [
        ROOT / "README.md",
        ROOT / "recipes/README.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("recipes/*/**/*.yaml"),
    ]
    sources = [path for package in ("hf_miwv", "hf_lmt") for path in (ROOT / package).rglob("*.py")]
    named = [
        path.relative_to(ROOT).as_posix()
        for path in [*pages, *sources]
        for folder in ("accelerate", "lmt", "miwv")
        if f"recipes/{folder}" in path.read_text("utf-8")
    ]
    assert named == []


def test_the_groups_have_the_same_commands() -> None:
    groups = [program.commands["recipe"] for program in PROGRAMS.values()]
    assert all(isinstance(group, click.Group) for group in groups)
    assert [sorted(group.commands) for group in groups if isinstance(group, click.Group)] == [
        ["check", "copy", "list", "show"]
    ] * 2
