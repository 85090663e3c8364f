"""`hf-lmt demo`: on a tiny model from end to end, and on the small real one."""

from __future__ import annotations

import json
import shlex
from html import escape
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from counted_lines import ALLOWED, printed_lines

from hf_lmt.__main__ import main
from hf_lmt.commands import demo_run as demo
from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes.packages import MODEL_PACKAGE
from tests.benchmarks.test_directions import model  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")
pytest.importorskip("sacrebleu")


def shorten(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Fewer steps and tokens, by the recipe's own keys."""
    real = demo.read_training_recipe

    def read(path: Path) -> object:
        content = yaml.safe_load(path.read_text("utf-8"))
        content |= {"max_steps": 2, "eval_steps": 2, "save_steps": 2, "logging_steps": 1, "max_length": 512}
        content["evaluation"] |= {"per_direction": 1, "max_new_tokens": 4}
        path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        return real(path)

    monkeypatch.setattr(demo, "read_training_recipe", read)
    monkeypatch.setattr(demo, "MODEL", str(folder))
    monkeypatch.setattr(demo, "JUDGING", {"num_beams": 1, "max_new_tokens": 4})


def test_the_whole_job_on_a_tiny_model(
    model: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "hf_lmt")
    caplog.set_level("INFO", "hf_miwv")
    shorten(monkeypatch, model)
    monkeypatch.setattr(demo, "find_spec", lambda name: True)  # a tiny model needs no gguf
    output = tmp_path / "a demo"
    result = CliRunner().invoke(main, ["demo", "--output", str(output)])
    assert result.exit_code == 0, (result.output, result.exception)
    assert printed_lines(result.output, caplog) <= ALLOWED["hf-lmt demo"], caplog.text
    parts = [(output / f"{name}.jsonl").read_text("utf-8").splitlines() for name in ("lines", "held-out")]
    assert list(map(len, parts)) == [100, 20]
    assert not set(parts[0]) & set(parts[1])
    prepared = json.loads((output / "rows" / "run.json").read_text("utf-8"))
    trained = json.loads((output / "model" / "run.json").read_text("utf-8"))
    assert trained["prepared"]["counts"] == prepared["counts"]
    assert trained["steps"] == 2
    for name in ("before", "after"):
        judged = json.loads((output / name / "scores.json").read_text("utf-8"))
        assert {one["lines"] for one in judged["directions"].values()} == {8}
        assert len(judged["directions"]) == 6
    assert "chrF++" in result.output
    assert "de-en" in result.output
    picture = output / "model" / "chrf_by_group.png"
    assert picture.stat().st_size > 1000
    end = caplog.messages[-1]
    assert f"The page: {tmp_path / 'demo.html'}\n" in end
    page = (tmp_path / "demo.html").read_text("utf-8")
    german = [json.loads(line)["de"] for line in parts[1]]
    assert sum(escape(line) in page for line in german) == 8  # the judged ones, as sources
    assert page.count("data:image/png;base64,") == 1
    asked, inspected = [line for line in end.splitlines() if line.startswith("  ")]
    words = shlex.split(asked.partition("|")[2])
    words = words[words.index("translate") :]  # behind the program, however it was started
    assert words[:3] == ["translate", "--model", str(output / "model")]
    translated = CliRunner().invoke(main, [*words, "--num-beams", "1"], input="Guten Morgen!\n")
    assert translated.exit_code == 0, translated.output
    assert shlex.split(inspected)[-2:] == ["inspect", "CORPUS"]
    caplog.clear()
    assert CliRunner().invoke(main, ["demo", "--output", str(output)]).exit_code == 0
    assert caplog.text.count("already holds this result") == 4


def test_what_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "MODEL", "package:hf_lmt")
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name in ("trl", "gguf") else True)
    with pytest.raises(InputError, match=r"gguf, trl, not installed.*hf-miwv-lmt\[gguf,train\]"):
        demo.run_demo(Path("nowhere"))
    monkeypatch.setattr(demo, "MODEL", "package:no_such_package")
    with pytest.raises(InputError, match="needs the package no-such-package"):
        demo.run_demo(Path("nowhere"))
    assert not Path("nowhere").exists()


@pytest.mark.slow
def test_on_the_small_real_model(tmp_path: Path) -> None:
    """As it stands; into English it gains."""
    if missing := [one for one in (MODEL_PACKAGE, "gguf") if find_spec(one) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}; `make test` installs them")
    demo.run_demo(tmp_path / "out")
    means = [
        json.loads((tmp_path / "out" / name / "scores.json").read_text("utf-8"))["groups"]["x2en"]["scores"]["chrf++"][
            "mean"
        ]
        for name in ("before", "after")
    ]
    assert means[1] > means[0]
