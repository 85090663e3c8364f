"""The data that a model was trained on, as far as anything says so, and whether a set is among it.

Looked at are `datasets:` in the model's card, the run.json and recipe in its folder, the same of
its base model and of prepared data that these name, and `known_training_sets.csv`, which has what
papers say of released models. Names are matched to evaluation sets by their words, so that "ntrex",
"NTREX-128" and ".../ntrex/train.parquet" are one. The rules are ours; where a name leaves the split
of FLORES open, both count.
"""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from hf_lmt.evaluation.sets.set_lines import EvaluationSet
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.hub_names import path_name
from hf_miwv.common.models.hub_files import model_file
from hf_miwv.common.reading.source import Source
from hf_miwv.common.recipes.yaml_file import load_mapping

DEPTH = 5  # base models of base models
NAME_KEYS = ("corpus", "path", "source", "dataset", "data")
GENERIC = {"train", "dev", "devtest", "test", "valid", "validation", "data", "sentences"}
FLORES = {"flores-dev", "flores-devtest"}
_PATTERNS = {
    "flores-devtest": r"flores.*devtest",
    "flores-dev": r"flores.*dev(?!test)",
    "flores": r"flores",
    "ntrex-128": r"ntrex|newstest2019",
    "wmt24++": r"wmt[-_ ]?(?:20)?24",  # its English is that of WMT24
    "smol": r"(?<![a-z])smol(?:sent|doc)?(?![a-z])",
    "iwslt": r"iwslt",
}
logger = logging.getLogger(__name__)

_YEAR = re.compile(r"(?:wmt|newstest)[-_ ]?(?:20)?(1[4-9]|2\d)(?:\s*[-–]\s*(?:20)?(2\d|1[4-9]))?")


class Claim(NamedTuple):
    """Hold a name of training data.

    Attributes:
        name (`str`): The name, as it is written.
        said_by (`str`): Document that names it.
    """

    name: str
    said_by: str


@dataclass(frozen=True)
class Training:
    """The known training data of a model.

    Attributes:
        claims (`tuple[Claim, ...]`): Each name once.
        looked_at (`tuple[str, ...]`): What says something about it; empty where nothing does.
    """

    claims: tuple[Claim, ...]
    looked_at: tuple[str, ...]

    def overlap(self, opened: EvaluationSet) -> list[Claim]:
        """List the claims that are, or hold, this evaluation set.

        Args:
            opened (`EvaluationSet`): The evaluation set.

        Returns:
            `list[Claim]`: The claims; none does not say that the model has not seen the set.
        """
        split = opened.split or ""
        set_names = _sets(f"{opened.name} {split}") | _sets(_last_parts(opened.opened_from, split))
        return [claim for claim in self.claims if _same(claim.name, set_names, opened)]


def training_of(model: Source) -> Training:
    """Collect the training data of a model, and of its base models.

    Args:
        model (`Source`): The model, on disk or on the Hub.

    Returns:
        `Training`: The claims, and the documents that were looked at.

    Raises:
        InputError: there is no such model; or its run.json or recipe cannot be read.
    """
    claims: dict[str, Claim] = {}
    looked_at: list[str] = []
    waiting = [model]
    seen: set[str] = set()
    while waiting and len(seen) < DEPTH:
        source = waiting.pop(0)
        if source.id in seen:
            continue
        seen.add(source.id)
        for claim in _known(source.id):
            claims.setdefault(claim.name, claim)
        try:
            documents = [*_documents(source)]
        except InputError as error:
            if source is model:
                raise
            logger.warning("not known: what the base model was trained on (%s)", error)
            continue
        for where, content in documents:
            looked_at.append(where)
            for set_name in _names(content):
                claims.setdefault(set_name, Claim(set_name, where))
                for claim in _known(set_name):
                    claims.setdefault(claim.name, claim)
            waiting += map(Source, _bases(content))
    looked_at += sorted({claim.said_by for claim in claims.values()} - set(looked_at))
    return Training(tuple(claims.values()), tuple(looked_at))


def _documents(source: Source) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Read the documents that say something of the training, with their source."""
    shown = path_name(str(source.path)) if source.path.exists() else source.id
    card = _file(source, "README.md")
    if card is not None and (content := _front_matter(card)):
        yield f"the card of {shown}", content
    for file in ("run.json", "adapter_config.json"):
        if (path := _file(source, file)) is not None:
            yield f"{file} of {shown}", _json(path)
    for file in ("recipe.yaml", "recipe.yml"):
        if (path := _file(source, file)) is not None:
            yield f"{file} of {shown}", load_mapping(path)


def _file(source: Source, file: str) -> Path | None:
    """Read a file of a model here, on the Hub or in its cache; None where it cannot be had."""
    if source.path.exists():
        return source.path / file if (source.path / file).is_file() else None
    if source.id.count("/") != 1:
        return None
    return model_file(source.id, file, source.revision)


def _front_matter(card: Path) -> Mapping[str, Any]:
    from huggingface_hub.repocard import metadata_load

    try:
        return metadata_load(card) or {}
    except (ValueError, OSError) as error:
        raise InputError(f"{card}: its front matter cannot be read ({error}); mend or remove it") from error


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); mend or remove it") from error
    return content if isinstance(content, dict) else {}


def _names(content: Mapping[str, Any]) -> Iterator[str]:
    """List names and paths of data, in a card's `datasets` or under a record's data and sources."""
    for dataset_name in _listed(content.get("datasets")):
        yield str(dataset_name)
    for part in ("data", "recipe", "sources"):
        yield from _walk(content.get(part))


def _walk(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        split = part.get("split")
        for key in NAME_KEYS:
            if isinstance(part.get(key), str):
                yield f"{part[key]} {split}" if isinstance(split, str) else part[key]
                yield from _of_prepared(Path(part[key]).expanduser())
        for value in part.values():
            yield from _walk(value) if not isinstance(value, str) else ()
    elif isinstance(part, list):
        for value in part:
            yield from _walk(value)


def _of_prepared(folder: Path) -> Iterator[str]:
    """List the sources of prepared rows in a folder of `hf-lmt prepare`."""
    if (folder / "run.json").is_file():
        yield from _walk(_json(folder / "run.json").get("data"))


def _bases(content: Mapping[str, Any]) -> list[str]:
    model = content.get("model")
    base_model = model.get("source") or model.get("name") if isinstance(model, Mapping) else None
    candidates = [*_listed(content.get("base_model")), content.get("base_model_name_or_path"), base_model]
    return [candidate for candidate in candidates if isinstance(candidate, str)]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _known(name: str) -> list[Claim]:
    """List the training sets that papers state for this model or data set."""
    return [
        Claim(set_name, source) for glob, sets, source in _known_sets() if fnmatchcase(name, glob) for set_name in sets
    ]


@cache
def _known_sets() -> list[tuple[str, list[str], str]]:
    path = files("hf_lmt") / "evaluation" / "known_training_sets.csv"
    rows = csv.DictReader(path.read_text("utf-8").splitlines())
    return [(row["models"], row["sets"].split(), row["source"]) for row in rows]


def _same(name: str, set_names: set[str], opened: EvaluationSet) -> bool:
    if _sets(_last_parts(name)) & set_names:
        return True
    path, other = Path(name).expanduser(), Path(opened.opened_from).expanduser()
    if path.exists() and other.exists() and path.resolve() == other.resolve():
        return True
    plain = {re.sub(r"[^a-z0-9]", "", text.casefold()) for text in (name, opened.name)}
    return len(plain) == 1 and not plain & GENERIC


def _sets(name: str) -> set[str]:
    """Return the published sets that a name speaks of."""
    name = name.casefold()
    sets = {set_name for set_name, pattern in _PATTERNS.items() if re.search(pattern, name)}
    if "flores" in sets:
        sets = (sets - {"flores"}) | (set() if sets & FLORES else FLORES)
    for first, last in _YEAR.findall(name):
        sets |= {f"wmt{year}" for year in range(int(first), int(last or first) + 1)}
    return sets


def _last_parts(name: str, split: str = "") -> str:
    """Return the end of a path: folders further up say nothing of what is in it."""
    return " ".join(["/".join(Path(name).parts[-2:]), split])
