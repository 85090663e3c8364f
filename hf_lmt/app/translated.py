"""A text translated sentence by sentence, with all that went into it: what the app shows."""

from __future__ import annotations

from typing import NamedTuple

from hf_lmt.directions import DIRECTIONS, Direction, auxiliary_of
from hf_lmt.registry import LANGUAGES
from hf_lmt.translation.documents import join_document, split_document
from hf_lmt.translation.requests import Request, Translation
from hf_lmt.translation.translator import Translator
from hf_lmt.translation.writer import Notify
from hf_miwv.common.errors import InputError

DROPPED = {"blank": "the model wrote none", "capped": "it did not end", "too_long": "it does not fit"}
STATUS = {
    "ok": "ok",
    "empty": "no text",
    "capped": "cut: it did not end by itself",
    "too_long": "too long for the model: split it",
}


class Sentence(NamedTuple):
    """Hold a sentence with its translation and the prompt that the model saw.

    Attributes:
        source (`str`): The sentence.
        hint (`str`): The hint behind its translation, or why there is none.
        translation (`str`): Its translation.
        status (`str`): Status of the translation, in words.
        prompt (`str`): The prompt as text.
    """

    source: str
    hint: str
    translation: str
    status: str
    prompt: str


class Translated(NamedTuple):
    """Hold a translated text.

    Attributes:
        text (`str`): The text in the other language.
        sentences (`list[Sentence]`): Its sentences.
        summary (`str`): Seconds and tokens that it took, in words.
    """

    text: str
    sentences: list[Sentence]
    summary: str


def translate_text(
    translator: Translator,
    text: str,
    source: str,
    target: str,
    hints: str = "none",
    hint: tuple[str, str] | None = None,
    split: bool = True,
    notify: Notify | None = None,
) -> Translated:
    """Translate a text and show how.

    Args:
        translator (`Translator`): The model.
        text (`str`): The text.
        source (`str`): Code of its language, such as "kk".
        target (`str`): Code of the language to translate into.
        hints (`str`, *optional*, defaults to `"none"`): "none", "self" (PMP-S) or "given" (PMP-O), as of
            `Translator`.
        hint (`tuple[str, str]`, *optional*): For "given", language and text of the translation into a third
            language. The text is then not split, since its hint cannot be split with it.
        split (`bool`, *optional*, defaults to `True`): Translate sentence by sentence: the model was trained on
            sentences.
        notify (`Callable[[int], object]`, *optional*): Told of finished sentences.

    Returns:
        `Translated`: The translation and how it came about; tokens and seconds in its summary are those of this
        text alone.

    Raises:
        InputError: no text, one language twice, a hint that is not there or in one of the two
            languages, or a prompt that has no form for hints.
    """
    direction = Direction(source, target)
    if not text.strip():
        raise InputError("there is no text yet: type or paste one")
    language, words = hint if hints == "given" and hint else (None, None)
    if hints == "given" and not (words or "").strip():
        raise InputError("the hint has no text: give the same sentence in a third language")
    whole = hints == "given" or not split
    pieces = [(text, True)] if whole else split_document(text, *direction)
    requests = [Request(piece, *direction, words, language) for piece, inside in pieces if inside]
    # The translator counts all that it has ever done: this text's part is what is added from here on.
    tokens, seconds = translator.counts["tokens"], translator.seconds
    translations = list(translator.stream(requests, hints=hints, notify=notify))
    sentences = [_sentence(translator, *pair, hints) for pair in zip(requests, translations, strict=True)]
    # A sentence stands inside a line of its document, and may not break it.
    texts = [translation.text if whole else " ".join(translation.text.splitlines()) for translation in translations]
    tokens, seconds = translator.counts["tokens"] - tokens, translator.seconds - seconds
    return Translated(join_document(pieces, texts), sentences, _summary(translations, tokens, seconds))


def about_direction(source: str, target: str) -> str:
    """Describe a direction: whether it is one of the 234, and the language of its own hint.

    Args:
        source (`str`): Code of the language to translate from.
        target (`str`): Code of the language to translate into.

    Returns:
        `str`: Two sentences.

    Raises:
        InputError: an unknown language, or one twice.
    """
    direction = Direction(source, target)
    membership = (
        "One of the 234 directions of LMT."
        if direction in DIRECTIONS
        else "Not one of the 234 directions of LMT: without English and Chinese it is zero-shot."
    )
    auxiliary = auxiliary_of(direction)
    if auxiliary is None:
        return f"{membership} It has no hint of the model's own."
    return f"{membership} A hint of the model's own is in {LANGUAGES[auxiliary].name}."


def _sentence(translator: Translator, request: Request, translation: Translation, hints: str) -> Sentence:
    hint = "–"
    auxiliary = None
    if translation.hint and translation.hint_lang:
        hint = f"{LANGUAGES[translation.hint_lang].name}: {translation.hint}"
        auxiliary = (translation.hint_lang, translation.hint)
    elif translation.hint_dropped:
        hint = f"none: {DROPPED[translation.hint_dropped]}"
    elif hints == "self" and translation.status != "empty":
        hint = "none for this direction"
    prompt = ""
    if request.source.strip():
        prompt = translator.style.text(request.source, request.source_lang, request.target_lang, auxiliary)
    return Sentence(request.source, hint, translation.text, STATUS[translation.status], prompt)


def _summary(translations: list[Translation], tokens: int, seconds: float) -> str:
    count = len(translations)
    summary = f"{count} sentence{'' if count == 1 else 's'}, {tokens:,} tokens in {seconds:.1f} s"
    if seconds and tokens:
        summary += f", {tokens / seconds:.1f} a second"
    hinted = sum(translation.hint is not None for translation in translations)
    return f"{summary}; {hinted} hinted" if hinted else summary
