"""The date that chat templates print: one for all of a run, also behind a kill and midnight."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import earlier_identity, workspace_of
from hf_miwv.prompts.chat_text import asks_for_date, template_digest


def parse_date(text: str | None) -> date | None:
    """Read a day written as 2026-11-29; None stays None.

    Args:
        text (`str`, *optional*): The day.

    Returns:
        `date | None`: The day.

    Raises:
        InputError: anything else.
    """
    try:
        return None if text is None else date.fromisoformat(text)
    except (ValueError, TypeError):
        raise InputError(f"date {text!r} is no day; write it as 2026-11-29") from None


def run_date(tokenizer: Any, output: str | Path | None, overwrite: bool, processes: Processes) -> date | None:
    """Find the day on which a run began, where its chat template prints the date.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The model's tokenizer.
        output (`str | Path`, *optional*): The folder of the run. Work of it that is unfinished or, unless it is
            to be overwritten, finished, with the same template, began on the day that it says.
        overwrite (`bool`): Whether a finished result is replaced.
        processes (`Processes`): The processes of the run, which take the day of the first.

    Returns:
        `date | None`: The day, today without earlier work; None where the template prints none.
    """
    if not asks_for_date(tokenizer):
        return None
    # A run that is resumed after midnight must render the prompts of the day before, or it could not go on.
    identities: list[dict[str, Any] | None] = []
    if output is not None:
        identities.append(earlier_identity(workspace_of(Path(output)) / processes.name()))
        if not overwrite:
            identities.append((read_record(Path(output)) or {}).get("identity"))
    templates = [(identity or {}).get("template") or {} for identity in identities]
    digest = template_digest(tokenizer)
    known = [template["date"] for template in templates if template.get("date") and template.get("sha256") == digest]
    return processes.agree(date.fromisoformat(known[0]) if known else date.today())
