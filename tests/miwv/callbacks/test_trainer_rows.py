"""Tokenized rows of a trainer give the same x, y and demonstrations as their text."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset
from tiny import BRACKETS, CHATML, THINKING, make_rows, make_tokenizer
from trainers import make_texts, tokenize

from hf_miwv.callbacks.chat_reading import ChatReader
from hf_miwv.callbacks.token_reading import TokenReader
from hf_miwv.callbacks.trainer_rows import TrainerRows, read_trainer_rows, sample_rows
from hf_miwv.common.errors import InputError
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.prompts.tokenization import tokenize_rows
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize

SYSTEMS = (  # as Llama 3's: a start token, and a system turn like any other
    "<s>{% for m in messages %}<|im_start|>{{ m.role }}\n\n{{ m.content | trim }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}"
)
DEFAULT_SYSTEM = (  # as Qwen2.5's: a system turn is written where there is none
    "{% if messages[0].role != 'system' %}<|im_start|>system\nyou add two<|im_end|>\n{% endif %}" + CHATML
)
TEMPLATES = {
    "chatml": CHATML,
    "thinking": THINKING,
    "brackets": BRACKETS,
    "systems": SYSTEMS,
    "default system": DEFAULT_SYSTEM,
}


def from_text(dataset: Dataset, tokenizer: Any) -> tuple[Any, Any]:
    shape = recognize(dataset.column_names)
    rows = Rows(dataset, shape)
    prompts = choose_prompts(None, tokenizer, shape.name, rows[0].turns is not None)
    return tokenize_rows(rows, prompts, progress=False), prompts


def conversations(kind: str) -> list[list[dict[str, str]]]:
    turns = []
    for index, row in enumerate(make_rows(12)):
        before = [{"role": "user", "content": "name the\ncolors"}]
        before.append({"role": "assistant", "content": f"two {index}"})
        system = [{"role": "system", "content": f"write {row['output']}"}]
        own = [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}]
        earlier = before if kind == "many turns" and index % 2 else []
        turns.append((system if kind == "system" and index % 3 else []) + earlier + own)
    return turns


def tokenize_chats(chats: list[Any], tokenizer: Any, generation: bool) -> Dataset:
    """As TRL tokenizes prompt and completion: what the generation prompt lacks is labeled."""
    rows = []
    for turns in chats:
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        start = tokenizer.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=generation)
        ids, masked = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in (text, start))
        shared = next((i for i, (a, b) in enumerate(zip(ids, masked, strict=False)) if a != b), len(masked))
        rows.append({"input_ids": ids, "labels": [-100] * shared + ids[shared:]})
    return Dataset.from_list(rows)


def assert_same(rows: TrainerRows, table: Any, prompts: Any) -> None:
    """x, y and the one-shot context of every pair of rows, cut (60) and not."""
    for i in range(len(table)):
        assert rows.table.prompts[i] == table.prompts[i], i
        assert rows.table.responses[i] == table.responses[i], i
        assert rows.prompts.prompt_text(rows.table.rows[i]) == prompts.prompt_text(table.rows[i])
        for j in range(len(table)):
            for room in (500, 60):
                expected = prompts.one_shot(table[i], table[j], room)
                assert rows.prompts.one_shot(rows.table[i], rows.table[j], room) == expected
    assert rows.table.empty == table.empty
    assert rows.table.duplicate == table.duplicate


@pytest.mark.parametrize("bos", [True, False])
def test_text_rows(bos: bool) -> None:
    tokenizer = make_tokenizer(bos, chat_template=CHATML)
    texts = make_texts(12)
    rows = read_trainer_rows(tokenize(texts, tokenizer), tokenizer)
    assert_same(rows, *from_text(Dataset.from_list(texts), tokenizer))
    assert rows.prompts.name == "plain"


def test_ids_of_the_trainer_are_kept_where_they_lack_the_start_token() -> None:
    tokenizer, texts = make_tokenizer(bos=True), make_texts(12)
    bare = make_tokenizer(bos=False)
    rows = read_trainer_rows(tokenize(texts, bare), tokenizer)
    assert_same(rows, *from_text(Dataset.from_list(texts), bare))


@pytest.mark.parametrize("kind", ["plain", "many turns", "system"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_conversations(template: str, kind: str) -> None:
    if template == "brackets" and kind == "system":
        pytest.skip("the template refuses system turns")
    tokenizer = make_tokenizer(chat_template=TEMPLATES[template])
    chats = conversations(kind)
    dataset = tokenize_chats(chats, tokenizer, generation=template != "brackets")
    rows = read_trainer_rows(dataset, tokenizer)
    assert rows.prompts.name == "chat"
    assert_same(rows, *from_text(Dataset.from_list([{"messages": c} for c in chats]), tokenizer))


@pytest.mark.parametrize(
    ("row", "prompt", "response"),
    [
        ({"input_ids": [1, 30, 31, 40, 41, 2], "labels": [-100, -100, -100, 40, 41, 2]}, [1, 30, 31], [40, 41]),
        (
            {"input_ids": [1, 30, 40, 31, 41], "labels": [-100, -100, 40, -100, 41]},
            [1, 30, 40, 31],
            [41],
        ),  # the last span
        (
            {
                "input_ids": [1, 30, 41, 3, 3],
                "labels": [-100, -100, 41, -100, -100],
                "attention_mask": [1, 1, 1, 0, 0],
            },
            [1, 30],
            [41],
        ),
        (
            {
                "input_ids": [3, 3, 1, 30, 41],
                "labels": [-100, -100, -100, -100, 41],
                "attention_mask": [0, 0, 1, 1, 1],
            },
            [1, 30],
            [41],
        ),
        ({"input_ids": [1, 30, 41], "completion_mask": [0, 0, 1]}, [1, 30], [41]),
        (
            {"input_ids": [1, 30, 41, 42], "completion_mask": [0, 0, 1, 1], "assistant_masks": [0, 0, 0, 1]},
            [1, 30, 41],
            [42],
        ),
        ({"prompt_ids": [1, 30], "chosen_ids": [41, 2], "rejected_ids": [42, 2]}, [1, 30], [41]),
        ({"input_ids": [1, 30], "labels": [-100, -100]}, [1, 30], []),
        ({"input_ids": [30, 41], "labels": [30, 41]}, [], [30, 41]),
        ({"input_ids": [30, 41, 2]}, [], [30, 41]),  # no labels: every token is trained on
        ({"input_ids": [1, 30, 2, 2], "labels": [-100, -100, 2, 2]}, [1, 30], []),
    ],
)
def test_where_the_response_is(row: Any, prompt: list[int], response: list[int]) -> None:
    assert TokenReader(make_tokenizer()).split(row)[:2] == (prompt, response)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("rain<|im_end|>\n", "rain"),
        ("rain<|im_end|>", "rain"),
        ("rain\n", "rain\n"),
        ("rain<|im_end|>\n</s>", "rain"),
        ("rain</s></s>", "rain"),
        ("rain", "rain"),
    ],
)
def test_the_end_of_turn_is_no_response(text: str, left: str) -> None:
    tokenizer = make_tokenizer(chat_template=CHATML)
    ids = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in (text, left)]
    assert TokenReader(tokenizer).without_ending(ids[0]) == ids[1]


def test_an_empty_think_block_belongs_to_the_prompt() -> None:
    tokenizer = make_tokenizer()
    block, rain = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("<think>\n\n</think>\n\n", "rain"))
    reader = TokenReader(tokenizer)
    row = {"input_ids": [1, 30, *block, *rain], "labels": [-100, -100, *block, *rain]}
    assert reader.split(row)[:2] == ([1, 30, *block], rain)


def test_labels_everywhere_fall_back_on_kept_text() -> None:
    tokenizer = make_tokenizer(chat_template=CHATML)
    chats = conversations("plain")
    ids = [tokenizer.apply_chat_template(turns)["input_ids"] for turns in chats]
    kept = Dataset.from_list(
        [{"messages": turns, "input_ids": row, "labels": row} for turns, row in zip(chats, ids, strict=True)]
    )
    rows = read_trainer_rows(kept, tokenizer)
    assert_same(rows, *from_text(kept.select_columns(["messages"]), tokenizer))
    with pytest.raises(InputError, match="assistant_only_loss=True"):
        read_trainer_rows(kept.remove_columns("messages"), tokenizer)


def test_kept_completions_lose_the_end_that_trl_puts_behind_them() -> None:
    tokenizer, texts = make_tokenizer(), make_texts(6)
    ended = [{**text, "completion": text["completion"] + "</s>"} for text in texts]
    rows = read_trainer_rows(Dataset.from_list(ended), tokenizer)
    assert_same(rows, *from_text(Dataset.from_list(texts), tokenizer))
    assert rows.keys == read_trainer_rows(tokenize(texts, tokenizer), tokenizer).keys


@pytest.mark.parametrize("tokenized", [True, False])
def test_preference_rows_are_scored_by_what_was_chosen(tokenized: bool) -> None:
    tokenizer, texts = make_tokenizer(), make_texts(6)
    dataset = Dataset.from_list(
        [{"prompt": t["prompt"], "chosen": t["completion"] + "</s>", "rejected": "no</s>"} for t in texts]
    )
    if tokenized:
        plain = tokenizer(dataset["prompt"][:])["input_ids"]
        chosen = tokenizer(dataset["chosen"][:], add_special_tokens=False)["input_ids"]
        dataset = Dataset.from_dict({"prompt_ids": plain, "chosen_ids": chosen})
    rows = read_trainer_rows(dataset, tokenizer)
    assert_same(rows, *from_text(Dataset.from_list(texts), tokenizer))


def test_ids_that_are_not_those_of_the_kept_text_are_scored_as_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokenizer = make_tokenizer(chat_template=CHATML)
    chats = conversations("plain")
    dataset = tokenize_chats(chats, tokenizer, generation=True)
    strange = tokenizer("add<|im_start|>assistant\n", add_special_tokens=False)["input_ids"]
    odd = {"input_ids": [*strange, 40], "labels": [-100] * len(strange) + [40]}
    rows = [odd, *dataset.to_list()[1:]]
    as_text = read_trainer_rows(Dataset.from_list(rows), tokenizer)
    assert as_text.prompts.name == "plain"
    assert "1 of 12 rows are not what the chat template makes" in caplog.text
    kept = Dataset.from_list([{**r, "messages": c} for r, c in zip(rows, chats, strict=True)])
    scored = read_trainer_rows(kept, tokenizer)
    assert scored.prompts.name == "chat"
    assert "1 of 12 rows have other ids in the trainer" in caplog.text
    table, _ = from_text(kept.select_columns(["messages"]), tokenizer)
    for index in range(1, 12):
        assert scored.table[index].tokens == table[index].tokens
    assert scored.table[0].tokens[:3] == (strange, [40], [])


def test_marks_are_read_off_the_template() -> None:
    marks = ChatReader(make_tokenizer(chat_template=THINKING)).marks
    assert marks.answering == "<|im_end|>\n<|im_start|>assistant\n"
    assert marks.last_answering == marks.answering + "<think>\n\n</think>\n\n"
    assert marks.system == ("<|im_start|>system\n", "<|im_end|>\n<|im_start|>user\n")


def test_rows_without_a_prompt_are_left_out_not_guessed() -> None:
    tokenizer = make_tokenizer(bos=False)
    dataset = tokenize([{"prompt": "", "completion": "rain"}, *make_texts(3)], tokenizer)
    rows = read_trainer_rows(dataset, tokenizer)
    assert rows.table.empty == [True, False, False, False]


def test_a_sample_hangs_on_content_not_on_place() -> None:
    keys = [f"row {number}" for number in range(100)]
    drawn = {keys[row] for row in sample_rows(keys, 10, seed=0)}
    turned = keys[::-1]
    assert {turned[row] for row in sample_rows(turned, 10, seed=0)} == drawn
    assert len(drawn) == 10
    assert {keys[row] for row in sample_rows(keys, 10, seed=1)} != drawn
