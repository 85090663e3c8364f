"""Counts of the house: files in each room, names that files share, imports between packages, words.

    python benchmarks/house.py [ROOT]

Prints Markdown. ROOT is a checkout, by default this one; give two worktrees in turn to compare them.
The words counted as vague are those that CONTRIBUTING.md asks to avoid.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("hf_miwv", "hf_lmt")
VAGUE = {"found", "one", "own", "given", "told", "place", "way", "there", "what"}


def files_of(root: Path) -> list[Path]:
    return [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Yield every name that is bound: functions, classes, arguments and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def statements(tree: ast.AST) -> int:
    """Count statements; docstrings are none."""
    docstrings = sum(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for node in ast.walk(tree)
    )
    return sum(isinstance(node, ast.stmt) for node in ast.walk(tree)) - docstrings


def imports(tree: ast.AST) -> int:
    return sum(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))


def comment_lines(text: str) -> int:
    """Count lines that hold a comment and nothing else."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT and token.line.strip().startswith("#") for token in tokens)


def docstrings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield ast.get_docstring(node) or ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1], metavar="ROOT")
    root = parser.parse_args().root
    files = files_of(root)
    if not files:
        parser.error(f"{root} holds no {' and no '.join(PACKAGES)}: give the folder of a checkout")
    trees = {path: ast.parse(path.read_text("utf-8")) for path in files}
    rooms = Counter(str(path.parent.relative_to(root)) for path in files if path.name != "__init__.py")
    names = Counter(path.name for path in files if not path.name.startswith("__"))
    across = [
        (node.module, alias.name)
        for path, tree in trees.items()
        if path.relative_to(root).parts[0] == "hf_lmt"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hf_miwv")
        for alias in node.names
    ]
    outside = {pair for pair in across if not re.match(r"hf_miwv\.(common|losses)\b", pair[0])}
    words = [name for tree in trees.values() for name in bound_names(tree)]
    vague = sum(bool(VAGUE & set(name.lower().strip("_").split("_"))) for name in words)
    texts = [path.read_text("utf-8") for path in files]
    lines = sum(text.count("\n") for text in texts)
    comments = sum(map(comment_lines, texts))
    figures = {
        "files": len(files),
        "lines": lines,
        "statements, docstrings not counted": sum(map(statements, trees.values())),
        "of them imports": sum(map(imports, trees.values())),
        "rooms (folders with code)": len(rooms),
        "files in the largest room": f"{max(rooms.values())} ({rooms.most_common(1)[0][0]})",
        "file names used more than once": sum(count > 1 for count in names.values()),
        "files that share a name": sum(count for count in names.values() if count > 1),
        "modules of hf_miwv that hf_lmt imports": len({module for module, _ in across}),
        "names that hf_lmt imports of hf_miwv": len(set(across)),
        "of them outside common/ and losses/": len(outside),
        "bound names with a vague word": f"{vague:,} of {len(words):,} ({100 * vague / len(words):.1f} %)",
        'docstrings that begin with "What"': sum(
            text.startswith("What") for tree in trees.values() for text in docstrings(tree)
        ),
        "comment lines per 1,000 lines": f"{1000 * comments / lines:.1f}",
        "`# fmt: skip`": sum(text.count("# fmt: skip") for text in texts),
    }
    print("| | |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |")


if __name__ == "__main__":
    main()
