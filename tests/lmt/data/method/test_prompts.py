"""Prompts letter by letter, and the same token ids for the trainer and the translating model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tiny import BRACKETS, CHATML, THINKING, make_model, make_tokenizer

from hf_lmt.data.method.prompts import (
    Wording,
    as_conversation,
    as_text,
    check_same_prompt,
    prompt_ids,
    translation_prompt,
)
from hf_miwv.common.errors import InputError

BLOCK = "<think>\n\n</think>\n\n"
# As Qwen3's: the block stands before the last answer, and in the generation prompt on request.
QWEN3 = THINKING.replace(
    "assistant\n{% endif %}",
    (
        "assistant\n{% if enable_thinking is defined and enable_thinking is false %}"
        "<think>\n\n</think>\n\n{% endif %}{% endif %}"
    ),
)
PROMPT = translation_prompt("Write a poem.", "en", "kk")
TARGET = "Өлең жаз."
HINTED = "{text} {auxiliary_text} {target}"


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (
            ("Thanks.", "en", "de"),
            {},
            "Translate the following text from English into German:\nEnglish: Thanks.\nGerman:",
        ),
        (
            ("Two\nlines {x}", "el", "nb"),
            {},
            "Translate the following text from Modern Greek into Norwegian Bokmål:\n"
            "Modern Greek: Two\nlines {x}\nNorwegian Bokmål:",
        ),
        (
            ("Thanks.", "en", "de"),
            {"auxiliary": "Bedankt.", "auxiliary_lang": "nl"},
            "Translate the following text from English into Dutch and German:\n"
            "English: Thanks.\nDutch: Bedankt.\nGerman:",
        ),
        (
            ("谢谢。", "zh", "kk"),
            {"auxiliary": "Thanks.", "auxiliary_lang": "en", "wording": "figure"},
            "Translate this from Chinese to English and Kazakh:\nChinese: 谢谢。\nEnglish: Thanks.\nKazakh:",
        ),
        (
            ("Thanks.", "en", "de"),
            {"wording": "figure"},
            "Translate this from English to German:\nEnglish: Thanks.\nGerman:",
        ),
        (("Thanks.", "en", "de"), {"wording": Wording("{{{target}}} {text}", HINTED)}, "{German} Thanks."),
    ],
)
def test_a_prompt(given: tuple[str, str, str], settings: dict[str, Any], expected: str) -> None:
    assert translation_prompt(*given, **settings) == expected


@pytest.mark.parametrize(
    ("given", "settings", "words"),
    [
        (("Hi", "en", "deu"), {}, "it is called 'de' here"),
        (("Hi", "en", "en"), {}, "the same"),
        ((" \n", "en", "de"), {}, "has no text"),
        (("Hi", "en", "de"), {"wording": "relased"}, "did you mean 'released'"),
        (("Hi", "en", "de"), {"auxiliary": "Hoi"}, "and its language, or neither"),
        (("Hi", "en", "de"), {"auxiliary_lang": "nl"}, "and its language, or neither"),
        (("Hi", "en", "de"), {"auxiliary": " ", "auxiliary_lang": "nl"}, "or neither"),
        (("Hi", "en", "de"), {"auxiliary": "Hallo", "auxiliary_lang": "de"}, "a third one"),
        (("Hi", "en", "de"), {"auxiliary": "Hi", "auxiliary_lang": "en"}, "a third one"),
    ],
)
def test_prompts_that_cannot_be(given: tuple[str, str, str], settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        translation_prompt(*given, **settings)


@pytest.mark.parametrize(
    ("plain", "hinted", "words"),
    [
        ("{text} {targt}", "", "no field {targt}: did you mean 'target'"),
        ("{text}", "", "plain: it lacks {target}"),
        ("{text} {target} {auxiliary}", "", "plain: no field {auxiliary}"),
        ("{text} {target}", "{text} {target}", "hinted: it lacks {auxiliary_text}"),
        ("{text} {target} {", "", "for a brace itself"),
        (None, "", "plain: None is not text"),
    ],
)
def test_templates_that_cannot_be(plain: Any, hinted: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Wording(plain, hinted)


@pytest.mark.parametrize(
    ("template", "thinking", "lead"),
    [
        (QWEN3, "disabled", ""),
        (QWEN3, "template", BLOCK),
        (CHATML, "disabled", ""),
        (CHATML, "template", ""),
        (BRACKETS, "disabled", " "),
        (THINKING, "template", BLOCK),
    ],
)
def test_the_same_prompt_on_both_sides(template: str, thinking: str, lead: str) -> None:
    tokenizer = make_tokenizer(bos=False, chat_template=template)
    row = as_conversation(PROMPT, TARGET, thinking=thinking)
    assert check_same_prompt(tokenizer, row, thinking) == lead
    asked = tokenizer.decode(prompt_ids(tokenizer, as_conversation(PROMPT, thinking=thinking)))
    assert asked.endswith(BLOCK) == (template == QWEN3 and thinking == "disabled")


@pytest.mark.parametrize(
    ("template", "made", "asked", "words"),
    [
        (QWEN3, "template", "disabled", "'<think>.*in translating"),
        (QWEN3, "disabled", "template", "'<think>.*in training"),
        (THINKING, "disabled", "disabled", "does not heed enable_thinking=False"),
        (
            CHATML.replace("assistant\n{% endif %}", "assistant: {% endif %}"),
            "disabled",
            "disabled",
            "differ from token",
        ),
    ],
)
def test_prompts_that_differ(template: str, made: str, asked: str, words: str) -> None:
    tokenizer = make_tokenizer(bos=False, chat_template=template)
    with pytest.raises(InputError, match=words):
        check_same_prompt(tokenizer, as_conversation(PROMPT, TARGET, thinking=made), asked)


def test_a_plain_row_ends_its_prompt_on_a_token() -> None:
    tokenizer = make_tokenizer()
    assert check_same_prompt(tokenizer, as_text(PROMPT, TARGET)) == ""
    assert prompt_ids(tokenizer, as_text(PROMPT)) == tokenizer(PROMPT)["input_ids"]
    with pytest.raises(InputError, match="differ from token"):
        check_same_prompt(tokenizer, {"prompt": "the ra", "completion": "in"})


def test_a_mistyped_policy() -> None:
    with pytest.raises(InputError, match="did you mean 'disabled'"):
        as_conversation(PROMPT, thinking="disable")
    with pytest.raises(InputError, match="thinking False"):
        as_conversation(PROMPT, thinking=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["disabled", "template", "text"])
def test_the_trainer_masks_exactly_what_a_translation_starts_from(form: str, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    tokenizer = make_tokenizer(bos=False, chat_template=QWEN3)
    row = as_text(PROMPT, TARGET) if form == "text" else as_conversation(PROMPT, TARGET, thinking=form)
    asked = as_text(PROMPT) if form == "text" else as_conversation(PROMPT, thinking=form)
    trainer = SFTTrainer(
        make_model("llama"),
        args=SFTConfig(output_dir=str(tmp_path), use_cpu=True, report_to=[], disable_tqdm=True),
        train_dataset=Dataset.from_list([row]),
        processing_class=tokenizer,
    )
    ids, labels = (trainer.train_dataset[0][name] for name in ("input_ids", "labels"))
    masked = [token for token, label in zip(ids, labels, strict=True) if label == -100]
    assert masked == ids[: len(masked)] == prompt_ids(tokenizer, asked)
    trained = tokenizer.decode(ids[len(masked) :])
    lead = {"disabled": "", "template": BLOCK, "text": " "}[form]
    assert trained.startswith(lead + TARGET)
