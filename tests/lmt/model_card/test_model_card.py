"""`hf-lmt card`: metadata that the Hub takes, lines that run as printed, words that are kept."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hub.cards import check_card
from huggingface_hub import ModelCard
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.__main__ import main
from hf_lmt.directions import DIRECTIONS
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.evaluation.sets.reference_results import reference_results
from hf_lmt.model_card.made import duration
from hf_lmt.model_card.owner_words import BEGIN, END
from hf_lmt.model_card.paper import group_rows, language_rows
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.registry import LANGUAGES
from hf_lmt.training.clock import Clock
from hf_lmt.training.training import train
from hf_lmt.translation.translator import Translator
from tests.lmt.data.prepare.prepared_rows import lines, table

pytest.importorskip("trl")
pytest.importorskip("peft")

ROOT = Path(__file__).parents[3]
BASE = ("--base-model", "owner/base")
ON_CPU = {"use_cpu": True, "bf16": False, "activation_checkpointing": False}
KINDS: dict[str, dict[str, Any]] = {
    "chat": {"downsampling": {"rate": 1.0}},
    "text": {"pmp": {"form": "text"}, "downsampling": False},
    "adapter": {
        "use_peft": True,
        "lora_r": 4,
        "lora_target_modules": "all-linear",
        "downsampling": False,
    },
    "mixture": {"mixture": {"shares": {"monolingual": 0, "zh": 0, "en": 1}}},
}


def trained(kind: str, folder: Path) -> Path:
    """A tiny model after two steps, in ada/tiny."""
    shape, template = ("llama", None) if kind == "text" else ("qwen3", CHATML)
    make_model(shape, positions=1024).save_pretrained(folder / "base")
    make_tokenizer(bos=kind == "text", chat_template=template).save_pretrained(folder / "base")
    rows = table(folder / "t.jsonl", lines(12, ("en", "zh", "de", "nl")))
    recipe = {
        "data": [{"path": rows, "corpus": "mi|ne", "license": "cc-by-4.0"}],
        "directions": ["en-de", "de-en", "en-zh"],
        "curation": {"contamination": {"sets": "none"}},
        "model_name_or_path": str(folder / "base"),
        "max_steps": 2,
        "global_batch_size": 4,
        "per_device_train_batch_size": 4,
        "max_length": 400,
        **ON_CPU,
        **KINDS[kind],
        "output_dir": str(folder / "ada" / "tiny"),
        **({} if kind == "text" else {"eos_token": "<|im_end|>"}),
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    train(read_training_recipe(path, (), Launch()), origin={"command_line": ["hf-lmt", "train"]})
    made = folder / "ada" / "tiny"
    settings = json.loads((made / "generation_config.json").read_text("utf-8"))
    settings["eos_token_id"] = list(range(100, 125))  # else what is random never ends
    (made / "generation_config.json").write_text(json.dumps(settings), "utf-8")
    return made


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained("chat", tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def judged(chat: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("judged") / "EVAL"
    lines_of = table(output.parent / "soup.jsonl", lines(4, ("en", "de")))
    evaluate(
        lines_of,
        output,
        model=str(chat),
        directions=["en-de", "de-en"],
        num_beams=1,
        max_new_tokens=6,
        metrics=["chrf++", "bleu"],
        progress=False,
    )
    return output


@pytest.fixture
def model(chat: Path, tmp_path: Path) -> Path:
    """A copy to write into, with a place of its own for an evaluation."""
    return Path(shutil.copytree(chat, tmp_path / "ada" / "tiny"))


def card(*words: object) -> Result:
    return CliRunner().invoke(main, ["card", *map(str, words)])


def written(*words: object) -> str:
    result = card(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    return (Path(str(words[0])) / "README.md").read_text("utf-8")


def snippets(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def printed(code: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, "card", "exec"), {})  # noqa: S102  what a reader would do
    return said.getvalue().rstrip("\n")


@pytest.mark.parametrize("kind", KINDS)
def test_the_lines_of_the_card_run_as_printed(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained(kind, tmp_path)
    text = written(folder, "--repository", "ada/tiny", *BASE)
    monkeypatch.chdir(folder.parents[1])
    plain, *ours = map(printed, snippets(text))
    if kind == "mixture":
        assert '"<en2de> The soup is too hot to eat. <de>"' in text
        assert ours == []
        assert plain
        return
    asked: dict[str, Any] = {"texts": "The soup is too hot to eat.", "src_lang": "en", "tgt_lang": "de"}
    assert ours == [Translator("ada/tiny")(**asked)]
    assert plain == Translator("ada/tiny", length_caps=False)(**asked)
    assert ("peft" if kind == "adapter" else "transformers") == ModelCard(text).data.library_name


def test_a_trained_card_says_how_it_was_made(chat: Path) -> None:
    text = (chat / "README.md").read_text("utf-8")
    run = json.loads((chat / "run.json").read_text("utf-8"))
    assert re.search(r"commit [0-9a-f]{40}", text) if (ROOT / ".git").exists() else True
    assert f"| time | {duration(run['timing']['seconds'])} |" in text
    assert "| hardware | 1 x CPU |" in text
    assert r"| mi\|ne | t.jsonl | cc-by-4.0 | 36 |" in text
    assert "| German | de | high | Latn | nl | 12 | 12 | yes |" in text  # rows out of it, into it
    assert "**Not evaluated here yet.**" in text
    assert "What the paper reports" not in text  # it is of another base
    assert str(chat.parent) not in text
    assert (chat / "training_curve.png").is_file()


def test_results_metadata_and_the_table_in_eval(model: Path, judged: Path) -> None:
    words = (model, "--repository", "ada/tiny", "--license", "apache-2.0", *BASE)
    refused(card(*words, "--evaluation", judged), "EVAL: judges the model", "of this model, or")
    run = json.loads((judged / "run.json").read_text("utf-8"))
    run["model"]["source"] = "ada/tiny"
    own = Path(shutil.copytree(judged, model.parent / "EVAL"))
    (own / "run.json").write_text(json.dumps(run), "utf-8")
    text = written(*words, "--evaluation", own)
    scores = json.loads((own / "scores.json").read_text("utf-8"))
    for name in ("scores.csv", "scores.json", "run.json"):
        assert (model / "eval" / "EVAL" / name).read_bytes() == (own / name).read_bytes()
        assert f"(eval/EVAL/{name})" in text
    assert (model / "eval" / "EVAL" / "heat_map.png").stat().st_size > 1000
    assert "(eval/EVAL/heat_map.png)" in text
    assert scores["directions"]["en-de"]["scores"]["bleu"]["signature"] in text.replace("\\", "")

    assert check_card(text, "model") == ([], [])
    data = ModelCard(text).data
    assert (data.base_model, data.license, data.model_name) == ("owner/base", "apache-2.0", "tiny")
    assert (data.pipeline_tag, data.language) == ("translation", ["de", "en", "zh"])
    found = {(one.dataset_config, one.metric_name): one.metric_value for one in data.eval_results}
    for metric, title in (("chrf++", "chrF++"), ("bleu", "BLEU")):
        mean = scores["groups"]["en2x"]["scores"][metric]["mean"]
        value = scores["directions"]["de-en"]["scores"][metric]["value"]
        assert found["en2x", title] == pytest.approx(mean, abs=0.005)
        assert found["de-en", title] == pytest.approx(value, abs=0.005)

    again = written(*words[:3])  # what was given and judged before stays
    assert again == text
    refused(card(*words, "--evaluation", own, "--evaluation", own), "two evaluations are called")


def test_directions_in_the_metadata_are_capped_and_marked_ones_left_out(model: Path, judged: Path) -> None:
    many = [f"{one}" for one in DIRECTIONS[:30]]
    for name, marks in (("many", []), ("marked", ["these lines were trained on"])):
        place = model / "eval" / name
        shutil.copytree(judged, place)
        scores = json.loads((place / "scores.json").read_text("utf-8"))
        one = scores["directions"]["en-de"]
        scores |= {"directions": dict.fromkeys(many, one), "marks": marks}
        (place / "scores.json").write_text(json.dumps(scores), "utf-8")
    text = written(model, *BASE)
    configs = {one.dataset_config for one in ModelCard(text).data.eval_results}
    assert {one for one in configs if "-" in one} == {f"many: {one}" for one in many[:20]}
    assert "> **these lines were trained on**" in text


def test_words_between_the_markers_are_kept(model: Path) -> None:
    path = model / "README.md"
    mine = "## Mine\n\nWith | and <b> and ```\n\n- kept"
    path.write_text(path.read_text("utf-8").replace(END, f"{mine}\n{END}"), "utf-8")
    text = written(model, *BASE)
    assert f"{BEGIN}\n{mine}\n{END}" in text
    assert written(model) == text
    for damage in ((END, ""), (BEGIN, ""), (END, END + END), (f"{END}", f"{END} {BEGIN}")):
        path.write_text(text.replace(*damage), "utf-8")
        refused(card(model, *BASE), "what are your words cannot be told", "once each")
        assert path.read_text("utf-8") == text.replace(*damage)


def refused(result: Result, *messages: str) -> None:
    said = " ".join(f"{result.output} {result.exception}".split())
    assert result.exit_code == 2, said
    for message in messages:
        assert message in said


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ((), ["the base model is '/", "a local path, which nobody else has; give --base-model"]),
        (("--base-model", "/home/me/base"), ["--base-model /home/me/base: is no id on the Hub"]),
        (("--repository", "tiny", *BASE), ["--repository tiny: is no id on the Hub: it is not"]),
        (("--output", "x.md", *BASE), ["the card of a model lies in its folder"]),
        (("--evaluation", "nothing", *BASE), ["nothing: no such folder here"]),
    ],
)
def test_refusals(words: tuple[str, ...], messages: list[str], chat: Path, tmp_path: Path) -> None:
    before = (chat / "README.md").read_bytes()
    refused(card(chat, *words), *messages)
    assert (chat / "README.md").read_bytes() == before
    assert not (chat / "eval").exists()


def test_what_is_no_model_or_no_recipe(judged: Path, tmp_path: Path) -> None:
    refused(card(judged, *BASE), "is no model that hf-lmt train wrote")
    recipe = ROOT / "recipes" / "lmt" / "0.6b" / "sft.yaml"
    refused(card(tmp_path / "nothing"), "nothing: is no folder that hf-lmt train wrote")
    refused(card("lmt/0.6b/stf", "--output", tmp_path / "card.md"), "did you mean 'lmt/0.6b/sft'")
    refused(card(recipe), "of a recipe, which is not trained yet, give --output FILE")
    refused(card(recipe, "--output", "x.md", "--evaluation", judged), "and no --evaluation")
    refused(card(recipe, "--output", tmp_path), f"--output {tmp_path} is a folder; give a file")


def shipped() -> Iterator[list[str]]:
    """The commands that `make cards` runs."""
    text = (ROOT / "Makefile").read_text("utf-8")
    (rule,) = re.findall(r"^cards:.*?\n((?:\t.*\n)+)", text, re.MULTILINE)
    for line in rule.splitlines():
        words = line.replace("$(BIN)/", "").split()
        assert words[:2] == ["hf-lmt", "card"]
        yield words[2:]


@pytest.mark.parametrize("words", shipped(), ids=lambda words: Path(words[-1]).stem)
def test_the_cards_that_are_shipped_are_those_of_the_command(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "README.md"
    result = card(*words[:-1], path)
    assert result.exit_code == 0, (result.output, result.exception)
    assert path.read_bytes() == Path(words[-1]).read_bytes(), "run `make cards`"
    text = path.read_text("utf-8")
    assert check_card(text, "model") == ([], [])
    data, size = ModelCard(text).data, Path(words[-1]).stem.split("-")[2]
    assert data.language == sorted(LANGUAGES)
    assert (data.base_model, data.license) == (f"Qwen/Qwen3-{size}-Base", "apache-2.0")
    assert data.eval_results is None  # the paper's figures are not this model's
    for sentence in (
        "**Not trained yet.**",
        "**Not evaluated here yet.**",
        "Not of this model:",
        f"reports for **its** LMT-60-{size}",
    ):
        assert sentence in text


def test_every_shipped_card_has_its_command() -> None:
    names = {words[-1] for words in shipped()}
    assert names == {f"model_cards/{path.name}" for path in (ROOT / "model_cards").glob("*.md")}
    assert len(names) == 8


def test_the_papers_means_are_those_it_prints() -> None:
    """arXiv 2511.07003, its table of means: COMET-22 and BLEU of 4B."""
    rows = {group: scores for group, *scores in group_rows("4B")}
    printed_there = {"en2x": (88.90, 25.6), "x2en": (87.74, 36.8), "zh2x": (86.18, 16.2), "x2zh": (86.95, 39.1)}
    for group, (comet, bleu) in printed_there.items():
        assert float(rows[group][0]) == pytest.approx(comet, abs=0.01)
        assert float(rows[group][1]) == pytest.approx(bleu, abs=0.06)


def test_the_papers_figures_stand_where_they_belong() -> None:
    rows = {name: dict(zip(COLUMNS, cells, strict=True)) for name, *cells in language_rows("8B")}
    results = {str(one): scores for one, scores in reference_results("8B").items()}
    kazakh = results["zh-kk"]
    assert rows["Kazakh (kk)"]["zh2x"] == f"{kazakh['comet']:.2f} / {kazakh['bleu']:.2f}"
    assert rows["Tibetan (bo)"]["en2x"].startswith("~")
    assert not rows["Tibetan (bo)"]["x2en"].startswith("~")
    assert rows["Chinese (zh)"]["zh2x"] == rows["English (en)"]["x2en"] == ""
    assert sum(bool(cell) for cells in rows.values() for cell in cells.values()) == 236


def test_the_clock_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    args = SimpleNamespace(output_dir=tmp_path)
    state = SimpleNamespace(global_step=5)
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-5" / "seconds").write_text("3600.0\n")
    clock = Clock()
    clock.on_train_begin(args, state, None)
    assert 3600 <= clock.seconds < 3700
    clock.on_save(args, state, None)
    assert float((tmp_path / "checkpoint-5" / "seconds").read_text()) >= 3600
    assert duration(41.4) == "41 seconds"
    assert duration(754) == "12.6 minutes"
    assert duration(18_720) == "5.2 hours"
