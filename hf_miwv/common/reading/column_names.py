"""Names of the columns that make up the known shapes of a row."""

from __future__ import annotations

from collections.abc import Mapping

REQUIRED_COLUMNS = {
    "alpaca": ("instruction", "output"),
    "prompt_completion": ("prompt", "completion"),
    "preference": ("chosen",),
    "messages": ("messages",),
    "conversations": ("conversations",),
}
TEMPLATE_COLUMNS = ("system", "tools", "chat_template_kwargs")
OPTIONAL_COLUMNS = {
    "alpaca": ("input", "history", *TEMPLATE_COLUMNS),
    "prompt_completion": ("label", *TEMPLATE_COLUMNS),
    "preference": ("prompt", *TEMPLATE_COLUMNS),
    "messages": TEMPLATE_COLUMNS,
    "conversations": TEMPLATE_COLUMNS,
}
STANDARD_NAMES = tuple(
    dict.fromkeys(name for columns in (*REQUIRED_COLUMNS.values(), *OPTIONAL_COLUMNS.values()) for name in columns)
)
ALIASES: tuple[Mapping[str, str], ...] = (
    {"instruction": "instruction", "input": "context", "output": "response"},  # Dolly
    {"instruction": "instruction", "output": "response"},
    {"system": "system_prompt", "prompt": "question", "completion": "response"},  # Orca
    {"prompt": "question", "completion": "response"},
    {"prompt": "question", "completion": "answer"},
    {"prompt": "query", "completion": "response"},
    {"prompt": "prompt", "completion": "response"},
    {"prompt": "question", "chosen": "chosen"},  # Orca's pairs
    {"prompt": "instruction", "chosen": "chosen"},
    {"prompt": "input", "chosen": "chosen"},
)
