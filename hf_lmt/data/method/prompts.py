"""The text that asks for a translation: the same for training and for translating.

`translation_prompt` makes the text and `as_conversation` the turns, for both; `prompt_ids` is what
a translating model reads. `check_same_prompt` shows on a row that the trainer sees these very ids.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from hf_lmt.data.control_tokens import conversation_ids, holds_control, text_ids
from hf_lmt.directions import Direction
from hf_lmt.languages import language
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.models.template_errors import apply_chat_template

FIELDS = ("source", "target", "text")
HINT_FIELDS = ("auxiliary", "auxiliary_text")


def _check_template(name: str, template: Any, known: Iterable[str], needed: Iterable[str]) -> None:
    if not isinstance(template, str):
        raise InputError(f"wording: {name}: {template!r} is not text")
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"wording: {name}: {error}; write {{{{ for a brace itself") from error
    fields = {field for _, field, _, _ in parts if field is not None}
    for field in sorted(fields.difference(known)):
        raise InputError(f"wording: {name}: no field {{{field}}}: {did_you_mean(field, known)}")
    for field in needed:
        if field not in fields:
            raise InputError(f"wording: {name}: it lacks {{{field}}}: {template!r}")


@dataclass(frozen=True)
class Wording:
    """Two templates: the plain prompt, and the one with a hint in an auxiliary language.

    {source}, {target} and {auxiliary} stand for the languages' names, {text} for the text to
    translate, {auxiliary_text} for its translation into the auxiliary language; `{{` is a brace.

    Args:
        plain (`str`): The prompt without a hint.
        hinted (`str`): The prompt with a hint in an auxiliary language.

    Raises:
        InputError: A template has an unknown field, or lacks {target} or {text}, or the one with a
            hint {auxiliary_text}.
    """

    plain: str
    hinted: str

    def __post_init__(self) -> None:
        _check_template("plain", self.plain, FIELDS, ("target", "text"))
        needed = ("target", "text", "auxiliary_text")
        _check_template("hinted", self.hinted, (*FIELDS, *HINT_FIELDS), needed)


_LINES = "\n{source}: {text}\n{target}:"
_HINTED_LINES = "\n{source}: {text}\n{auxiliary}: {auxiliary_text}\n{target}:"
WORDINGS: Mapping[str, Wording] = {
    "released": Wording(
        "Translate the following text from {source} into {target}:" + _LINES,
        "Translate the following text from {source} into {auxiliary} and {target}:" + _HINTED_LINES,
    ),
    "figure": Wording(
        "Translate this from {source} to {target}:" + _LINES,
        "Translate this from {source} to {auxiliary} and {target}:" + _HINTED_LINES,
    ),
}
"""`released`: what the released models know (NiuTrans/LMT); with a hint the paper is silent on this
form, and we put the figure's two languages into it. `figure`: the prompt in the figure of Parallel
Multilingual Prompting (arXiv 2511.07003); its plain prompt is ours, in the same words."""

THINKING: Mapping[str, Mapping[str, bool]] = {
    "disabled": {"enable_thinking": False},
    "template": {},
}
"""Arguments of the chat template. `disabled`: Qwen3's template ends the prompt with an empty think
block, in training as in translating. `template`: nothing; Qwen3's then puts the block at the head
of the answer, with loss on it, and a translating model has to write it."""


def translation_prompt(
    source: str,
    source_lang: str,
    target_lang: str,
    *,
    auxiliary: str | None = None,
    auxiliary_lang: str | None = None,
    wording: str | Wording = "released",
    names: Mapping[str, str] | None = None,
) -> str:
    r"""Return the prompt for translating `source`; with an auxiliary sentence, it is the hint.

    Texts go in unchanged. Languages go by LMT's names ("Modern Greek"), which the released models
    were trained with.

    >>> translation_prompt("Thanks.", "en", "de")
    'Translate the following text from English into German:\nEnglish: Thanks.\nGerman:'

    Args:
        source (`str`): The text to translate.
        source_lang (`str`): Code of its language, such as "en".
        target_lang (`str`): Code of the language to translate into, such as "kk".
        auxiliary (`str`, *optional*): Its translation into a third language, as a hint.
        auxiliary_lang (`str`, *optional*): Code of the third language.
        wording (`str | Wording`, *optional*, defaults to `"released"`): A name in WORDINGS, or templates.
        names (`Mapping[str, str]`, *optional*): Code -> what the model calls the language, where that is
            not LMT's name.

    Returns:
        `str`: The prompt.

    Raises:
        InputError: An unknown language or wording, an empty text, an auxiliary without its
            language, or one in the language of source or target.
    """
    templates = find_wording(wording)
    direction = Direction(source_lang, target_lang)
    if not source or not source.strip():
        raise InputError(f"{direction}: the source {source!r} has no text: leave the row out")
    model_names = names or {}
    sides = {
        side: model_names.get(code, language(code).name)
        for side, code in (("source", source_lang), ("target", target_lang))
    }
    if auxiliary is None and auxiliary_lang is None:
        return templates.plain.format(**sides, text=source)
    if not auxiliary or not auxiliary.strip() or auxiliary_lang is None:
        raise InputError(
            f"{direction}: auxiliary {auxiliary!r} in language {auxiliary_lang!r}: give a sentence "
            "and its language, or neither"
        )
    if auxiliary_lang in direction:
        raise InputError(
            f"{direction}: the auxiliary is in {auxiliary_lang}, a language of the direction "
            "itself: give a sentence in a third one"
        )
    third = model_names.get(auxiliary_lang, language(auxiliary_lang).name)
    hint = {"auxiliary": third, "auxiliary_text": auxiliary}
    return templates.hinted.format(**sides, **hint, text=source)


def find_wording(wording: str | Wording) -> Wording:
    """Return the wording of that name, or the wording itself.

    Args:
        wording (`str | Wording`): A name among WORDINGS, or a wording.

    Returns:
        `Wording`: The wording.

    Raises:
        InputError: there is none of that name.
    """
    if isinstance(wording, Wording):
        return wording
    if wording not in WORDINGS:
        raise InputError(f"wording {wording!r}: {did_you_mean(str(wording), WORDINGS)}")
    return WORDINGS[wording]


def as_conversation(prompt: str, completion: str | None = None, *, thinking: str = "disabled") -> dict[str, Any]:
    """Return the prompt as TRL's conversational row: one user turn, and the answer where there is one.

    >>> as_conversation("Translate ...", "Danke.")["completion"]
    [{'role': 'assistant', 'content': 'Danke.'}]

    Args:
        prompt (`str`): From `translation_prompt`.
        completion (`str`, *optional*): The target text; None for a model that is to write it.
        thinking (`str`, *optional*, defaults to `"disabled"`): A name in THINKING; its arguments stand in
            `chat_template_kwargs`, which TRL's trainer and `prompt_ids` read.

    Returns:
        `dict[str, Any]`: prompt, completion and chat_template_kwargs, where there are any.

    Raises:
        InputError: An unknown name.
    """
    row: dict[str, Any] = {"prompt": [{"role": "user", "content": prompt}]}
    if completion is not None:
        row["completion"] = [{"role": "assistant", "content": completion}]
    template_arguments = thinking_arguments(thinking)
    return {**row, "chat_template_kwargs": template_arguments} if template_arguments else row


def as_text(prompt: str, completion: str | None = None) -> dict[str, Any]:
    """Make TRL's plain row of a prompt, for base models without a chat template.

    A blank goes before the completion, so that no token spans both (our choice); strip what a
    model writes.

    >>> as_text("German:", "Danke.")
    {'prompt': 'German:', 'completion': ' Danke.'}

    Args:
        prompt (`str`): The prompt.
        completion (`str`, *optional*): The translation; none for a row to translate.

    Returns:
        `dict[str, Any]`: `prompt`, and `completion` where there is one.
    """
    return (
        {"prompt": prompt}
        if completion is None
        else {
            "prompt": prompt,
            "completion": " " + completion,
        }
    )


def thinking_arguments(thinking: str) -> dict[str, bool]:
    """Return the arguments of the chat template that turn thinking on or off.

    Args:
        thinking (`str`): A name among THINKING.

    Returns:
        `dict[str, bool]`: Keyword arguments of `apply_chat_template`.

    Raises:
        InputError: there is none of that name.
    """
    if not isinstance(thinking, str) or thinking not in THINKING:
        raise InputError(f"thinking {thinking!r}: {did_you_mean(str(thinking), THINKING)}")
    return dict(THINKING[thinking])


def prompt_ids(tokenizer: Any, row: Mapping[str, Any]) -> list[int]:
    """Encode a prompt as a translating model reads it.

    Control tokens that a source holds as text are text (`control_tokens`).

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the model.
        row (`Mapping[str, Any]`): A row of `as_conversation` or `as_text`; a completion in it is passed over.

    Returns:
        `list[int]`: (P,) token ids.
    """
    if isinstance(row["prompt"], str):
        return _ids(tokenizer, row["prompt"])
    return _chat_ids(tokenizer, row["prompt"], row, add_generation_prompt=True)


def _ids(tokenizer: Any, text: str) -> list[int]:
    """Encode a text with what the tokenizer puts around it; nothing that it holds is control."""
    if holds_control(tokenizer, [text]):
        return text_ids(tokenizer, text, add_special_tokens=True)
    return list(tokenizer(text)["input_ids"])


def check_same_prompt(tokenizer: Any, row: Mapping[str, Any], thinking: str = "disabled") -> str:
    r"""Make sure that a row is trained on behind the same token ids that a translation starts from.

        prompt_ids of the prompt alone  ==  the masked ids of prompt + completion

    The masked ids are those that TRL's trainer keeps out of the loss: the common start of the
    prompt with generation prompt and of the whole row.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Of the model.
        row (`Mapping[str, Any]`): Prompt and completion, as conversation or text.
        thinking (`str`, *optional*, defaults to `"disabled"`): A name in THINKING, which translating will use.

    Returns:
        `str`: The text that the loss covers before the target: "", or a think block with
        `thinking="template"`; for the record of the run.

    Raises:
        InputError: The ids differ, or with `thinking="disabled"` something comes before the target.
    """
    template_arguments = thinking_arguments(thinking)
    asked = prompt_ids(tokenizer, {"prompt": row["prompt"], "chat_template_kwargs": template_arguments})
    masked = _masked_ids(tokenizer, row)
    if masked != asked:
        shared = _common_length(masked, asked)
        raise InputError(
            f"training and translating differ from token {shared} of the prompt on: "
            f"{tokenizer.decode(masked[shared:])!r} in training, "
            f"{tokenizer.decode(asked[shared:])!r} in translating; make the rows with "
            f"thinking={thinking!r}, too, or change the chat template"
        )
    lead = _before_target(tokenizer, row)
    if thinking == "disabled" and lead.strip():
        raise InputError(
            f"the chat template puts {lead!r} before the target, with loss on it, and does not "
            "heed enable_thinking=False; give thinking='template', or another chat template"
        )
    return lead


def _masked_ids(tokenizer: Any, row: Mapping[str, Any]) -> list[int]:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, str):
        whole = _ids(tokenizer, prompt + completion)
    else:
        whole = _chat_ids(tokenizer, prompt + completion, row, add_generation_prompt=False)
    # TRL masks what the prompt alone and the whole row have in common, token by token; so does this.
    return whole[: _common_length(prompt_ids(tokenizer, row), whole)]


def _before_target(tokenizer: Any, row: Mapping[str, Any]) -> str:
    if isinstance(row["prompt"], str):
        return ""
    template_arguments = row.get("chat_template_kwargs") or {}
    start, whole = (
        apply_chat_template(tokenizer, turns, tokenize=False, add_generation_prompt=ask, **template_arguments)
        for turns, ask in ((row["prompt"], True), (row["prompt"] + row["completion"], False))
    )
    # Templates may trim the answer, so the target is searched for without the blanks around it.
    target = row["completion"][-1]["content"].strip()
    if target not in whole[len(start) :]:
        raise InputError(
            f"the chat template changes the target {target[:60]!r}, or leaves it out; give another chat template"
        )
    return whole[len(start) : whole.rindex(target)]


def _chat_ids(tokenizer: Any, turns: list[Any], row: Mapping[str, Any], *, add_generation_prompt: bool) -> list[int]:
    template_arguments = row.get("chat_template_kwargs") or {}
    # Only rows that hold control tokens as text take the slower path, which
    # shields their contents from the tokenizer.
    if holds_control(tokenizer, (turn["content"] for turn in turns)):
        return conversation_ids(tokenizer, turns, template_arguments, add_generation_prompt=add_generation_prompt)
    encoded = apply_chat_template(
        tokenizer, turns, add_generation_prompt=add_generation_prompt, return_dict=True, **template_arguments
    )
    return list(encoded["input_ids"])


def _common_length(ids: list[int], other_ids: list[int]) -> int:
    pairs = zip(ids, other_ids, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
