"""Token ids of both passes, for text templates and chat templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plain import plain_alpaca
from tiny import BRACKETS, CHATML, THINKING, make_tokenizer

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import start_tokens
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.prompts.text_prompts import TextPrompts
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Row


def row(prompts: Any, example: Example) -> Row:
    return Row([example], 0, prompts.encode([example])[0])  # type: ignore[arg-type]


def chat(*contents: str, response: str, system: str | None = None) -> Example:
    turns = [{"role": "system", "content": system}] if system else []
    roles = ("user", "assistant")
    turns += [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]
    return Example("", "", tuple(turns), response)  # type: ignore[arg-type]


def ids(prompts: Any, text: str) -> list[int]:
    return prompts._tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("bos", [True, False])
def test_start_tokens(bos: bool) -> None:
    assert start_tokens(make_tokenizer(bos)) == ([1] if bos else [])


@pytest.mark.parametrize(("instruction", "text_input"), [("add two", "and three"), ("hello", "")])
def test_alpaca_is_stanfords_template(instruction: str, text_input: str) -> None:
    prompts = TextPrompts("alpaca", make_tokenizer())
    expected = plain_alpaca({"instruction": instruction, "input": text_input})
    assert prompts.prompt_text(Example(instruction, text_input, None, "five")) == expected
    assert expected.endswith("### Response:")


@pytest.mark.parametrize("bos", [True, False])
def test_text_passes_are_parts_tokenized_apart_and_joined(bos: bool) -> None:
    prompts = TextPrompts("plain", make_tokenizer(bos))
    start = [1] if bos else []
    one, other = Example("hello world", "", None, "rain"), Example("add two", "", None, "five")
    tokens = prompts.encode([one])[0]
    assert tokens.prompt == start + ids(prompts, "hello world")
    assert tokens.response == ids(prompts, "rain")
    context, trimmed = prompts.one_shot(row(prompts, one), row(prompts, other), 1000)
    parts = [ids(prompts, text) for text in ("add two", "five", "\n\n", "hello world")]
    assert context == start + [token for part in parts for token in part]
    assert not trimmed


def test_a_text_demonstration_is_cut_from_its_left() -> None:
    prompts = TextPrompts("plain", make_tokenizer())
    one = row(prompts, Example("hello world", "", None, "rain"))
    other = row(prompts, Example("add two and three", "", None, "five"))
    whole, _ = prompts.one_shot(one, other, 1000)
    assert whole is not None
    own = len(ids(prompts, "\n\n")) + len(one.tokens.prompt) - 1
    for room in range(len(whole) - 1, own + 1, -1):
        context, trimmed = prompts.one_shot(one, other, room)
        assert trimmed
        assert context == [1, *whole[-(room - 1) :]]
    assert prompts.one_shot(one, other, own + 1) == (None, True)
    assert prompts.one_shot(one, other, 0) == (None, True)


def test_an_empty_prompt_gets_a_token_to_follow() -> None:
    prompts = TextPrompts("plain", make_tokenizer(bos=False))
    assert prompts.encode([Example("", "", None, "rain")])[0].prompt == [2]  # EOS


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ instruction }}|{{ input }}", "add|two"),
        ("Q: {{ prompt }}\nA:\n", "Q: add\n\ntwo\nA:"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}none", "none"),
    ],
)
def test_a_jinja_file(tmp_path: Path, template: str, expected: str) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(template)
    prompts = TextPrompts(str(file), make_tokenizer())
    assert prompts.prompt_text(Example("add", "two", None, "")) == expected
    assert prompts.name == "mine.jinja"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{{ instruktion }}", r"'instruktion' is undefined \(line 2 of the template\); it may use"),
        ("a\n{% if %}", "mine.jinja:2: not a Jinja template"),
        ("{{ " + "(" * 3000 + ")" * 3000 + " }}", "mine.jinja: not a Jinja template"),
        ("\n\n{{ 1 / 0 }}", r"failed: ZeroDivisionError: division by zero \(line 3 of the template\)"),
        ("{{ instruction + 1 }}", r"failed: TypeError: .* \(line 1 of the template\)"),
        ("{{ history[0][2] / 1 }}\n", r"no element 0.* \(line 1 of the template\)"),
        ("{{ raise_exception('no') }}", r"'raise_exception' is undefined \(line 1"),
        ("{{ range(10**9) | list }}", r"OverflowError: .*\(line 1 of the template\)"),
        ("{{ '%d' | format(instruction) }}", r"TypeError: .*\(line 1 of the template\)"),
        ("{% macro f() %}{{ f() }}{% endmacro %}\n{{ f() }}", r"RecursionError: .*\(line 1 of the"),
        ("{{ ''.__class__.__mro__ }}", "the template mine.jinja failed"),
    ],
)
def test_a_bad_jinja_file(tmp_path: Path, template: str, message: str) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(template)
    with pytest.raises(InputError, match=message):
        TextPrompts(str(file), make_tokenizer()).prompt_text(Example("a", "b", None, "c"))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ x", r"refuses the conversation: unexpected end of template.* \(line 1 of the template\)"),
        (
            "{% for m in messages %}\n{{ m.content }}{% endfor %}\n{{ 1 % 0 }}",
            r"refuses the conversation: ZeroDivisionError: .* \(line 3 of the template\)",
        ),
        ("{{ messages[7].content.role }}", r"'dict object' has no|has no element 7 \(line 1 of"),
        ("{% macro f() %}{{ f() }}{% endmacro %}\n{{ f() }}", r"RecursionError: .*\(line 1 of the"),
        ("\n{{ raise_exception('not so') }}", r"conversation: not so \(line 2 of the template\)"),
    ],
)
def test_a_bad_chat_template(template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ChatPrompts(make_tokenizer(chat_template=template))


def test_a_template_that_is_not_there() -> None:
    with pytest.raises(InputError, match="give alpaca, chat, plain or the path"):
        TextPrompts("alpacca", make_tokenizer())


HELLO = chat("hello water", response="rain")
CAPITAL = chat("name the capital", response="paris")


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (CHATML, "<|im_start|>user\nhello water<|im_end|>\n<|im_start|>assistant\n"),
        (THINKING, "<|im_start|>user\nhello water<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"),
    ],
)
def test_chat_prompt_is_all_before_the_response(template: str, prompt: str) -> None:
    prompts = ChatPrompts(make_tokenizer(chat_template=template))
    assert prompts.prompt_text(HELLO) == prompt
    tokens = prompts.encode([HELLO])[0]
    assert tokens.prompt == ids(prompts, prompt)
    assert tokens.response == ids(prompts, "rain")


@pytest.mark.parametrize("template", [CHATML, BRACKETS])
def test_the_one_shot_pass_begins_with_the_neighbors_zero_shot_pass(template: str) -> None:
    prompts = ChatPrompts(make_tokenizer(chat_template=template))
    context, _ = prompts.one_shot(row(prompts, HELLO), row(prompts, CAPITAL), 1000)
    neighbor = prompts.encode([CAPITAL])[0]
    begin = neighbor.prompt + neighbor.response
    assert context is not None
    assert context[: len(begin)] == begin


def test_a_think_block_before_the_last_answer_belongs_to_the_prompt_in_both_passes() -> None:
    prompts = ChatPrompts(make_tokenizer(chat_template=THINKING))
    context, _ = prompts.one_shot(row(prompts, HELLO), row(prompts, CAPITAL), 1000)
    assert context is not None
    text = prompts._tokenizer.decode(context)
    assert text.endswith("assistant\n<think>\n\n</think>\n\n")
    assert text.count("<think>") == 1


def test_the_rows_own_system_turn_stays_first_and_the_neighbors_goes() -> None:
    prompts = ChatPrompts(make_tokenizer(chat_template=CHATML))
    one = chat("hello", response="rain", system="be short")
    other = chat("add two", response="five", system="be long")
    context, _ = prompts.one_shot(row(prompts, one), row(prompts, other), 1000)
    text = prompts._tokenizer.decode(context)
    roles = [part.split("\n")[0] for part in text.split("<|im_start|>")[1:]]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert "be short" in text
    assert "be long" not in text


def test_a_chat_demonstration_is_cut_in_its_contents_only() -> None:
    prompts = ChatPrompts(make_tokenizer(chat_template=CHATML))
    other = chat("translate into german hello world", response="add two and three")
    whole, _ = prompts.one_shot(row(prompts, HELLO), row(prompts, other), 1000)
    assert whole is not None
    frame = prompts.template.render(
        [
            {"role": "user", "content": ""},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "hello water"},
        ],
        add_generation_prompt=True,
    )
    least = len(ids(prompts, frame))
    texts = []
    for room in range(len(whole) - 1, least, -1):
        context, trimmed = prompts.one_shot(row(prompts, HELLO), row(prompts, other), room)
        assert trimmed
        assert context is not None
        assert len(context) <= room
        texts.append(prompts._tokenizer.decode(context))
    for text in texts:
        question, answer = (part.split("<|im_end|>")[0] for part in text.split("\n", 3)[1::2][:2])
        assert text.count("<|im_start|>") == 4
        assert "translate into german hello world".endswith(question)
        assert "add two and three".endswith(answer)
        assert answer == "add two and three" or question == ""  # its user text goes first
    assert prompts.one_shot(row(prompts, HELLO), row(prompts, other), least) == (None, True)


def test_a_conversation_that_the_template_refuses_with_a_demonstration_drops_it() -> None:
    prompts = ChatPrompts(make_tokenizer(chat_template=BRACKETS))
    without_answer = Example("", "", CAPITAL.turns + CAPITAL.turns, "paris")  # type: ignore[operator]
    holder = Row([without_answer], 0, prompts.encode([HELLO])[0])  # type: ignore[arg-type]
    assert prompts.one_shot(row(prompts, HELLO), holder, 1000) == (None, True)


def test_a_conversation_that_the_template_refuses_by_itself_is_an_error() -> None:
    prompts = ChatPrompts(make_tokenizer(chat_template=BRACKETS))
    good, bad = prompts.encode([HELLO, chat("a", "b", response="c")])
    assert good.fault is None
    assert "roles must alternate" in str(bad.fault)


@pytest.mark.parametrize(
    ("template", "shape", "conversational", "expected"),
    [
        (None, "alpaca", False, "alpaca"),
        (None, "prompt_completion", False, "plain"),
        (None, "prompt_completion", True, "chat"),
        (None, "messages", True, "chat"),
        ("chat", "alpaca", False, "chat"),
        ("plain", "alpaca", False, "plain"),
    ],
)
def test_the_template_follows_the_rows(template: str | None, shape: str, conversational: bool, expected: str) -> None:
    tokenizer = make_tokenizer(chat_template=CHATML)
    assert choose_prompts(template, tokenizer, shape, conversational).name == expected


@pytest.mark.parametrize(
    ("template", "chat_template", "message"),
    [
        ("chat", None, "has no chat template; give --template alpaca"),
        ("alpaca", CHATML, "alpaca template is for rows with an instruction"),
    ],
)
def test_templates_that_cannot_serve(template: str, chat_template: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_prompts(template, make_tokenizer(chat_template=chat_template), "messages", True)


def test_an_instruction_in_chat_form_is_one_user_turn() -> None:
    prompts = ChatPrompts(make_tokenizer(chat_template=CHATML))
    text = prompts.prompt_text(Example("add", "two", None, "five"))
    assert text == "<|im_start|>user\nadd\n\ntwo<|im_end|>\n<|im_start|>assistant\n"
