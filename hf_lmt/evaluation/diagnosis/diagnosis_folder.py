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
    found: Diagnosis,
    output: Path,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write diagnosis.json, diagnosis.png and .svg, and index.html: both evaluations side by side.

    Sources and references are in the page where the set is at hand, so it is not to be published.

    Raises:
        InputError: `output` holds something, or cannot be written.
    """
    from hf_miwv.common.runs.record import new_record

    evaluations = [one for one in (found.before, found.after) if one is not None]
    texts, why = texts_of(found.after)

    def fill(draft: Path) -> None:
        (draft / NUMBERS).write_text(as_json(found), "utf-8")
        draw_diagnosis(found, draft)
        pictures = {"Changes": (draft / f"{PICTURE}.svg").read_bytes()}
        findings = [
            {"title": TITLES[one.kind], "alarm": one.alarm, "evidence": one.evidence, "mend": one.mend}
            for one in found.findings
        ]
        page = render_page(evaluations, pictures, texts, why, findings)
        (draft / PAGE).write_text(page, "utf-8", newline="\n")

    write_whole(output, overwrite, new_record("diagnose", origin or {}, "hf_lmt"), fill)
