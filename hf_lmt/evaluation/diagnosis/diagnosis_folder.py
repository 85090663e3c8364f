"""The folder of a diagnosis: numbers, picture, page and run.json, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_lmt.evaluation.diagnosis.diagnose import Diagnosis, as_json
from hf_lmt.evaluation.diagnosis.diagnosis_picture import PICTURE, draw_diagnosis
from hf_lmt.evaluation.diagnosis.words import TITLES
from hf_lmt.evaluation.report.example_lines import texts_of
from hf_lmt.evaluation.report.report_page import PAGE, render_page
from hf_lmt.evaluation.report.write_report import write_whole

NUMBERS = "diagnosis.json"


def write_diagnosis(
    diagnosis: Diagnosis,
    output: Path,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write diagnosis.json, diagnosis.png and .svg, and index.html: both evaluations side by side.

    Sources and references are in the page where the set is at hand, so it is not to be published.

    Args:
        diagnosis (`Diagnosis`): The diagnosis.
        output (`Path`): The folder to write.
        overwrite (`bool`, *optional*, defaults to `False`): Whether an earlier diagnosis in it is replaced.
        origin (`Mapping[str, Any]`, *optional*): "command_line" and what else the record says about the run.

    Raises:
        InputError: `output` holds something, or cannot be written.
    """
    from hf_miwv.common.runs.record import new_record

    evaluations = [evaluation for evaluation in (diagnosis.before, diagnosis.after) if evaluation is not None]
    texts, why = texts_of(diagnosis.after)

    def fill(draft: Path) -> None:
        (draft / NUMBERS).write_text(as_json(diagnosis), "utf-8")
        draw_diagnosis(diagnosis, draft)
        pictures = {"Changes": (draft / f"{PICTURE}.svg").read_bytes()}
        findings = [
            {"title": TITLES[finding.kind], "alarm": finding.alarm, "evidence": finding.evidence, "mend": finding.mend}
            for finding in diagnosis.findings
        ]
        page = render_page(evaluations, pictures, texts, why, findings)
        (draft / PAGE).write_text(page, "utf-8", newline="\n")

    write_whole(output, overwrite, new_record("diagnose", origin or {}, "hf_lmt"), fill)
