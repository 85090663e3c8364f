"""Files of answers, each worth its number, and their judging."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from judge_server import JudgeServer

from hf_miwv.judging.endpoint import endpoint_judge
from hf_miwv.judging.judge_answers import judge_answers

KEY = "sk-not-to-be-seen-anywhere-4711"


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answers(folder: Path, worths: list[tuple[int, int]], **more: Any) -> tuple[Path, Path]:
    """A's and B's answers, each worth its number; B's lines in the opposite order."""
    a = [{"instruction": f"question {i}", "output": f"worth {one}", **more} for i, (one, _) in enumerate(worths)]
    b = [
        {"prompt": f"question {i}", "response": f"worth {two} says B", "input": None}
        for i, (_, two) in enumerate(worths)
    ]
    return write_lines(folder / "a.jsonl", a), write_lines(folder / "b.jsonl", b[::-1])


def judged(server: JudgeServer, a: Path, b: Path, output: Path, **options: Any) -> dict[str, Any]:
    judge = endpoint_judge(server.address, "tiny", **{"concurrency": 1, **options})
    return judge_answers(a, b, judge, output, progress=False)
