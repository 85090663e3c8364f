"""The rows that are trained on: the very tokens that were scored, loss on the response alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny import BRACKETS, CHATML, THINKING, make_tokenizer

from hf_miwv import InputError
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.rows.examples import read_example
from hf_miwv.rows.schema import recognize
from hf_miwv.training.chosen_rows import MASKED, TrainingRows, check_trainer, compare_with_inference, prepare_rows


def scored_rows(rows: list[dict[str, Any]], tokenizer: Any, template: str | None) -> Dataset:
    """The rows with what `score` would have put beside them."""
    shape = recognize(list(rows[0]))
    prompts = choose_prompts(template, tokenizer, shape.name, "messages" in rows[0])
    examples = [read_example(row, shape, index) for index, row in enumerate(rows)]
    lengths = [len(tokens.response) for tokens in prompts.encode(examples)]
    return Dataset.from_list(
        [
            {**row, "row": index, "response_tokens": length, "miwv_flags": []}
            for index, (row, length) in enumerate(zip(rows, lengths, strict=True))
        ]
    )


CHATS = [
    {"messages": [{"role": "user", "content": "add two and three"}, {"role": "assistant", "content": "five"}]},
    {
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "world"},
            {"role": "user", "content": "what is water"},
            {"role": "assistant", "content": "hydrogen"},
        ]
    },
]


@pytest.mark.parametrize(
    ("chat_template", "before", "end", "unlike"),
    [
        (CHATML, "<|im_start|>assistant\n", "<|im_end|>\n", 0),
        (THINKING, "<|im_start|>assistant\n<think>\n\n</think>\n\n", "<|im_end|>\n", 2),
        (BRACKETS, "[/INST]", " </s>", 0),  # the blank behind it is the response's, as trl has it
    ],
    ids=["chatml", "thinking", "brackets"],
)
def test_conversations_are_trained_as_they_are_scored(chat_template: str, before: str, end: str, unlike: int) -> None:
    tokenizer = make_tokenizer(bos=False, chat_template=chat_template)
    chosen = scored_rows(CHATS, tokenizer, "chat")
    shape = recognize(chosen.column_names)
    prompts = choose_prompts("chat", tokenizer, shape.name, True)
    rows = prepare_rows(chosen, shape, prompts, tokenizer, 512)
    for row, chat in zip(rows.dataset, CHATS, strict=True):
        labeled = [label for label in row["labels"] if label != MASKED]
        gap = " " if chat_template == BRACKETS else ""
        assert tokenizer.decode(labeled) == gap + chat["messages"][-1]["content"] + end
        prompt = row["input_ids"][: -len(labeled)]
        assert tokenizer.decode(prompt).endswith(before)
        assert tokenizer.decode(row["input_ids"]) == tokenizer.apply_chat_template(chat["messages"], tokenize=False)
    report = compare_with_inference(chosen, shape, prompts, tokenizer)
    assert report["rows"] == unlike
    if chat_template == THINKING:
        assert (report["trained"], report["given"]) == ("<think>\n\n</think>\n\n", "")


def test_rows_that_cannot_be_used_are_left_out_and_counted() -> None:
    tokenizer = make_tokenizer()
    texts = [("add", "five"), ("add " * 40, "five"), ("add", " "), ("add", "two three " * 20)]
    chosen = scored_rows([{"prompt": x, "completion": y} for x, y in texts], tokenizer, "plain")
    shape = recognize(chosen.column_names)
    prompts = choose_prompts("plain", tokenizer, shape.name, False)
    rows = prepare_rows(chosen, shape, prompts, tokenizer, 30)
    counts = {name: rows.counts[name] for name in ("chosen", "used", "cut", "no_room", "empty_response")}
    assert counts == {"chosen": 4, "used": 2, "cut": 1, "no_room": 1, "empty_response": 1}
    assert [row[-1] == tokenizer.eos_token_id for row in rows.dataset["labels"]] == [True, False]
    assert rows.counts["tokens"] == sum(map(len, rows.dataset["input_ids"]))
    assert len(rows.dataset[1]["input_ids"]) == 30
    labels = np.concatenate(rows.dataset["labels"])
    assert rows.counts["response_tokens"] == (labels != MASKED).sum()
    with pytest.raises(InputError, match="none of the 1 chosen rows can be trained on"):
        prepare_rows(chosen.select([1]), shape, prompts, tokenizer, 30)


def test_a_tokenizer_that_changed_since_the_scoring_is_noticed() -> None:
    tokenizer = make_tokenizer()
    chosen = scored_rows([{"prompt": "add", "completion": "two three"}], tokenizer, "plain")
    longer = chosen.map(lambda row: {"response_tokens": row["response_tokens"] + 1})
    shape = recognize(chosen.column_names)
    prompts = choose_prompts("plain", tokenizer, shape.name, False)
    with pytest.raises(InputError, match="row 0 was scored over 4 response tokens and has 3 now"):
        prepare_rows(longer, shape, prompts, tokenizer, 30)


def test_a_tokenizer_without_an_end_is_refused() -> None:
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    chosen = scored_rows([{"prompt": "add", "completion": "two three"}], tokenizer, "plain")
    prompts = choose_prompts("plain", tokenizer, "prompt_completion", False)
    with pytest.raises(InputError, match="has no end-of-sequence token"):
        prepare_rows(chosen, recognize(chosen.column_names), prompts, tokenizer, 30)


def test_a_trainer_that_labels_otherwise_is_noticed() -> None:
    rows = TrainingRows(Dataset.from_dict({"input_ids": [[1, 2]], "labels": [[MASKED, 2]]}), {})

    class Trainer:
        train_dataset = rows.dataset

        @staticmethod
        def data_collator(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
            return {"labels": torch.tensor([row["input_ids"] for row in batch])}

    with pytest.raises(RuntimeError, match="not labeled with the response alone"):
        check_trainer(Trainer, rows)
    Trainer.train_dataset = rows.dataset.select([])
    with pytest.raises(RuntimeError, match="has changed the input_ids"):
        check_trainer(Trainer, rows)
