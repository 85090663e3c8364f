"""What may stand in a recipe, and what is said about the rest: all of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_lmt.data.method.prompts import Wording
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.directions import DIRECTIONS, Direction
from hf_miwv.common.errors import InputError

DATA: dict[str, Any] = {
    "data": [{"path": "train"}],
    "curation": {"contamination": {"sets": "none"}},
}
FOLDER = Path(__file__).parents[4] / "recipes" / "lmt"


def read(folder: Path, content: Any) -> Any:
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    (folder / "r.yaml").write_text(text, "utf-8")
    return read_data_recipe(folder / "r.yaml")


def test_defaults_are_those_of_the_paper(tmp_path: Path) -> None:
    recipe = read(tmp_path, {**DATA, "seed": 7})
    assert recipe.directions == DIRECTIONS
    assert recipe.named == frozenset()
    assert (recipe.downsampling.rate, recipe.downsampling.seed) == (0.05, 7)
    assert (recipe.prompting.share, recipe.prompting.seed) == (0.5, 7)
    assert recipe.training == {}
    assert recipe.mixture is None


def test_a_whole_recipe(tmp_path: Path) -> None:
    recipe = read(
        tmp_path,
        """
data:
  - {path: {en: a.en, "nb": a.nb}, license: cc0-1.0, caps: {"en-*": 5}, weight: 2, languages: [en]}
directions: [en-*, kk-zh]
downsampling: {rates: {"*-en": 0.1}, seed: 4}
pmp: {share: 0.25, form: text, wording: {plain: "{text} {target}",
      hinted: "{text} {auxiliary_text} {target}"}}
curation: {length: false, contamination: {sets: none}}
evaluation: {sets: [flores]}
hub: {repository: me/rows}
model_name_or_path: Qwen/Qwen3-0.6B-Base
learning_rate: 2.0e-5
""",
    )
    assert recipe.sources[0].cap_of("en-kk") == 5
    assert recipe.sources[0].cap_of("kk-en") is None
    assert recipe.named == {Direction("kk", "zh")}
    assert len(recipe.directions) == 60
    assert recipe.downsampling.seed == 4
    assert recipe.prompting.wording == Wording("{text} {target}", "{text} {auxiliary_text} {target}")
    assert "length" not in [step.name for step in recipe.steps]
    assert set(recipe.training) == {"model_name_or_path", "learning_rate"}
    assert "learning_rate" not in recipe.content


@pytest.mark.parametrize(("section", "value"), [("downsampling", False), ("pmp", False)])
def test_steps_that_are_switched_off(section: str, value: bool, tmp_path: Path) -> None:
    recipe = read(tmp_path, {**DATA, section: value})
    assert (recipe.downsampling is None) == (section == "downsampling")
    assert recipe.prompting.share == (0.0 if section == "pmp" else 0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": None}, ["data: is missing", "- path:"]),
        ({"data": ["train"]}, ["source 1: give a mapping with a path, not 'train'"]),
        ({"data": [{"path": "a", "corps": "x"}]}, ["unknown key 'corps'; did you mean 'corpus'"]),
        ({"data": [{"path": "a", "split": False}]}, ["split", "False", "put it in quotes"]),
        ({"data": [{"path": "a", "languages": ["en", False]}]}, ["languages: False", "quotes"]),
        ({"data": [{"path": "a", "languages": "en"}]}, ["languages: give a list"]),
        ({"data": [{"path": {False: "a", "en": "b"}}]}, ["False is no language", "quotes"]),
        ({"data": [{"path": "a", "kind": "tabel"}]}, ["'tabel'", "did you mean 'table'"]),
        ({"data": [{"path": "a", "weight": "much"}]}, ["weight", "a number"]),
        ({"data": [{"path": "a", "weight": 0}]}, ["all weights are 0"]),
        ({"data": [{"path": "a", "caps": {"en-*": -1}}]}, ["caps: en-*: -1"]),
        ({"data": [{"path": "a", "caps": {"zh-*": 1, "*-en": 2}}]}, ["zh-en", "equally well"]),
        ({"directions": "en-*"}, ["directions: give a list"]),
        ({"directions": ["en-de", False]}, ["directions: YAML reads this word as False"]),
        ({"directions": ["en-no"]}, ["no language 'no'"]),
        ({"directions": ["en-en"]}, ["the same"]),
        ({"seed": -1}, ["seed -1"]),
        ({"seed": "x"}, ["seed", "a whole number"]),
        ({"downsampling": {"rate": 1.5}}, ["downsampling: rate 1.5", "from 0 to 1"]),
        ({"downsampling": {"rates": {"*-en": 5}}}, ["rates: *-en: 5"]),
        ({"downsampling": {"rat": 0.1}}, ["downsampling: unknown key 'rat'; did you mean 'rate"]),
        ({"downsampling": 0.05}, ["downsampling: give a mapping of settings, or false"]),
        ({"pmp": {"share": 2}}, ["pmp: share 2"]),
        ({"pmp": {"wording": {"plain": "{text}"}}}, ["pmp: wording", "two templates"]),
        ({"pmp": {"form": "txt"}}, ["pmp: form 'txt'"]),
        ({"curation": {"lenght": True}}, ["curation: unknown step 'lenght'", "'length'"]),
        ({"curation": "none"}, ["curation: give a mapping"]),
        ({"mixture": {"monolingul": []}}, ["mixture: unknown key", "'monolingual'"]),
        ({"mixture": {"monolingual": [{"language": "en"}]}}, ["source 1: path is missing"]),
        ({"mixture": {}, "pmp": {"share": 1.0}}, ["pmp: the lines of a mixture"]),
        ({"mixture": {}, "downsampling": {"rate": 0.1}}, ["downsampling: a mixture has"]),
        ({"mixture": {}}, ["mixture: tokens are counted", "give model_name_or_path"]),
        ({"data": [{"path": "package:../x"}]}, ["data, source 1: package:../x: give package:NAME/PATH"]),
        ({"data": [{"path": "a"}, {"path": "package:a.b/x"}]}, ["source 2: package:a.b/x: give"]),
        ({"data": [{"path": "package:nothing_there/x"}]}, ["source 1: this needs the package"]),
        ({"model_name_or_path": "package:a..b"}, ["model_name_or_path: package:a..b: give pack"]),
        ({"curation": {"contamination": {"sets": 0}}}, ["contamination: sets: 0: give a list of"]),
        ({"qqzz": 1}, ["unknown key 'qqzz'; the nearest of"]),
        ({"learning_rat": 1}, ["unknown key 'learning_rat'; did you mean 'learning_rate'"]),
        ({"direction": ["en-de"]}, ["unknown key 'direction'; did you mean 'directions'"]),
    ],
)
def test_recipes_that_cannot_be(change: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, {**DATA, **change})
    assert "r.yaml: " in str(error.value)
    assert all(word in str(error.value) for word in words), error.value


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    wrong = {
        "data": [{"path": "a", "wight": 1}, {}],
        "directions": ["en-xx"],
        "seed": True,
        "downsampling": {"rate": 7},
        "pmp": {"share": -1},
        "dta": 1,
    }
    with pytest.raises(InputError) as error:
        read(tmp_path, {**DATA, **wrong})
    lines = str(error.value).splitlines()[1:]
    starts = ("unknown key 'dta'", "seed", "directions", "data, source 1", "data, source 2", "downsampling", "pmp")
    assert [next((s for s in starts if line.strip().startswith(s)), line) for line in lines] == [*starts]


def test_the_recipes_that_are_shipped_can_be_read() -> None:
    recipe = read_data_recipe(FOLDER / "sample_rows.yaml")
    assert Path(str(recipe.sources[0].path)).is_file()
    assert recipe.content["data"][0]["path"].startswith("package:")
