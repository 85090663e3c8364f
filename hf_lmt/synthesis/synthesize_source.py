"""`hf-lmt synthesize` in order: read, translate, pair, curate, write a folder with card."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_lmt.data.corpora.row_folder import write_parts
from hf_lmt.data.curation.step import Step
from hf_lmt.synthesis.synthesis_record import complete_record, describe_model, start_record
from hf_lmt.synthesis.synthesis_report import card_text
from hf_lmt.synthesis.synthesize import Synthesized, synthesize
from hf_lmt.synthesis.synthetic_pairs import DEFAULT_WAY, check_way
from hf_lmt.synthesis.texts import read_rows, survey_texts
from hf_lmt.translation.translator import Translator
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.workspace import Workspace

logger = logging.getLogger(__name__)


def synthesize_source(
    path: str,
    into: str,
    output: Path,
    *,
    model: str,
    steps: Sequence[Step],
    language: str | None = None,
    pivot: str | None = None,
    way: str = DEFAULT_WAY,
    kind: str | None = None,
    corpus: str | None = None,
    split: str | None = None,
    language_names: Mapping[str, str] | None = None,
    license: str | None = None,
    model_license: str | None = None,
    keep_rejects: bool = False,
    overwrite: bool = False,
    work: Path | None = None,
    command_line: Sequence[str] | None = None,
    progress: bool = True,
    **translating: Any,
) -> dict[str, Any]:
    """Read texts or pairs, `synthesize`, write a folder; return its run.json.

    The folder holds the pairs (`data/`), what is not used if asked for (`rejects/`), a card and
    run.json. A folder that is this run's result is left as it is. A run that was killed goes on
    with the translations that it has, to the same bytes but for "timing"; so does one with other
    settings of curation, after a refusal.

    Args:
        path (`str`): File, folder or Hub id of the texts or pairs; see `texts.read_rows`.
        into (`str`): Code of the language to translate into.
        output (`Path`): Folder to write.
        model (`str`): Hub id or path of the model.
        steps (`Sequence[Step]`): Steps of curation, in order.
        language (`str`, *optional*): Code of the only language to read.
        pivot (`str`, *optional*): Code of the language whose side of pairs is translated.
        way (`str`, *optional*, defaults to `"back"`): One of WAYS: the use of the pairs.
        kind (`str`, *optional*): Kind of the data, where its look does not tell.
        corpus (`str`, *optional*): Name of the corpus.
        split (`str`, *optional*): Split of a data set.
        language_names (`Mapping[str, str]`, *optional*): Unknown names of languages -> codes.
        license (`str`, *optional*): License of the data, for the card.
        model_license (`str`, *optional*): License of the model, for the card.
        keep_rejects (`bool`, *optional*, defaults to `False`): Write what is not used, too.
        overwrite (`bool`, *optional*, defaults to `False`): Replace what `output` holds.
        work (`Path`, *optional*): Folder to keep translations in for other runs, too.
        command_line (`Sequence[str]`, *optional*): The command, for the record.
        progress (`bool`, *optional*, defaults to `True`): Show bars.
        **translating (`Any`): Arguments of `Translator` beside model and work.

    Returns:
        `dict[str, Any]`: run.json.

    Raises:
        InputError: as `check_output`, `read_rows`, `Translator` and `synthesize`; or `output` holds
            another run's result.
    """
    check_way(way)
    folder_run = FolderRun(output, overwrite, inputs=[Path(path) if Path(path).exists() else None])
    began = time.monotonic()
    loaded = read_rows(
        path,
        into,
        language=language,
        pivot=pivot,
        kind=kind,
        corpus=corpus,
        split=split,
        language_names=language_names,
    )
    survey_texts(loaded.rows, into, pivot)  # what cannot be used shows before a model is loaded
    for step in steps:  # an evaluation set that is not there shows before a model is loaded, too
        step.load()
    with folder_run.work() as workspace:
        logger.info("loading %s", model)
        translator = Translator(model, work=work or workspace.folder, **translating)
        described = describe_model(model, translating.get("revision"), model_license, translator)
        run = start_record(
            loaded,
            {
                "source": path,
                "kind": kind,
                "split": split,
                "license": license,
                "language_names": dict(language_names or {}),
            },
            described,
            {"into": into, "from": language, "pivot": pivot, "as": way, "keep_rejects": keep_rejects},
            steps,
            command_line,
        )
        if folder_run.is_finished(run["identity"]):
            return read_record(output) or {}
        synthesized = synthesize(
            loaded.rows,
            translator,
            into,
            model=described["source"],
            revision=described["revision"],
            pivot=pivot,
            way=way,
            steps=steps,
            keep_rejects=keep_rejects,
            folder=workspace.folder,
            progress=progress,
        )
        translator.close()
        run = complete_record(run, synthesized.counts, synthesized.rows, translator, time.monotonic() - began)
        _write(output, workspace, synthesized, run)
    logger.info("written: %s", output)
    return run


def _write(output: Path, workspace: Workspace, synthesized: Synthesized, run: dict[str, Any]) -> None:
    parts = {"synthetic": synthesized.rows}
    if synthesized.rejects is not None:
        parts["rejects"] = synthesized.rejects

    def decorate(folder: Path) -> None:
        sizes = {name: len(rows) for name, rows in parts.items()}
        (folder / "README.md").write_text(card_text(run, sizes), encoding="utf-8", newline="\n")

    write_parts(output, workspace, parts, run, decorate)
