"""The page of `hf-lmt app`: a text and its translation with the hints behind it; evaluations."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import gradio

from hf_lmt.app.translated import about_direction, translate_text
from hf_lmt.registry import LANGUAGES
from hf_lmt.translation.translator import Translator
from hf_miwv.common.app.serving import show_faults
from hf_miwv.common.cards.parts import shown_name
from hf_miwv.common.errors import InputError

EVALUATION = "/evaluation"
FRAME = (
    f'<iframe src="{EVALUATION.lstrip("/")}" title="Evaluation" sandbox="allow-scripts" '
    'style="width: 100%; height: 85vh; border: 0"></iframe>'
)
HINTS = {
    "none": "none",
    "the model's own (PMP-S): it first translates into a third language": "self",
    "yours (PMP-O)": "given",
}
HEADERS = ["sentence", "hint", "translation", "status"]


class Fields(NamedTuple):
    """The input fields, in the order of the parameters of `_translating`'s function."""

    text: gradio.Textbox
    source: gradio.Dropdown
    target: gradio.Dropdown
    hints: gradio.Radio
    hint_lang: gradio.Dropdown
    hint: gradio.Textbox
    split: gradio.Checkbox


class Answer(NamedTuple):
    """The output fields: the translation, what it took, its sentences, and what the model saw."""

    text: gradio.Textbox
    summary: gradio.HTML
    sentences: gradio.Dataframe
    prompts: gradio.Textbox


def build_page(translator: Translator | None, model: str, evaluation: bool) -> gradio.Blocks:
    """Build a tab to translate in, where there is a translator, and one with the page at EVALUATION.

    Args:
        translator (`Translator | None`): The translator behind the first tab; None for a page without it.
        model (`str`): Name of the model, as the page shows it.
        evaluation (`bool`): Whether there is an evaluation to show.

    Returns:
        `gradio.Blocks`: The page, not yet served.
    """
    with gradio.Blocks(title="LMT", analytics_enabled=False, fill_width=True) as page:
        if translator is not None:
            with gradio.Tab("Translate"):
                _add_translating(translator, model)
        if evaluation:
            with gradio.Tab("Evaluation"):
                gradio.HTML(FRAME)
    return page


def _add_translating(translator: Translator, model: str) -> None:
    gradio.HTML(f"<h2>{escape(shown_name(model))}</h2>")
    with gradio.Row(equal_height=True):
        source, swap, target = (
            _languages("From", "en"),
            gradio.Button("⇄", scale=0, min_width=60),
            _languages("To", "de"),
        )
    note = gradio.HTML(f"<p>{about_direction('en', 'de')}</p>")
    with gradio.Row():
        text = gradio.Textbox(label="Text", lines=6, max_lines=20, autofocus=True)
        translation = gradio.Textbox(label="Translation", lines=6, max_lines=20, interactive=False, buttons=["copy"])
    fields = Fields(text, source, target, *_add_hints(translator))
    button = gradio.Button("Translate", variant="primary")
    answer = Answer(translation, *_add_answer())
    _connect(translator, fields, answer, button)
    _connect_languages(fields, answer, swap, note)


def _languages(label: str, value: str) -> gradio.Dropdown:
    named = sorted((f"{known_language.name} ({code})", code) for code, known_language in LANGUAGES.items())
    return gradio.Dropdown(named, value=value, label=label)


def _add_hints(translator: Translator) -> tuple[Any, ...]:
    """Add the hint mode, where the prompt knows any; a hint to write; whether to split."""
    able = translator.style.hints
    hints = gradio.Radio(
        [*HINTS.items()],
        value=translator.hints if translator.hints in HINTS.values() else "none",
        label="Hint in a third language",
        visible=able,
    )
    with gradio.Row(visible=False) as hint_row:
        language = _languages("Language of the hint", "ru")
        words = gradio.Textbox(label="The same text in that language", scale=3)
    split = gradio.Checkbox(
        True,
        label="Sentence by sentence",
        info="Lines and paragraphs stay. With a hint of yours the text is translated as one.",
    )
    hints.change(lambda mode: gradio.Row(visible=mode == "given"), hints, hint_row, api_visibility="private")
    return hints, language, words, split


def _add_answer() -> tuple[Any, ...]:
    summary = gradio.HTML()
    sentences = gradio.Dataframe(
        headers=HEADERS,
        datatype="str",
        type="array",
        interactive=False,
        wrap=True,
        label="Sentence by sentence",
        column_widths=["30%", "27%", "30%", "13%"],
    )
    with gradio.Accordion("What the model was asked", open=False):
        prompts = gradio.Textbox(show_label=False, lines=4, max_lines=30, interactive=False)
    return summary, sentences, prompts


def _connect(translator: Translator, fields: Fields, answer: Answer, button: gradio.Button) -> None:
    def translate(
        text: str,
        source: str,
        target: str,
        hints: str,
        hint_lang: str,
        hint: str,
        split: bool,
        progress: gradio.Progress = gradio.Progress(),  # noqa: B008  (that is how Gradio gives it)
    ) -> tuple[Any, ...]:
        done = 0

        def notify(count: int) -> None:
            nonlocal done
            done += count
            progress((done, None), unit="sentences")

        translated = translate_text(translator, text or "", source, target, hints, (hint_lang, hint), split, notify)
        prompts = "\n\n".join(sentence.prompt for sentence in translated.sentences if sentence.prompt)
        lines = [list(sentence[:4]) for sentence in translated.sentences]
        return translated.text, f"<p>{translated.summary}</p>", lines, prompts

    button.click(
        show_faults(translate),
        [*fields],
        [*answer],
        api_name="translate",
        concurrency_limit=1,
        show_progress_on=answer.text,
    )


def _connect_languages(fields: Fields, answer: Answer, swap: gradio.Button, note: gradio.HTML) -> None:
    """Say what is known of a new direction, and turn the texts to the side that they are written from."""

    def changed(source: str, target: str) -> tuple[Any, ...]:
        try:
            about = about_direction(source, target)
        except InputError as error:
            about = str(error)
        right_to_left = [LANGUAGES[code].right_to_left for code in (source, target)]
        return (
            f"<p>{escape(about)}</p>",
            *(gradio.Textbox(rtl=is_right_to_left) for is_right_to_left in right_to_left),
        )

    languages = [fields.source, fields.target]
    gradio.on(
        [dropdown.change for dropdown in languages],
        changed,
        languages,
        [note, fields.text, answer.text],
        api_visibility="private",
    )
    swap.click(lambda source, target: (target, source), languages, languages, api_visibility="private")
