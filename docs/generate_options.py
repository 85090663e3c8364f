"""Write docs/options.md: every option of every command of both programs, from click's own objects.

python docs/generate_options.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from hf_lmt.__main__ import main as lmt_main
from hf_miwv.__main__ import main as miwv_main

PAGE = Path(__file__).parent / "options.md"
HEAD = """# Every option

Made from the programs by `make options`; do not edit. `-h` or `--help` behind a command shows the same.

Both programs end with 0 when all went well, 1 when `hf-lmt diagnose` found that something got worse, 2 when what
they were given cannot be used, 130 after Ctrl-C; any other fault is ours and shows a traceback.

The shell completes names of commands and options after `eval "$(_HF_MIWV_COMPLETE=bash_source hf-miwv)"` and
`eval "$(_HF_LMT_COMPLETE=bash_source hf-lmt)"`; in zsh with `zsh_source`, in fish after
`_HF_LMT_COMPLETE=fish_source hf-lmt | source`.

Messages go to standard error. `--quiet`, `--verbose` and `--log-level` stand before the command:
`hf-miwv --quiet score ...`.
"""


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command below a program with its full name, groups before their members."""
    yield name, command
    if isinstance(command, click.Group):
        for member in command.list_commands(click.Context(command)):
            yield from commands(command.commands[member], f"{name} {member}")


def cell(text: object) -> str:
    """Return text as the content of a table's cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


def row(parameter: click.Parameter, context: click.Context) -> str:
    """Return the table's row of an option or argument."""
    facts = parameter.to_info_dict()
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    kind = "flag" if facts.get("is_flag") else parameter.type.name
    if isinstance(parameter.type, click.Choice):
        kind = ", ".join(parameter.type.choices)
    if isinstance(parameter, click.Argument):
        return f"| `{cell(parameter.make_metavar(context))}` | {cell(kind)} | | |"
    default = "required" if parameter.required else ""
    if not facts.get("is_flag") and isinstance(facts["default"], str | int | float):
        default = f"`{cell(facts['default'])}`"
    if facts.get("multiple"):
        kind = f"{kind}; may be repeated"
    return f"| `{cell(names)}` | {cell(kind)} | {default} | {cell(facts.get('help') or '')} |"


def page() -> str:
    """Return the page's text."""
    parts = [HEAD]
    for program, name in ((miwv_main, "hf-miwv"), (lmt_main, "hf-lmt")):
        for full_name, command in commands(program, name):
            context = click.Context(command, info_name=full_name)
            rows = [row(parameter, context) for parameter in command.params]
            if rows:
                table = ["| option | type | default | help |", "|---|---|---|---|", *rows]
                parts.append("\n".join([f"## {full_name}", "", *table]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
