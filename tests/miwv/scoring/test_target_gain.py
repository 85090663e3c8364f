"""Rows behind the examples of a target set: equal to a plain loop, and flagged where they are in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset, load_dataset
from killing import Stop, contents, fail_on
from plain import plain_alpaca, plain_loss, plain_neighbors
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, select
from hf_miwv.__main__ import main
from hf_miwv.results.methods import method_scores
from hf_miwv.rows.schema import SCORE_COLUMNS, TARGET_COLUMNS
from hf_miwv.scoring.target_set import target_identity
from hf_miwv.training.train_recipe import _selection_faults
from tests.miwv.scoring.test_several_neighbors import embeddings, score_tiny


def make_target(count: int = 6) -> list[dict[str, str]]:
    """Alpaca rows with other prompts and responses than `make_rows`, but for the second, which is its row 3."""
    rows = [{**row, "instruction": f"please {row['instruction']}"} for row in make_rows(40)[-count:]]
    return [rows[0], {**rows[1], **{name: make_rows(4)[3][name] for name in ("instruction", "input")}}, *rows[2:]]


def plain_target_gain(
    model: Any, tokenizer: Any, row: dict[str, str], examples: list[dict[str, str]]
) -> tuple[float, list[float]]:
    """(L(y|x), [L(y|x,C) of each example C]), a pass for each."""

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    x, y = ids(plain_alpaca(row)), ids(row["output"])
    contexts = [ids(plain_alpaca(example)) + ids(example["output"]) + ids("\n\n") for example in examples]
    return plain_loss(model, [1, *x], y), [plain_loss(model, [1, *context, *x], y) for context in contexts]


@pytest.mark.parametrize("count", [1, 3])
def test_it_equals_the_plain_loop(count: int, embedder_folder: Path) -> None:
    rows, target = make_rows(), make_target()
    target[4]["output"] = ""  # no example
    scored = score_tiny(rows, embedder_folder, neighbors=count, demonstrations_from=target)
    vectors, target_vectors = embeddings(embedder_folder, rows), embeddings(embedder_folder, target)
    model, tokenizer = make_model("llama"), make_tokenizer()
    gains = []
    for number, row in enumerate(rows):
        # Never the example with the row's own prompt, and never one without an answer.
        allowed = [other for other in range(6) if other != 4 and plain_alpaca(target[other]) != plain_alpaca(row)]
        joined = np.concatenate([target_vectors, vectors[number : number + 1]])
        expected = plain_neighbors(joined, 6, count, allowed)
        assert scored["target_neighbors"][number] == expected
        zero_shot, losses = plain_target_gain(model, tokenizer, row, [target[other] for other in expected])
        gains.append(zero_shot - np.mean(losses))
    assert np.std(gains) > 0.05
    np.testing.assert_allclose(scored["target_gain"], gains, atol=1e-4)
    assert [row for row, flags in enumerate(scored["miwv_flags"]) if "in_target" in flags] == [3]
    # Nothing else moves by it.
    without = score_tiny(rows, embedder_folder, neighbors=count)
    assert scored["miwv"] == without["miwv"]


def test_an_example_is_run_once_for_all_rows_that_it_serves(tmp_path: Path, embedder_folder: Path) -> None:
    scored = score_tiny(make_rows(60), embedder_folder, demonstrations_from=make_target(), output_dir=tmp_path / "s")
    run = json.loads((tmp_path / "s" / "run.json").read_text())
    stage = run["stages"]["target"]
    assert stage["reuse"] == {"all of the neighbor's pass": 60}
    tokenizer = make_tokenizer()
    served = {example for (example,) in scored["target_neighbors"]}
    trunks = [f"{plain_alpaca(make_target()[example])}" for example in served]
    answers = [make_target()[example]["output"] for example in served]
    examples = sum(
        1 + sum(len(tokenizer.tokenize(text)) for text in pair) for pair in zip(trunks, answers, strict=True)
    )
    separator = len(tokenizer.tokenize("\n\n")) - 1  # for the BOS of each row, which stands before the example
    own = run["stages"]["score"]["row_tokens"] + 60 * separator
    # Branches of all rows, and each example once in each tree that it is the trunk of.
    assert own + examples <= stage["tokens"] <= own + 3 * examples
    assert run["stages"]["embed_target"]["rows"] == 6


def test_rows_of_the_target_are_left_out_unless_asked_for(tmp_path: Path, embedder_folder: Path) -> None:
    output = tmp_path / "scored"
    scored = score_tiny(make_rows(), embedder_folder, demonstrations_from=make_target(), output_dir=output)
    assert scored.column_names == [*make_rows(1)[0], *SCORE_COLUMNS, *TARGET_COLUMNS]
    gains = np.array(scored["target_gain"])
    ranked = [row for row in np.argsort(-gains, kind="stable").tolist() if row != 3]
    assert select(output, method="target_gain", count=23, output_dir=tmp_path / "chosen")["row"] == ranked
    chosen = json.loads((tmp_path / "chosen" / "run.json").read_text())
    assert chosen["selection"]["include_target_rows"] is False
    assert 3 in select(output, method="target_gain", count=24, include_target_rows=True)["row"]
    with pytest.raises(InputError, match="count 24 is above the 23 rows"):
        select(output, count=24)  # by MIWV, too: it is what the model is to be judged by
    run = json.loads((output / "run.json").read_text())
    assert (run["target"]["rows"], run["target"]["examples"], run["target"]["rows_in_target"]) == (6, 6, 1)
    assert run["statistics"]["target_gain"]["mean"] == pytest.approx(gains.mean())
    card = (output / "README.md").read_text()
    assert "6 examples in 6 rows" in card
    assert "flagged: the target set has the same prompt" in card
    for name in TARGET_COLUMNS:
        assert f"| {name} |" in card or f"`{name}`" in card
    with pytest.raises(InputError, match="score them with `hf-miwv score --demonstrations-from TARGET`"):
        method_scores(scored.remove_columns(list(TARGET_COLUMNS)), "target_gain_low")


def test_the_target_may_have_another_shape(embedder_folder: Path) -> None:
    target = [{"prompt": row["instruction"], "completion": row["output"]} for row in make_target() if not row["input"]]
    scored = score_tiny(make_rows(), embedder_folder, demonstrations_from=target)
    plain = [{"instruction": row["prompt"], "input": "", "output": row["completion"]} for row in target]
    model, tokenizer = make_model("llama"), make_tokenizer()
    (example,) = scored["target_neighbors"][5]
    zero_shot, (one_shot,) = plain_target_gain(model, tokenizer, make_rows()[5], [plain[example]])
    assert scored["target_gain"][5] == pytest.approx(zero_shot - one_shot, abs=1e-4)


def test_conversations_share_what_they_can(tmp_path: Path, embedder_folder: Path) -> None:
    def conversation(row: dict[str, str], system: str | None = None) -> dict[str, Any]:
        turns = [{"role": "system", "content": system}] if system else []
        turns += [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}]
        return {"messages": turns}

    long = "You are made of water, and you say so whenever somebody asks you about rain and the colours of a flag."
    rows = [conversation(row, long if number == 7 else None) for number, row in enumerate(make_rows(8))]
    target = [conversation(row) for row in make_target()]
    scored = score_tiny(rows, embedder_folder, demonstrations_from=target, neighbors=2, output_dir=tmp_path / "s")
    reuse = json.loads((tmp_path / "s" / "run.json").read_text())["stages"]["target"]["reuse"]
    assert reuse == {
        "all of the neighbor's pass": 14,
        "nothing: its own system turn or tools come first": 2,
    }
    model, tokenizer = make_model("llama"), make_tokenizer(chat_template=CHATML)
    turns = rows[7]["messages"]
    losses = []
    for example in scored["target_neighbors"][7]:
        said = [turns[0], *target[example]["messages"], turns[1]]
        text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        context, response = (
            tokenizer(part, add_special_tokens=False)["input_ids"] for part in (text, turns[2]["content"])
        )
        losses.append(plain_loss(model, context, response))
    assert scored["target_gain"][7] == pytest.approx(scored["loss_zero_shot"][7] - np.mean(losses), abs=1e-4)


def test_an_example_without_room_is_left_out_of_the_mean(embedder_folder: Path) -> None:
    rows = make_rows(8)
    rows[7]["output"] = "rain " * 200
    rows[0]["output"] = "water " * 60
    scored = score_tiny(rows, embedder_folder, demonstrations_from=make_target(), max_length=250)
    assert scored["target_gain"][7] is None
    assert None not in scored["target_gain"][:7]


def test_stopped_among_its_passes_and_called_again_it_ends_with_the_same_bytes(
    tmp_path: Path, embedder_folder: Path
) -> None:
    calls = 0

    def run(output: Path, target: list[dict[str, str]], stop: int | None = None) -> Dataset:
        def when(call: int, _: Any) -> Exception | None:
            nonlocal calls
            calls = call
            return Stop() if call == stop else None

        model = make_model("llama")
        fail_on(model, when)
        settings = {"demonstrations_from": target, "batch_tokens": 1500}
        return score_tiny(make_rows(), embedder_folder, model=model, output_dir=output, **settings)

    run(tmp_path / "whole", make_target())
    with pytest.raises(Stop):
        run(tmp_path / "stopped", make_target(), calls - 1)
    assert (tmp_path / "stopped.work" / "process-0-of-1" / "target" / "losses.jsonl").exists()
    run(tmp_path / "stopped", make_target())
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    with pytest.raises(InputError, match="not the same: target set, target tokens"):
        run(tmp_path / "stopped", make_target(5))


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        (make_target()[:1], {}, "1 row; one example would be that of every row, near or not, so give at least two"),
        ([{"question": "a", "points": 1}] * 2, {}, "none of the known shapes has these"),
        (make_rows(), {}, "these are the very rows that are scored"),
        (make_rows(25), {}, "every row of DATA has a prompt of the target set"),
        (
            [{**row, "output": ""} for row in make_target()[1:]] + make_target()[:1],
            {},
            "1 of its 6 rows have a response",
        ),
        (make_target(), {"neighbors": 7}, "6 of its 6 rows have a response that can be an example; give 7 or more"),
        (Dataset.from_list(make_target()).to_iterable_dataset(), {}, "it came as a stream"),
        (
            [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}] * 2,
            {},
            "it holds conversations, and DATA is rendered by the alpaca template",
        ),
        (None, {"demonstrations_split": "test"}, "give --demonstrations-from, too"),
    ],
)
def test_sets_that_cannot_be(target: Any, settings: dict[str, Any], message: str, embedder_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        score_tiny(make_rows(), embedder_folder, demonstrations_from=target, **settings)


def test_on_the_command_line_and_in_a_recipe(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    data, target, output = tmp_path / "rows.jsonl", tmp_path / "target.jsonl", tmp_path / "chosen"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(10)))
    target.write_text("".join(json.dumps(row) + "\n" for row in make_target()))
    words = ["select", data, "--model", model_folder, "--embedder", embedder_folder, "--method", "target_gain"]
    words += ["--count", 3, "--output", output]
    refused = CliRunner().invoke(main, [*map(str, words)])
    assert refused.exit_code == 2
    assert "method 'target_gain' needs the rows of a target set" in " ".join(refused.output.split())
    done = CliRunner().invoke(main, [*map(str, words), "--demonstrations-from", str(target)])
    assert done.exit_code == 0, done.output
    chosen = load_dataset(str(output), split="train")
    assert chosen["target_gain"] == sorted(chosen["target_gain"], reverse=True)
    selection = {"method": "target_gain", "fraction": 0.1}
    assert _selection_faults(selection, {}) == [
        "selection: method target_gain needs a target set; in scoring, demonstrations_from: TARGET"
    ]
    assert not _selection_faults(selection, {"demonstrations_from": "rows.jsonl"})


def test_other_rows_under_the_same_name_are_another_run(tmp_path: Path) -> None:
    """A run that scores and trains must not take a finished folder for its own when the target set has changed."""
    rows, target = Dataset.from_list(make_rows(8)), tmp_path / "target.json"
    assert target_identity({}, None, rows) == {}
    identities = []
    for content in (make_target(4), make_target(4), make_target(5)):
        target.write_text(json.dumps(content))
        identities.append(target_identity({"demonstrations_from": str(target)}, None, rows))
    assert identities[0] == identities[1] != identities[2]
