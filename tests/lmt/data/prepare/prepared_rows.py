"""Corpora in many languages to prepare, and the rows of a prepared folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from datasets import load_dataset

from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare

LANGUAGES = ("en", "zh", "de", "nl", "kk", "ru", "ar")


NO_SETS: dict[str, Any] = {"contamination": {"sets": "none"}}


PLAIN = {"seed": 3, "curation": NO_SETS}


WORDS = {
    "en": "good morning dear friend",
    "zh": "亲爱的朋友早上好",
    "de": "guten Morgen lieber Freund",
    "nl": "goede morgen beste vriend",
    "kk": "қайырлы таң қымбатты дос",
    "ru": "доброе утро дорогой друг",
    "ar": "صباح الخير يا صديقي",
}


def lines(count: int = 60, languages: tuple[str, ...] = LANGUAGES) -> list[dict[str, Any]]:
    return [{code: f"{WORDS[code]} {1000 + number}" for code in languages} for number in range(count)]


def table(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return str(path)


def make(folder: Path, content: dict[str, Any], name: str = "rows", **given: Any) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return prepare(read_data_recipe(path), folder / name, progress=False, **given)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return load_dataset(str(folder), split="train").to_list()


def data_bytes(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "data").iterdir())]


def lasting(folder: Path) -> dict[str, Any]:
    run = json.loads((folder / "run.json").read_text("utf-8"))
    return {name: part for name, part in run.items() if name != "timing"}
