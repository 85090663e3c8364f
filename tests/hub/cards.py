"""What `validate-yaml` accepts at the head of a card: a written schema of the Hub's main rules."""

from __future__ import annotations

import re
from typing import Any

import yaml

BLOCK = re.compile(r"\A\ufeff?\s*---\r?\n(.*?)\r?\n---\s*(?:\r?\n|\Z)", re.DOTALL)
ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*")
LICENSES = {
    "apache-2.0",
    "mit",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc0-1.0",
    "llama2",
    "gpl-3.0",
    "openrail",
    "other",
    "unknown",
}
SIZES = re.compile(r"n<1K|n>1T|\d+[KMB]<n<\d+[KMBT]")
MODEL_TASKS = {"text-generation", "translation", "text-classification", "feature-extraction"}


def check_card(content: str, kind: str) -> tuple[list[str], list[str]]:
    """(errors, warnings) for the text of a README.md; no errors: it may be committed."""
    found = BLOCK.match(content)
    if found is None:
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        data = yaml.safe_load(found.group(1))
    except yaml.YAMLError as error:
        return [f"YAML metadata cannot be parsed: {str(error).splitlines()[0]}"], []
    if data is None:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(data, dict):
        return ['"yaml" must be of type object'], []
    errors = _shared(data) + (_of_model(data) if kind == "model" else _of_dataset(data))
    return errors, []


def _shared(data: dict[str, Any]) -> list[str]:
    errors = []
    for name in ("tags", "language", "license", "size_categories", "datasets", "base_model"):
        values = data.get(name, [])
        if not all(isinstance(value, str) for value in _many(values)):
            errors.append(f'"{name}" must be a string or a list of strings')
            data.pop(name)
    errors += [
        f'"license" with value "{one}" is not valid' for one in _many(data.get("license", [])) if one not in LICENSES
    ]
    errors += [
        f'"language" with value "{one}" is not valid. It must be an ISO 639 code'
        for one in _many(data.get("language", []))
        if not TAG.fullmatch(one)
    ]
    return errors


def _of_model(data: dict[str, Any]) -> list[str]:
    errors = []
    for name, where in (("base_model", "models"), ("datasets", "datasets")):
        errors += [
            f'"{name}" with value "{one}" is not valid. Use a {where[:-1]} id from https://hf.co/{where}.'
            for one in _many(data.get(name, []))
            if not ID.fullmatch(one)
        ]
    task = data.get("pipeline_tag")
    if task is not None and task not in MODEL_TASKS:
        errors.append(f'"pipeline_tag" with value "{task}" is not valid')
    for index, model in enumerate(data.get("model-index", [])):
        if not isinstance(model, dict) or not {"name", "results"} <= set(model):
            errors.append(f'"model-index[{index}]" must have "name" and "results"')
    return errors


def _of_dataset(data: dict[str, Any]) -> list[str]:
    sizes = _many(data.get("size_categories", []))
    errors = [f'"size_categories" with value "{one}" is not valid' for one in sizes if not SIZES.fullmatch(one)]
    configs = data.get("configs", [])
    if not isinstance(configs, list) or not all(isinstance(one, dict) for one in configs):
        return [*errors, '"configs" must be a list of objects']
    names = [one.get("config_name") for one in configs]
    if not all(isinstance(name, str) and re.fullmatch(r"[\w.+-]+", name) for name in names):
        errors.append('"configs[].config_name" must be a name')
    if len(set(map(str, names))) < len(names):
        errors.append('"configs[].config_name" must be unique')
    if sum(one.get("default") is True for one in configs) > 1:
        errors.append('"configs[].default": only one may be true')
    return errors


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
