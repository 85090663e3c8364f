"""Write docs/recipe-keys.md: the keys of ours in a recipe, from the classes and functions that read them.

python docs/generate_recipe_keys.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.curation.curation_settings import DEFAULT, STEPS
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.data.mixture import mix
from hf_lmt.recipes import training_keys as lmt_keys
from hf_lmt.recipes.evaluation_section import WatchingSettings
from hf_lmt.recipes.reinforcement import RewardSettings
from hf_miwv.common.hub.hub_section import HubSection
from hf_miwv.common.recipes.trl_keys import FORMER, NO_EFFECT, REFUSED, Refused
from hf_miwv.scoring.scoring import score
from hf_miwv.selection.selection import select
from hf_miwv.training import recipe_keys as miwv_keys

PAGE = Path(__file__).parent / "recipe-keys.md"
HEAD = """# Every key of a recipe

Made from the programs by `make options`; do not edit. `recipe check` reads a recipe as `train` would.

At the top of a recipe stand the keys of TRL's own training script, as in a YAML file for `trl sft`: the fields of
`trl.SFTConfig` (with `stage: grpo` those of `trl.GRPOConfig`), `trl.ModelConfig`, and `dataset_name`,
`dataset_config`, `dataset_train_split`, `dataset_test_split` or `datasets`. They mean what they mean there
([SFTConfig](https://huggingface.co/docs/trl/sft_trainer#trl.SFTConfig),
[GRPOConfig](https://huggingface.co/docs/trl/grpo_trainer#trl.GRPOConfig)). This page has the keys that are ours, and
TRL's keys that cannot be given, with the reason.

Words behind a command replace keys: `--max_steps 3`, `--selection.fraction 0.1`, `--pmp.share 0`. Values are YAML;
2e-5 is a number here, and `no` in the place of text has to be quoted.
"""
ARGUMENT = re.compile(r"^    (?:    )?(\w+) \(`(.*?)`((?:, \*optional\*)?)(?:, defaults to `(.*?)`)?\): (.*)$")


def described(subject: Callable[..., Any]) -> dict[str, tuple[str, str, str]]:
    """Return {argument: (type, default, description)} of a Google-style docstring."""
    text = inspect.cleandoc(inspect.unwrap(subject).__doc__ or "")
    block = re.search(r"^Args:\n((?:[ ].*\n?|\n)*)", text, re.MULTILINE)
    arguments: dict[str, list[str]] = {}
    name = ""
    for line in (block[1] if block else "").splitlines():
        if match := ARGUMENT.match(line):
            name = match[1]
            arguments[name] = [match[2], match[4] or ("" if match[3] else "required"), match[5]]
        elif name and line.strip():
            arguments[name][2] += " " + line.strip()
    return {name: (parts[0], parts[1], parts[2]) for name, parts in arguments.items()}


def cell(text: str) -> str:
    """Return text as the content of a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(subject: Callable[..., Any], keys: Iterable[str]) -> str:
    """Tabulate these keys as the docstring describes them."""
    known = described(subject)
    lines = ["| key | type | default | what it says |", "|---|---|---|---|"]
    for key in keys:
        kind, default, words = known[key]
        shown = f"`{cell(default)}`" if default and default != "required" else default
        lines.append(f"| `{key}` | {cell(kind)} | {shown} | {cell(words)} |")
    return "\n".join(lines)


def usable(section: str, hints: Mapping[str, Any]) -> list[str]:
    """Return the keys of a section of `hf-miwv train` that are not refused there."""
    refused = {key for keys in miwv_keys.SECTION_REFUSED.get(section, {}).values() for key in keys}
    return [key for key in hints if key not in refused]


def refusals(refused: Refused) -> str:
    """List TRL's keys that cannot be given, by reason."""
    return _reasons({**REFUSED, **refused})


def _reasons(refused: Refused) -> str:
    return "\n".join(f"- {reason}: {', '.join(f'`{key}`' for key in keys)}" for reason, keys in refused.items())


def page() -> str:
    """Return the page's text."""
    hints = miwv_keys.section_hints()
    parts = [HEAD, "## `hf-miwv train`", "### At the top", table(miwv_keys.TopKeys, miwv_keys.TOP_KEYS)]
    sections = {"data": miwv_keys.DataSection, "scoring": score, "selection": select}
    for name, subject in sections.items():
        parts += [f"### `{name}`", table(subject, usable(name, hints[name]))]
    parts += ["### TRL's keys that cannot be given", refusals(miwv_keys.TRL_REFUSED)]
    parts += ["## `hf-lmt train` and `hf-lmt prepare`", "### At the top", table(lmt_keys.TopKeys, lmt_keys.TOP_KEYS)]
    parts += ["### `data`, a list of sources", table(Source, described(Source))]
    parts += ["### `directions`", 'A list of directions and patterns: `[en-*, "*-en", kk-zh]`; by default all 234.']
    parts += ["### `curation`", "Step: settings, true or false; `curation: false` is none at all."]
    for name, location in STEPS.items():
        module, _, step = location.partition(".")
        subject = getattr(import_module(f"hf_lmt.data.curation.{module}"), step)
        applied = "applied by default" if name in DEFAULT else "off by default"
        summary = (inspect.getdoc(subject) or "").split("\n\n")[0]
        parts += [f"#### `{name}` ({applied})", " ".join(summary.split())]
        if arguments := described(subject):
            parts.append(table(subject, arguments))
    for name, subject in {"downsampling": StrategicDownsampling, "pmp": ParallelMultilingualPrompting}.items():
        parts += [f"### `{name}`, or false", table(subject, described(subject))]
    mixed = [key for key in described(mix) if key not in ("bilingual", "monolingual", "tokenizer", "num_proc")]
    parts += ["### `mixture`, for continued pre-training", table(mix, mixed)]
    parts += ["### `evaluation`", "`sets`: a list of names or paths of evaluation sets; and:"]
    parts += [table(WatchingSettings, described(WatchingSettings))]
    parts += ["### `rewards` and `watched_rewards`, with `stage: grpo`"]
    parts += ["A list of names, or of mappings with these keys:", table(RewardSettings, described(RewardSettings))]
    parts += ["### TRL's keys that cannot be given", refusals(lmt_keys.TRL_REFUSED)]
    of_grpo = {why: keys for why, keys in lmt_keys.GRPO_REFUSED.items() if why not in lmt_keys.TRL_REFUSED}
    parts += ["### With `stage: grpo` neither", _reasons(of_grpo)]
    parts += ["## In both", "### `hub`", table(HubSection, described(HubSection))]
    parts += [
        "### TRL's keys that change nothing here",
        "\n".join(f"- `{key}`: {why}" for key, why in NO_EFFECT.items()),
    ]
    parts += ["### Names of before", "\n".join(f"- `{key}`: {today}" for key, today in FORMER.items())]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
