"""Docstrings: every argument and result of a public function is described, with its type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FILES = [
    path.relative_to(ROOT) for package in ("hf_miwv", "hf_lmt") for path in sorted((ROOT / package).rglob("*.py"))
]
HOOK = ["args", "state", "control"]  # of a transformers.TrainerCallback, which describes them
ENTRY = re.compile(r"^    (\*{0,2}\w+)( \(`.+?\))?:", re.MULTILINE)
RESULT = re.compile(r"    `[^`]+`:\s")


class Described(NamedTuple):
    """Hold a public function or class with its docstring, and what the docstring has to describe."""

    name: str
    docstring: str
    arguments: list[str]
    has_result: bool
    raises_input_error: bool


def arguments_of(function: ast.FunctionDef, is_method: bool) -> list[str]:
    """List the arguments, those in stars with them; none for a trainer's hook."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    names = names[1:] if is_method and not is_decorated(function, "staticmethod") else names
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    names += [argument.arg for argument in arguments.kwonlyargs]
    names += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return [] if names[:3] == HOOK else names


def is_decorated(node: ast.FunctionDef | ast.ClassDef, *names: str) -> bool:
    return any(
        word in names for decorator in node.decorator_list for word in re.findall(r"\w+", ast.unparse(decorator))
    )


def raises_input_error(node: ast.AST) -> bool:
    """Check whether a body raises one itself; a function within it answers for itself."""
    if isinstance(node, ast.Raise):
        return node.exc is not None and ast.unparse(node.exc).startswith("InputError(")
    children = (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.FunctionDef | ast.Lambda))
    return any(raises_input_error(child) for child in children)


def described(node: ast.AST, prefix: str = "") -> Iterator[Described]:
    """Yield the public functions, methods and classes with an `__init__`, but for commands: click has their help."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            for method in child.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    arguments = arguments_of(method, is_method=True)
                    yield Described(prefix + child.name, ast.get_docstring(child) or "", arguments, False, False)
            yield from described(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.If | ast.Try):
            yield from described(child, prefix)
        elif isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
            if is_decorated(child, "command", "group", "overload"):
                continue
            result = "" if child.returns is None else ast.unparse(child.returns)
            yield Described(
                prefix + child.name,
                ast.get_docstring(child) or "",
                arguments_of(child, isinstance(node, ast.ClassDef)),
                result not in ("", "None", "NoReturn", "Iterator[None]"),
                raises_input_error(child),
            )


def faults_of(documented: Described) -> Iterator[str]:
    """Yield what is not described, and what is described but not there."""
    sections = dict(re.findall(r"^(\w+):\n((?:    .*(?:\n|$)|\n(?=    ))+)", documented.docstring, re.MULTILINE))
    entries = dict(ENTRY.findall(sections.get("Args", "")))
    attributes = dict(ENTRY.findall(sections.get("Attributes", "")))  # which a class may keep under the same names
    types = {**attributes, **entries}
    for name in documented.arguments:
        if not types.get(name):
            yield f"{name}: no entry in Args" if name not in types else f"{name}: no type in Args"
    yield from (f"{name}: in Args, and no argument" for name in entries if name not in documented.arguments)
    # What has no arguments may say in its one line what it returns.
    says_result = not documented.arguments and documented.docstring.startswith(
        ("Return ", "Yield ", "List ", "Check ")
    )
    if documented.has_result and not says_result and not {"Returns", "Yields"} & sections.keys():
        yield "no Returns"
    for name in {"Returns", "Yields"} & sections.keys():
        if not RESULT.match(sections[name]):
            yield f"no type in {name}"
    if documented.raises_input_error and "InputError" not in sections.get("Raises", ""):
        yield "no Raises with InputError"


def test_arguments_and_results_are_described() -> None:
    faults = [
        f"{file} {documented.name}: {fault}"
        for file in FILES
        for documented in described(ast.parse((ROOT / file).read_text("utf-8")))
        for fault in faults_of(documented)
    ]
    assert faults == []


FAULTY = '''
def cut(texts: list[str], length: int = 3) -> list[str]:
    """Cut texts.

    Args:
        texts: The texts.
        width (`int`): Their width.

    Yields:
        The texts.
    """
    raise InputError("no texts")


def count(texts: list[str]) -> int:
    """Count texts."""
    return len(texts)
'''


def test_faults_are_seen() -> None:
    assert [fault for documented in described(ast.parse(FAULTY)) for fault in faults_of(documented)] == [
        "texts: no type in Args",
        "length: no entry in Args",
        "width: in Args, and no argument",
        "no type in Yields",
        "no Raises with InputError",
        "texts: no entry in Args",
        "no Returns",
    ]
