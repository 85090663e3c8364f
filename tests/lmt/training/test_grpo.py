"""`hf-lmt train` with stage grpo: rewarded, recorded, watched; and what stops it."""

# ruff: noqa: F811  the fixtures of another file
from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from faulty_comet_server import FaultyCometServer
from killing import kill_launch
from plain import plain_advantages
from safetensors.torch import load_file
from transformers import TrainerCallback

from hf_lmt.comet.load_comet import load_comet, save_comet
from hf_lmt.data.method.prompts import prompt_ids
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.training.training import train
from hf_miwv.common.runs.workspace import workspace_of
from tests.lmt.data.prepare.prepared_rows import WORDS, table
from tests.lmt.training.test_training import cache, invoke, recipe, record, refused, succeed, tiny, write  # noqa: F401
from tests.lmt.training.test_training_processes import finish, launch
from tests.lmt.training.test_training_resume import kill_when

pytest.importorskip("trl")
pytest.importorskip("peft")

CHECKPOINTS = Path(__file__).parents[1] / "comet" / "checkpoints"
MODULE = """
def short(completions, **_):
    return [1 / (1 + len(completion[0]["content"])) for completion in completions]

def always_the_same(completions, **_):
    return [0.25] * len(completions)

def one_too_few(completions, **_):
    return [0.5] * (len(completions) - 1)

def nothing(completions, **_):
    return [float("nan")] * len(completions)

def broken(completions, **_):
    raise KeyError("score")
"""


@pytest.fixture
def rewarded(recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two steps of two prompts, two completions each; `my_rewards` in the working directory."""
    (tmp_path / "my_rewards.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_rewards", raising=False)
    del recipe["max_length"]
    return recipe | {
        "stage": "grpo",
        "rewards": ["gated_chrf", "my_rewards.short"],
        "num_generations": 2,
        "max_prompt_length": 400,
        "max_completion_length": 6,
        "max_steps": 2,
        "beta": 0.001,
        "learning_rate": 0.1,
    }


def held_out(tmp_path: Path) -> dict[str, Any]:
    """Evaluation at every second step, on two rows of two directions."""
    rows = [{code: f"{WORDS[code]} 77{number}" for code in ("en", "de")} for number in range(2)]
    return {
        "eval_strategy": "steps",
        "eval_steps": 2,
        "evaluation": {"sets": [table(tmp_path / "held.jsonl", rows)], "per_direction": 2, "max_new_tokens": 3},
    }


def test_a_training_by_rewards_is_recorded_and_watched(
    rewarded: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = succeed(rewarded | held_out(tmp_path) | {"log_completions": True}, tmp_path)
    assert run["kind"] == "translation by rewards"
    gated, short = run["rewards"]
    assert (gated["path"], gated["weight"]) == ("hf_lmt.rewards.gated_chrf", 1.0)
    assert gated["gates"][:2] == ["right_script", "right_language"]
    assert (short["path"], len(short["sha256"])) == ("my_rewards.short", 64)
    assert run["settings"]["multi_objective_aggregation"] == "normalize_then_sum"
    assert (run["settings"]["beta"], run["settings"]["num_generations"]) == (0.001, 2)
    assert run["rows"]["used"] == 36
    assert run["rows"]["target_tokens"] == 0
    for entry in run["reward_curve"]:
        assert {"rollouts/reward/en2x", "rollouts/no_spread/en2x", "rollouts/gate/length_ratio/en2x"} <= entry.keys()
        assert entry["rollouts/length/en2x"] <= 6
        assert entry["gate/length_ratio"] == entry["rollouts/gate/length_ratio/en2x"]
    (evaluation,) = (entry for entry in run["evaluations"] if "eval_reward" in entry)
    assert evaluation["eval_rewards/short/mean"] > 0
    assert "eval_rollouts/reward/en2x" in evaluation
    assert any("eval_chrf_en2x" in entry for entry in run["evaluations"])
    assert run["checks"]["rewards_of_references"]["gated_chrf"] == 1.0
    tables = [path.name for path in sorted((tmp_path / "out-completions").iterdir())]
    assert tables[:2] == ["completions_00001.parquet", "completions_00002.parquet"]
    for name in ("training_curve.png", "reward_by_group.png", "gates.png", "chrf_by_group.png"):
        assert (tmp_path / "out" / name).stat().st_size > 10_000
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "trained for 2 steps of 4 completions from 36 rows to translate" in " ".join(card.split())
    assert "| hf_lmt.rewards.gated_chrf | 1 |" in card
    assert "A metric that was rewarded no longer judges this model" in card
    assert "![Reward by group of directions over the steps](reward_by_group.png)" in card
    assert "without spread" in caplog.text  # the heading of the table


class Steps(TrainerCallback):
    """Keeps rewards, advantages and prompts of each generation."""

    def __init__(self, trainer: Any) -> None:
        self.seen: list[dict[str, Any]] = []
        plain_arguments = {"enable_thinking": False}
        self.rows = [
            prompt_ids(trainer.processing_class, {"prompt": prompt, "chat_template_kwargs": plain_arguments})
            for prompt in trainer.train_dataset["prompt"]
        ]
        inner = trainer._generate_and_score_completions

        def watched(inputs: Any) -> Any:
            output = inner(inputs)
            logs = trainer._logs
            self.seen.append(
                {
                    "rewards": [list(logs["rewards"][name]) for name in trainer.reward_func_names],
                    "advantages": output["advantages"].tolist(),
                    "prompts": [
                        ids[mask.bool()].tolist()
                        for ids, mask in zip(output["prompt_ids"], output["prompt_mask"], strict=True)
                    ],
                }
            )
            return output

        trainer._generate_and_score_completions = watched


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_the_advantages_are_those_of_the_plain_formula(
    rewarded: dict[str, Any], tmp_path: Path, several: bool
) -> None:
    rewarded |= {"num_generations": 4, "global_batch_size": 8}
    rewarded["rewards"] = ["chrf", "my_rewards.short"] if several else ["my_rewards.short"]
    if several:
        rewarded["reward_weights"] = [1.0, 0.5]
    steps: list[Steps] = []

    def watch(trainer: Any) -> list[Any]:
        steps.append(Steps(trainer))
        return steps

    train(read_training_recipe(write(rewarded, tmp_path)), watchers=[watch])
    (watched,) = steps
    assert len(watched.seen) == 2
    for number, step in enumerate(watched.seen):
        counted = step["rewards"] if several else step["rewards"][:1]
        weights = [1.0, 0.5] if several else [1.0]
        expected = plain_advantages(counted, weights, 4)
        assert len({round(value, 3) for value in expected}) > 2, "equal numbers would show nothing"
        assert step["advantages"] == pytest.approx(expected, abs=1e-4)
        # what translating starts from, in the order of the rows, each as often as it is translated
        assert step["prompts"] == [watched.rows[2 * number + row] for row in (0, 1) for _ in range(4)]


@pytest.mark.slow
def test_killed_at_any_step_it_ends_with_the_same_curve_and_weights(
    rewarded: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rewarded |= {"max_steps": 12, "save_steps": 2, "use_peft": True, "lora_dropout": 0.3, **held_out(tmp_path)}
    whole = succeed(rewarded, tmp_path)
    rewarded["output_dir"] = str(tmp_path / "killed")
    work = workspace_of(tmp_path / "killed")
    code = "from hf_lmt.commands.train import train_command; train_command()"
    command = [sys.executable, "-c", code, "--config", str(write(rewarded, tmp_path))]
    kill_when(command, lambda: len(list(work.glob("checkpoints/*/whole"))) >= 1)
    assert not (tmp_path / "killed").exists()
    run = succeed(rewarded, tmp_path)
    assert "going on from checkpoint-" in caplog.text
    assert run["reward_curve"] == whole["reward_curve"]
    assert run["loss_curve"] == whole["loss_curve"]
    held_out_rewards = [
        [entry["eval_reward"] for entry in record["evaluations"] if "eval_reward" in entry] for record in (run, whole)
    ]
    assert held_out_rewards[0] == held_out_rewards[1]
    assert len(held_out_rewards[0]) == 6
    for name in ("adapter_model.safetensors", "training_curve.png", "gates.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


class EndsAfterAStep(TrainerCallback):
    """Ends the run before its second step, as Ctrl-C does."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 1:
            raise KeyboardInterrupt


def end_after_a_step(recipe: dict[str, Any], folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(read_training_recipe(write(recipe, folder)), watchers=[lambda _: [EndsAfterAStep()]])


@pytest.mark.slow
def test_qlora_killed_ends_with_the_same_curve_and_weights(
    rewarded: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("bitsandbytes")
    rewarded |= {"save_steps": 1, "use_peft": True, "lora_r": 4, "lora_dropout": 0.3}
    rewarded |= {"load_in_4bit": True, "dtype": "float32"}
    whole = succeed(rewarded, tmp_path)
    weights = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert whole["model"]["trained_parameters"] == sum(part.numel() for part in weights.values())
    assert any(part.abs().max() > 0 for name, part in weights.items() if "lora_B" in name)
    assert "bitsandbytes" in whole["versions"]
    rewarded["output_dir"] = str(tmp_path / "killed")
    work = workspace_of(tmp_path / "killed")

    end_after_a_step(rewarded, tmp_path)
    assert len(list(work.glob("checkpoints/*/whole"))) == 1
    assert not (tmp_path / "killed").exists()
    run = succeed(rewarded, tmp_path)
    assert "going on from checkpoint-1" in caplog.text
    assert run["reward_curve"] == whole["reward_curve"]
    assert run["loss_curve"] == whole["loss_curve"]
    name = "adapter_model.safetensors"
    assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


@pytest.mark.slow
def test_a_served_comet_gives_the_curve_of_one_in_process(
    rewarded: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai")
    with monkeypatch.context() as patch:
        patch.chdir(CHECKPOINTS)  # they name their encoders by relative paths
        model, other = load_comet("comet", device="cpu"), load_comet("xcomet", device="cpu")
        hyperparameters = yaml.safe_load(Path("comet/hparams.yaml").read_text("utf-8"))
    save_comet(model, tmp_path / "comet", hyperparameters)
    rewarded |= {"save_steps": 1, "rewards": [{"reward": "comet", "model": "comet"}, "my_rewards.short"]}
    inside = succeed(rewarded, tmp_path)
    servers = [FaultyCometServer(scorer) for scorer in (model, other, model)]
    try:
        rewarded["output_dir"] = str(tmp_path / "served")
        rewarded["rewards"][0] = {"reward": "comet", "base_url": servers[0].address}
        end_after_a_step(rewarded, tmp_path)
        rewarded["rewards"][0]["base_url"] = servers[1].address
        refused(invoke(rewarded, tmp_path), "unfinished training of another run (not the same: COMET served for comet")
        rewarded["rewards"][0]["base_url"] = servers[2].address  # the same model at another address
        served = succeed(rewarded, tmp_path)
    finally:
        for server in servers:
            server.end()
    assert served["steps"] == 2
    assert served["reward_curve"] == inside["reward_curve"]
    assert served["loss_curve"] == inside["loss_curve"]
    assert served["rewards"][0]["served"] == servers[0].description
    card = (tmp_path / "served" / "README.md").read_text("utf-8")
    assert "| hf_lmt.rewards.comet | 1 | comet |" in card
    names = [tmp_path / name / "model.safetensors" for name in ("out", "served")]
    assert names[0].read_bytes() == names[1].read_bytes()


@pytest.mark.slow
def test_two_processes_killed_go_on_to_the_same_curve(rewarded: dict[str, Any], tmp_path: Path) -> None:
    rewarded |= {"max_steps": 8, "save_steps": 2, "global_batch_size": 8, "output_dir": str(tmp_path / "whole")}
    finish(launch(rewarded, tmp_path), tmp_path)
    rewarded["output_dir"] = str(tmp_path / "killed")
    work = workspace_of(tmp_path / "killed")
    process = launch(rewarded, tmp_path)
    while not list(work.glob("checkpoints/*/whole")):
        assert process.poll() is None, (tmp_path / "launch.log").read_text()[-4000:]
        time.sleep(0.002)
    kill_launch(process)
    process.wait()
    finish(launch(rewarded, tmp_path), tmp_path)
    whole, killed = record(tmp_path / "whole"), record(tmp_path / "killed")
    assert whole["checks"]["processes"] == 2
    assert whole["reward_curve"] == killed["reward_curve"]
    names = [tmp_path / name / "model.safetensors" for name in ("whole", "killed")]
    assert names[0].read_bytes() == names[1].read_bytes()


@pytest.mark.parametrize(
    ("reward", "messages"),
    [
        ("my_rewards.one_too_few", ["reward one_too_few gave 7 values for 8 completions; it is to give one for each"]),
        ("my_rewards.nothing", ["reward nothing gave nan for completion 0; it is to give a finite number"]),
        ("my_rewards.broken", ["reward my_rewards.broken fails on the references", "KeyError: 'score'"]),
        ({"reward": "gated_comet", "model": "comet-that-is-not-here"}, ["comet-that-is-not-here"]),
    ],
    ids=["count", "nan", "error", "model"],
)
def test_a_reward_that_cannot_be_is_told_before_the_first_step(
    rewarded: dict[str, Any], tmp_path: Path, reward: Any, messages: list[str]
) -> None:
    rewarded["rewards"] = [reward]
    refused(invoke(rewarded, tmp_path), *messages)
    assert not (tmp_path / "out").exists()


def test_a_training_without_spread_is_stopped(rewarded: dict[str, Any], tmp_path: Path) -> None:
    rewarded |= {"rewards": ["my_rewards.always_the_same"], "max_steps": 9, "max_steps_without_spread": 3}
    message = "in 3 steps up to step 3 the 2 completions of every prompt had the same reward (0.25 on average)"
    refused(invoke(rewarded, tmp_path), message, "Give a higher temperature")


def test_rows_that_are_too_few_or_too_long_are_told(rewarded: dict[str, Any], tmp_path: Path) -> None:
    refused(invoke(rewarded, tmp_path, "--global_batch_size", 80), "36 rows are fewer than the 40 prompts")
    refused(invoke(rewarded, tmp_path, "--max_prompt_length", 9), "none of the 36 prompts has 9 tokens or fewer")
