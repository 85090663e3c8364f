"""A row is what trl.SFTTrainer makes of it: the same ids, the same span, for every shape."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from chat_templates import ROWS, TEMPLATES
from datasets import Dataset
from tiny import make_model, make_tokenizer

from hf_miwv.common.models.row_tokens import RowTokens
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.rows.examples import Example, read_example
from hf_miwv.rows.rows import Row
from hf_miwv.rows.schema import recognize

trl = pytest.importorskip("trl", reason="needs trl (extra train)")

EMPTY_BLOCK = re.compile(r"\s*(<think>)?\s*</think>\s*")


def read(row: dict[str, Any]) -> Example:
    return read_example(row, recognize(list(row)), 0)


@pytest.fixture(scope="module", params=TEMPLATES)
def trained(request: Any, tmp_path_factory: Any) -> tuple[Any, dict[str, tuple[list[int], int]]]:
    """The tokenizer, and of each row that its template takes, trl's ids and where labels begin."""
    tokenizer = make_tokenizer(bos=False, chat_template=TEMPLATES[request.param])
    rows = {}
    for name, (_, row) in ROWS.items():
        arguments = {"tools": row.get("tools"), **row.get("chat_template_kwargs", {})}
        try:
            tokenizer.apply_chat_template([*row["prompt"], *row["completion"]], tokenize=False, **arguments)
        except Exception:  # noqa: S112  of any kind: the template refuses the row
            continue
        rows[name] = row
    columns = ("prompt", "completion", "tools", "chat_template_kwargs")
    kept = [{key: row[key] for key in columns if key in row} for row in rows.values()]
    # one file mixes the shapes: rows lack columns that others have
    mixed = [{"tools": None, "chat_template_kwargs": {}, **row} for row in kept]
    trainer = trl.SFTTrainer(
        make_model("llama", positions=4096),
        args=trl.SFTConfig(
            output_dir=str(tmp_path_factory.mktemp("sft")),
            use_cpu=True,
            report_to=[],
            max_length=None,
            bf16=False,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(mixed, on_mixed_types="use_json"),
        processing_class=tokenizer,
    )
    made = {}
    for name, ids, labels in zip(
        rows, trainer.train_dataset["input_ids"], trainer.train_dataset["labels"], strict=True
    ):
        start = next(index for index, label in enumerate(labels) if label != -100)
        assert labels[start:] == ids[start:]
        made[name] = (ids, start)
    return tokenizer, made


def divide(prompts: ChatPrompts, row: dict[str, Any]) -> RowTokens:
    return prompts.encode([read(row)])[0]


def test_ids_and_span_are_those_of_the_trainer(trained: Any) -> None:
    tokenizer, made = trained
    prompts = ChatPrompts(tokenizer, date.today())
    assert len(made) >= 20
    for name, (ids, start) in made.items():
        row, as_trained = ROWS[name]
        tokens = divide(prompts, row)
        assert tokens.fault is None, name
        assert [*tokens.prompt, *tokens.response, *tokens.ending] == ids, name
        passed_over = tokenizer.decode(ids[start : len(tokens.prompt)])
        if passed_over:  # a think block that the template wrote, and the row has none
            assert EMPTY_BLOCK.fullmatch(passed_over), name
            last = as_trained["completion"][0]
            assert not last.get("reasoning_content"), name
            assert "<think>" not in (last["content"] or ""), name
        else:
            assert len(tokens.prompt) == start, name
        end = tokenizer.decode(tokens.ending)
        assert end in ("<|im_end|>\n", "<|im_end|>", "\n\n"), name


def test_rows_that_the_template_refuses_have_a_fault(trained: Any) -> None:
    tokenizer, made = trained
    prompts = ChatPrompts(tokenizer)
    for name in ROWS.keys() - made.keys():
        row, as_trained = ROWS[name]
        tokens = divide(prompts, row)
        # what only cannot do without a content is given an empty one
        null = any(turn["content"] is None for turn in as_trained["completion"])
        assert tokens.fault is not None or (null and tokens.response), name


def test_the_one_shot_pass_ends_with_the_row_and_begins_with_the_neighbor(trained: Any) -> None:
    tokenizer, made = trained
    prompts = ChatPrompts(tokenizer, date(2026, 11, 29))
    encoded = {name: (read(ROWS[name][0]), divide(prompts, ROWS[name][0])) for name in made}
    names = list(made)
    for name, other in zip(names, names[7:] + names[:7], strict=True):
        row, neighbor = (
            Row([encoded[one][0]], 0, encoded[one][1])  # type: ignore[arg-type]
            for one in (name, other)
        )
        context, cut = prompts.one_shot(row, neighbor, 4000)
        assert context is not None, (name, other)
        assert not cut
        example, demonstration = row.example, neighbor.example
        own = example.conversation
        systems = [turn for turn in own if turn["role"] == "system"]
        shown = [turn for turn in demonstration.conversation if turn["role"] != "system"]
        behind = [*own[len(systems) :], example.answer_turn]
        text = prompts.template.render(
            [*systems, *shown, demonstration.answer_turn, *behind],
            tools=example.tools,
            **example.template_kwargs,
        )
        whole = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert [*context, *row.tokens.response, *row.tokens.ending] == whole, (name, other)


TOOL_ROW = ROWS["tool answers, messages"][0]


@pytest.mark.parametrize("template", ["reasoning", "dated"])
def test_a_tools_description_is_part_of_the_prompt(template: str) -> None:
    prompts = ChatPrompts(make_tokenizer(bos=False, chat_template=TEMPLATES[template]))
    function = {**TOOL_ROW["tools"][0]["function"], "description": "rain of a city"}
    other = {**TOOL_ROW, "tools": [{"type": "function", "function": function}]}
    assert divide(prompts, TOOL_ROW).prompt != divide(prompts, other).prompt
    assert divide(prompts, TOOL_ROW).response == divide(prompts, other).response
    assert prompts.prompt_text(read(TOOL_ROW)) != prompts.prompt_text(read(other))
    assert read(TOOL_ROW).prompt_with_tools != read(other).prompt_with_tools


UNRENDERED = [
    ("plain", "reasoning, messages", ["reasoning_content"]),
    ("plain", "a call is the answer, messages", ["tool_calls", "tools"]),
    ("plain", "tool answers, messages", ["tool_calls of earlier turns", "name", "tools"]),
    ("plain", "template arguments, messages", ["chat_template_kwargs.enable_thinking"]),
    ("plain", "many turns, messages", []),
    ("reasoning", "reasoning, messages", []),
    ("reasoning", "reasoning in earlier turns, messages", ["reasoning_content of earlier turns"]),
    ("reasoning", "think inline in earlier turns, messages", ["think block in the content"]),
    ("reasoning", "parallel calls, messages", []),
    ("reasoning", "tool answers, messages", ["name"]),
    ("reasoning", "template arguments, messages", []),
    ("dated", "date by argument, messages", []),
    ("dated", "reasoning, messages", ["reasoning_content"]),
    ("opens think", "think inline in earlier turns, messages", ["think block in the content"]),
    ("opens think", "tools not called, messages", ["tools"]),
]


@pytest.mark.parametrize(("template", "name", "expected"), UNRENDERED)
def test_what_the_template_leaves_out_is_named(template: str, name: str, expected: list[str]) -> None:
    prompts = ChatPrompts(make_tokenizer(bos=False, chat_template=TEMPLATES[template]))
    example = read(ROWS[name][0])
    assert prompts.unrendered(example) == expected
