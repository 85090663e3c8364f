"""Text templates: the Alpaca template, the plain prompt, or a Jinja file; no tokenizer is needed."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.template_errors import template_fault, template_line
from hf_miwv.common.reading.kinds import RowError
from hf_miwv.rows.examples import Example

SHIPPED = ("alpaca", "plain")


class TextTemplate:
    """Render prompts as text.

    The template sees `instruction`, `input`, `prompt` (all of the prompt's text, with blank lines
    between its parts), `messages` (the turns before the response; none for plain rows), `system`,
    `history` (pairs of question and answer) and `tools`.

    Args:
        name (`str`): "alpaca", "plain" or a Jinja file.

    Attributes:
        name (`str`): "alpaca", "plain" or the file's name without its folder.
        sha256 (`str`): Digest of the template's text.

    Raises:
        InputError: The template cannot be read, or is no Jinja template.
    """

    def __init__(self, name: str) -> None:
        source = _read_template(name)
        self.name = name if name in SHIPPED else Path(name).name
        self.sha256 = hashlib.sha256(source.encode()).hexdigest()
        environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
        try:
            self._template = environment.from_string(source)
        except Exception as error:  # also what Python says of the code that Jinja makes of it
            line = template_line(error)
            location = name if line is None else f"{name}:{line}"
            words = str(error) or type(error).__name__
            raise InputError(f"{location}: not a Jinja template: {words}") from error

    def render(self, example: Example) -> str:
        """Render the prompt of a row.

        Args:
            example (`Example`): The row.

        Returns:
            `str`: The text.

        Raises:
            RowError: The template fails on the row.
        """
        try:
            return self._template.render(
                instruction=example.instruction,
                input=example.input,
                prompt=example.bare_prompt,
                messages=list(example.turns or ()),
                system=example.system,
                history=list(example.history),
                tools=example.tools,
            )
        except Exception as error:  # whatever a template can do wrong, it is the template's fault
            fault = template_fault(error) or f"{type(error).__name__}: {error}"
            raise RowError(
                f"the template {self.name} failed: {fault}; it may use instruction, input, "
                "prompt, messages, system, history and tools"
            ) from error


def _read_template(name: str) -> str:
    if name in SHIPPED:
        return (resources.files("hf_miwv") / "templates" / f"{name}.jinja").read_text("utf-8")
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"template {name!r} cannot be read ({error}); give alpaca, chat, plain or the path of a Jinja file"
        ) from error
