"""Is a row of these trained on behind the very ids that a translation starts from?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_lmt.data.method.prompts import check_same_prompt
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.template_errors import ChatTemplateError

SAMPLE = 64  # rows; the first ones, and their order is that of a hash
KEY = "model_name_or_path"


def check_prompts(rows: Dataset, training: Mapping[str, Any], thinking: str) -> dict[str, Any]:
    """Run `check_same_prompt` on the first rows, with the tokenizer that the recipe names.

    Args:
        rows (`Dataset`): With prompt and completion.
        training (`Mapping[str, Any]`): TRL's keys of the recipe; its model, revision and chat template are heeded.
        thinking (`str`): The policy that the rows were made with; a name in `prompts.THINKING`.

    Returns:
        `dict[str, Any]`: The part of the run's record: `checked` with "yes" and the rows, tokenizer, policy, and
        `before_target`, what the loss covers before the target; or "no" and why.

    Raises:
        InputError: no tokenizer can be had by that name, or the ids differ.
    """
    if not training.get(KEY):
        return {"checked": "no", "why": f"the recipe names no model ({KEY})"}
    tokenizer = load_tokenizer(training)
    if not isinstance(rows[0]["prompt"], str) and tokenizer.chat_template is None:
        raise InputError(
            f"{KEY} {training[KEY]}: its tokenizer has no chat template; for a base model give "
            "pmp: {form: text}, or name a template (chat_template_path)"
        )
    first = [_plain(row) for row in rows.select(range(min(SAMPLE, len(rows))))]
    leads = set()
    for index, row in enumerate(first):
        try:
            leads.add(check_same_prompt(tokenizer, row, thinking))
        except ChatTemplateError as fault:
            raise InputError(f"row {index} of those prepared: {fault}") from fault
    return {
        "checked": "yes",
        "rows": len(first),
        "tokenizer": training[KEY],
        "thinking": thinking,
        "before_target": sorted(leads),
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("prompt", "completion", "chat_template_kwargs") if name in row}


def load_tokenizer(training: Mapping[str, Any]) -> Any:
    """Load the tokenizer that the recipe's training keys name.

    Args:
        training (`Mapping[str, Any]`): The training keys: `model_name_or_path`, and `model_revision` and
            `chat_template_path` where given.

    Returns:
        `PreTrainedTokenizerBase`: The tokenizer, with the recipe's chat template.

    Raises:
        InputError: there is none, or the template cannot be read.
    """
    tokenizer = _load(str(training[KEY]), training.get("model_revision"))
    template = training.get("chat_template_path")
    if template and str(template).endswith((".jinja", ".j2")):
        try:
            tokenizer.chat_template = Path(template).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"chat_template_path {template} cannot be read ({error}); give a Jinja file in "
                "UTF-8, or the folder or Hub id of a tokenizer"
            ) from error
    elif template:
        tokenizer.chat_template = _load(str(template), None).chat_template
    return tokenizer


def _load(name: str, revision: str | None) -> Any:
    from transformers import AutoTokenizer

    from hf_miwv.common.recipes.packages import locate

    folder, gguf = _gguf(Path(locate(name)).expanduser())
    try:
        return AutoTokenizer.from_pretrained(folder, revision=revision or "main", **gguf)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{KEY} {name}: no tokenizer can be read, and the prompts are checked with it "
            f"({str(error).splitlines()[0]}); give a folder or Hub id, or leave the key out"
        ) from error


def _gguf(path: Path) -> tuple[str, dict[str, str]]:
    """Return from_pretrained's arguments for a GGUF file, or a folder with one and no other tokenizer."""
    if path.suffix == ".gguf":
        return str(path.parent), {"gguf_file": path.name}
    files = [] if (path / "tokenizer.json").exists() else sorted(path.glob("*.gguf"))
    return (str(path), {"gguf_file": files[0].name}) if files else (str(path), {})
