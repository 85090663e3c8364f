"""Rows of any shape -> columns `prompt` and `completion`, as they were scored: what TRL's SFTTrainer reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.json_types import ValueType
from hf_miwv.prompts.text_template import SHIPPED, TextTemplate
from hf_miwv.results.scored_record import TemplateFacts
from hf_miwv.rows.examples import read_example
from hf_miwv.rows.schema import Shape

WRITTEN = ("prompt", "completion")
BESIDE = ("tools", "chat_template_kwargs")  # TRL reads them under these names


def is_prompt_completion(row: Mapping[str, Any], shape: Shape) -> bool:
    """Check whether TRL's SFTTrainer reads a row as it is, with the loss on what was scored.

    Args:
        row (`Mapping[str, Any]`): A row of the data set.
        shape (`Shape`): Its shape.

    Returns:
        `bool`: True for `prompt` and `completion` under these names, as texts or turns with roles.
    """
    if any(shape.columns.get(name) != name for name in WRITTEN):
        return False
    prompt = row["prompt"]
    return isinstance(prompt, str) or (isinstance(prompt, list) and all("role" in turn for turn in prompt))


def as_prompt_completion(rows: Dataset, shape: Shape, template: TemplateFacts) -> tuple[Dataset, Shape]:
    """Write each row as prompt and completion: turns under a chat template, else text.

    The columns of the row's shape go, but for `tools` and `chat_template_kwargs`; all others stay.

    Args:
        rows (`Dataset`): The rows, N of them.
        shape (`Shape`): Their shape.
        template (`TemplateFacts`): `name` and `sha256` of the template that they were scored with, as
            run.json has them.

    Returns:
        `tuple[Dataset, Shape]`: N rows in the same order, and their shape.

    Raises:
        InputError: A row cannot be read, or the template was a Jinja file, whose text is not at hand.
    """
    text = text_template(template)

    def write(row: dict[str, Any], index: int) -> dict[str, Any]:
        example = read_example(row, shape, index)
        if text is None:
            return {"prompt": example.conversation, "completion": [example.answer_turn]}
        return {"prompt": text.render(example), "completion": example.response}

    # Turns differ in their keys from row to row; types taken from the first rows alone would not hold the rest.
    types = {name: ValueType() for name in WRITTEN}
    for index, row in enumerate(rows):
        for name, value in write(row, index).items():
            types[name].add(value)
    beside = {name: shape.columns[name] for name in BESIDE if name in shape.columns}
    rest = rows.remove_columns([name for name in shape.columns.values() if name not in beside.values()])
    features = rest.features.copy() | {name: kind.feature for name, kind in types.items()}
    removed = [name for name in rows.column_names if name not in features]
    written = rows.map(write, with_indices=True, features=type(rest.features)(features), remove_columns=removed)
    written = written.rename_columns({column: name for name, column in beside.items() if name != column})
    return written, Shape("prompt_completion", {name: name for name in (*WRITTEN, *beside)})


def text_template(template: TemplateFacts) -> TextTemplate | None:
    """Return the text template that rows were scored with.

    Args:
        template (`TemplateFacts`): `name` and `sha256`, as run.json has them.

    Returns:
        `TextTemplate | None`: The template; None for a chat template, which TRL applies itself.

    Raises:
        InputError: It was a Jinja file, or an earlier version of ours: the text is not at hand.
    """
    if template["name"] == "chat":
        return None
    if template["name"] in SHIPPED and (shipped := TextTemplate(template["name"])).sha256 == template["sha256"]:
        return shipped
    raise InputError(
        f"the rows were scored with the template {template['name']}, whose text the folder does not hold, so they "
        "cannot be written as prompt and completion; leave out --prompt-completion"
    )
