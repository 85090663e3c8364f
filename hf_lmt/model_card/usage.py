"""The lines of a card that translate with the model, to be run as they are printed."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from importlib.resources import files

from hf_lmt.data.method.prompts import thinking_arguments, translation_prompt
from hf_lmt.directions import Direction
from hf_lmt.model_card.subject import Subject, wording_of

SAMPLE_LINE = 1  # of the sample corpus: about a soup
NUMBERS = "1, 2, 3"  # where the sample has no sentence in a language
PREFERRED = Direction("en", "de")

_LOAD = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

name = {name}
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name, dtype="auto", device_map="auto")

prompt = {prompt}
"""
_CHAT = """\
messages = [{{"role": "user", "content": prompt}}]
inputs = tokenizer.apply_chat_template(
    messages,
    add_generation_prompt=True,
    return_dict=True,
    return_tensors="pt",{told}
).to(model.device)
"""
_TEXT = """\
inputs = tokenizer(prompt, return_tensors="pt").to(model.device)
"""
_WRITE = """\
outputs = model.generate(**inputs, num_beams=5, do_sample=False, max_new_tokens=512)
answer = tokenizer.decode(outputs[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
print(answer.strip(){first_line})
"""
_TRANSLATOR = """\
from hf_lmt import Translator

translator = Translator({name})
print(translator({text}, src_lang={src_lang}, tgt_lang={tgt_lang}))
"""


def transformers_lines(subject: Subject, name: str) -> str:
    """Write Python that needs transformers alone: the model's own prompt, five beams, as in the paper.

    Args:
        subject (`Subject`): The model.
        name (`str`): Argument of `from_pretrained`: repository or path.

    Returns:
        `str`: Lines of Python.
    """
    direction = example_direction(subject.directions)
    load = _LOAD.format(name=_quoted(name), prompt=_quoted(_prompt(subject, direction)))
    if subject.prompts is None or subject.prompts["form"] == "text":  # one line is one answer
        return load + _TEXT + _WRITE.format(first_line='.split("\\n")[0]')
    arguments = "".join(
        f"\n    {key}={value}," for key, value in thinking_arguments(subject.prompts["thinking"]).items()
    )
    return load + _CHAT.format(told=arguments) + _WRITE.format(first_line="")


def translator_lines(subject: Subject, name: str) -> str:
    """Write the same with this package, which knows the prompt; for a model that was taught one.

    Args:
        subject (`Subject`): The model.
        name (`str`): Argument of `Translator`: repository or path.

    Returns:
        `str`: Lines of Python.
    """
    direction = example_direction(subject.directions)
    return _TRANSLATOR.format(
        name=_quoted(name),
        text=_quoted(example_text(direction.source)),
        src_lang=_quoted(direction.source),
        tgt_lang=_quoted(direction.target),
    )


def example_direction(directions: Sequence[Direction]) -> Direction:
    """Choose the direction of the example.

    Args:
        directions (`Sequence[Direction]`): Directions of the model, one at least.

    Returns:
        `Direction`: English to German, else the first out of a language that the sample has, else the first.
    """
    with_sentence = [direction for direction in directions if direction.source in _sample()]
    return PREFERRED if PREFERRED in directions else [*with_sentence, *directions][0]


def example_text(code: str) -> str:
    """Return a sentence in a language, or figures where there is none.

    Args:
        code (`str`): Code of the language.

    Returns:
        `str`: The text to translate.
    """
    return _sample().get(code, NUMBERS)


def _sample() -> dict[str, str]:
    """Return a sentence by language."""
    text = files("hf_lmt").joinpath("sample", "sentences.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))[SAMPLE_LINE]


def _prompt(subject: Subject, direction: Direction) -> str:
    text = example_text(direction.source)
    if subject.prompts is None:  # the lines of a mixture: hf_lmt.data.mixture.mixture_lines
        return f"<{direction.source}2{direction.target}> {text} <{direction.target}>"
    return translation_prompt(text, *direction, wording=wording_of(subject.prompts))


def _quoted(text: str) -> str:
    """Write a text as Python has it."""
    return json.dumps(text, ensure_ascii=False)
