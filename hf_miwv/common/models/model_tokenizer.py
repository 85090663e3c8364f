"""The tokenizer of a checkpoint, also where a processor of text and pictures holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer
from transformers.utils import cached_file


def read_tokenizer(folder: str, **options: Any) -> Any:
    """Read the tokenizer of a checkpoint; of a processor's, with the chat template kept beside it.

    Args:
        folder (`str`): Folder or Hub id.
        **options (`Any`): Options of `AutoTokenizer.from_pretrained`, such as `revision`.

    Returns:
        `PreTrainedTokenizerBase`: The tokenizer.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    # Processors keep the template in a file of its own, which AutoTokenizer does not read.
    if tokenizer.chat_template is None and "gguf_file" not in options:
        path = cached_file(
            folder,
            "chat_template.json",
            revision=options.get("revision"),
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if path is not None:
            template = json.loads(Path(path).read_text("utf-8")).get("chat_template")
            tokenizer.chat_template = template
    return tokenizer


def text_tokenizer(tokenizer: Any) -> Any:
    """Return the tokenizer itself, also where a processor of text and pictures holds it.

    Args:
        tokenizer (`PreTrainedTokenizerBase | ProcessorMixin`): A tokenizer or a processor.

    Returns:
        `PreTrainedTokenizerBase`: The tokenizer, with the processor's chat template if it has none.
    """
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None or not hasattr(tokenizer, "image_processor"):
        return tokenizer
    if inner.chat_template is None:
        inner.chat_template = getattr(tokenizer, "chat_template", None)
    return inner
