"""Long texts: split at sentence ends, translated sentence by sentence, and put together again.

Sentences are told apart by `sentencex` (Wikimedia; MIT license), whose rules cover most of the
languages and fall back for others. Line breaks, blank lines, indentation and blanks at line ends
stay as they are. Thai and Lao write no sentence ends: their lines stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from hf_miwv.common.errors import InputError

UNSPACED = frozenset({"bo", "ja", "km", "lo", "my", "th", "yue", "zh"})
"""Languages whose sentences follow each other without a blank (Burmese, Khmer, Lao, Thai and
Tibetan put one where it is useful; the paper is silent, and none is our choice for zh yue ja)."""
BLANKS_BETWEEN = UNSPACED - {"zh", "yue", "ja"}
SENTENCE_STOPS = {"km": re.compile(r"(?<=។)\s+"), "bo": re.compile(r"(?<=།)\s+")}
LINE = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)

Piece = tuple[str, bool]  # text, whether it is a sentence to be translated


def split_document(text: str, source_lang: str, target_lang: str) -> list[Piece]:
    r"""Split a document into its pieces in order: sentences, and what stands between them.

    Joined, with each sentence replaced by its translation, they are the translated document.

    >>> split_document("  One. Two.\n\n", "en", "zh")
    [('  ', False), ('One.', True), ('Two.', True), ('\n', False), ('\n', False)]

    Args:
        text (`str`): The document.
        source_lang (`str`): Code of its language, whose rules split it.
        target_lang (`str`): Code of the language to translate into, which says what stands between sentences.

    Returns:
        `list[tuple[str, bool]]`: Texts, none of them empty, and whether each is a sentence to be translated.

    Raises:
        InputError: the package `sentencex` is missing.
    """
    joint = "" if target_lang in UNSPACED - BLANKS_BETWEEN else " "
    pieces: list[Piece] = []
    for line in text.splitlines(keepends=True):
        match = LINE.fullmatch(line)
        before, content, after = match.groups() if match else ("", line, "")
        pieces.append((before, False))
        for index, sentence in enumerate(_sentences(content, source_lang)):
            pieces += [(joint if index else "", False), (sentence, True)]
        pieces.append((after, False))
    return [piece for piece in pieces if piece[0]]


def join_document(pieces: Sequence[Piece], translations: Iterable[str]) -> str:
    """Put the translations in the place of a document's sentences, in order.

    Args:
        pieces (`Sequence[tuple[str, bool]]`): Of `split_document`.
        translations (`Iterable[str]`): One for each sentence.

    Returns:
        `str`: The document.
    """
    translated = iter(translations)
    return "".join(next(translated) if sentence else text for text, sentence in pieces)


def _sentences(text: str, code: str) -> list[str]:
    parts = SENTENCE_STOPS[code].split(text) if code in SENTENCE_STOPS else [text]
    sentences = [sentence.strip() for part in parts for sentence in _segmenter()(code, part)]
    return [sentence for sentence in sentences if sentence]


def _segmenter() -> Callable[[str, str], Iterable[str]]:
    try:
        from sentencex import segment
    except ImportError as error:
        raise InputError(
            "documents are split by the package sentencex, which is not installed; run "
            "pip install 'hf-miwv-lmt[translate]'"
        ) from error
    return segment
