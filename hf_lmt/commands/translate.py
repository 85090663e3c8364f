"""`hf-lmt translate`: lines or rows in, their translations out."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from hf_lmt.commands.model_options import weight_options
from hf_miwv.common.progress import stage

if TYPE_CHECKING:
    from hf_lmt.translation.files import Reading
    from hf_lmt.translation.translator import Translator

logger = logging.getLogger(__name__)


@click.command(
    "translate",
    help="""
    Translate with MODEL: lines from standard input to standard output, or FILE to FILE.

    Lines of text need --from and --to. JSONL rows have `source`, `source_lang` and `target_lang`;
    their other columns are kept, and `hypothesis` is added with its status and tokens. The order
    stays; an empty line stays an empty line. With --output or --work, a killed run goes on where it
    stopped when the same command is typed again.
    """,
)
@click.option(
    "--model",
    required=True,
    help="A causal language model: Hub id (USER/NAME, USER/NAME@REVISION), folder, GGUF file, or a PEFT adapter.",
)
@click.option("--model-revision", "revision", help="Revision of MODEL on the Hub.")
@click.option("--src-lang", "--from", "source_lang", metavar="CODE", help="Language of the texts (en).")
@click.option("--tgt-lang", "--to", "target_lang", metavar="CODE", help="Language to translate into (kk).")
@click.option(
    "--input",
    "input_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to read. [default: standard input]",
)
@click.option(
    "--output",
    "output_path",
    type=click.Path(path_type=Path),
    help="File to write, whole or not at all. [default: standard output]",
)
@click.option("--overwrite", is_flag=True, help="Replace what --output holds.")
@click.option("--jsonl", is_flag=True, help="Read JSONL rows. [default: by the name of --input]")
@click.option("--documents", is_flag=True, help="Split texts at sentence ends, and put them together again.")
@click.option(
    "--hints",
    type=click.Choice(["none", "self", "given"]),
    default="none",
    show_default=True,
    help="A hint in a third language: the model's own (PMP-S), or the row's `auxiliary` in `auxiliary_lang` (PMP-O).",
)
@click.option(
    "--num-beams",
    "--beams",
    "num_beams",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Width of the beam search, as in the paper; 1: greedy.",
)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    help="Tokens of a translation, at most; short sources get fewer.",
)
@click.option(
    "--batch-tokens",
    type=click.IntRange(1),
    help="Tokens of a batch, times beams. [default: 32768 on the CPU, else 131072]",
)
@click.option(
    "--prompt",
    help="lmt, plain, figure, tower, gemmax2, hunyuan-mt. [default: what the model was trained with, else lmt]",
)
@click.option(
    "--form",
    type=click.Choice(["conversation", "text"]),
    help="A turn in the chat template, or text, for base models. [default: the prompt's]",
)
@click.option(
    "--backend",
    type=click.Choice(["transformers", "vllm", "openai"]),
    default="transformers",
    show_default=True,
    help="vllm: greedy search at scale (--num-beams 1). openai: a vLLM or SGLang server that runs already.",
)
@click.option(
    "--base-url",
    metavar="URL",
    help="Backend openai: the server, http://HOST:8000/v1. Its key comes from OPENAI_API_KEY in the environment.",
)
@weight_options
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to keep finished texts in, for other runs too. [default: beside --output, removed at the end]",
)
def translate_command(
    source_lang: str | None,
    target_lang: str | None,
    input_path: Path | None,
    output_path: Path | None,
    overwrite: bool,
    jsonl: bool,
    documents: bool,
    work: Path | None,
    **options: Any,
) -> None:
    """Translate the lines or rows; see the help text."""
    from hf_lmt.translation.files import Reading, count_rows, is_jsonl, read_rows
    from hf_miwv.common.runs.folder import check_file, put_file_in_place, write_errors
    from hf_miwv.common.runs.workspace import Workspace, workspace_of

    reading = Reading(jsonl or is_jsonl(input_path), source_lang, target_lang, options["hints"], documents)
    name = str(input_path or "standard input")
    command_line = ["hf-lmt", *sys.argv[1:]]
    if output_path is not None:
        check_file(output_path, overwrite, str(input_path) if input_path else None, command_line)
    with ExitStack() as stack:
        total = None
        if input_path is None:
            file: BinaryIO = sys.stdin.buffer
        else:
            file = stack.enter_context(_open(input_path))
            total = count_rows(read_rows(file, name, reading))  # every fault before any work
            file.seek(0)
        rows = read_rows(file, name, reading)
        if output_path is None:
            translator = _load(work, options)
            for line in _lines(translator, rows, reading, total):
                sys.stdout.buffer.write(line.encode())
            sys.stdout.buffer.flush()
            return
        stack.enter_context(write_errors(output_path))
        workspace = stack.enter_context(Workspace(workspace_of(output_path)))
        translator = _load(work or workspace.folder, options)
        part = workspace.folder / "output.part"
        with open(part, "wb") as draft:
            draft.writelines(line.encode() for line in _lines(translator, rows, reading, total))
            draft.flush()
            os.fsync(draft.fileno())
        translator.close()
        put_file_in_place(part, output_path, workspace, command_line)


def _open(path: Path) -> BinaryIO:
    from hf_miwv.common.errors import InputError

    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"--input {path} cannot be read: {error.strerror or error}") from error


def _load(work: Path | None, options: dict[str, Any]) -> Translator:
    from hf_lmt.translation.translator import Translator

    logger.info("loading %s", options["model"])
    return Translator(work=work, **options)


def _lines(
    translator: Translator,
    rows: Iterable[tuple[dict[str, Any], Any]],
    reading: Reading,
    total: int | None,
) -> Iterator[str]:
    """Yield the output line by line, with a bar on standard error, and report a summary at the end."""
    from hf_lmt.translation.files import write_line

    # The translator reads ahead to fill its batches: the columns of what it has read wait for the translations.
    columns_of_pending: deque[dict[str, Any]] = deque()

    def requests() -> Iterator[Any]:
        for columns, request in rows:
            columns_of_pending.append(columns)
            yield request

    def advance(count: int) -> None:
        bar.update(count)

    with stage("translating", "line", total) as bar:
        for translation in translator.stream(requests(), notify=advance):
            yield write_line(columns_of_pending.popleft(), translation, reading)
    _report(translator)


def _report(translator: Translator) -> None:
    counts = translator.counts
    lines = sum(counts[status] for status in ("ok", "empty", "capped", "too_long"))
    dropped = sum(counts[name] for name in ("hint_blank", "hint_capped", "hint_too_long"))
    rate = counts["tokens"] / translator.seconds if translator.seconds else 0.0
    logger.info(
        "%d lines: %d empty, %d hinted (%d hints dropped), %d capped, %d too long; %d tokens, %.1f a second",
        lines,
        counts["empty"],
        counts["hinted"],
        dropped,
        counts["capped"],
        counts["too_long"],
        counts["tokens"],
        rate,
    )
    if counts["too_long"]:
        logger.warning(
            "%d texts do not fit into the model's context; their translations are empty; --documents splits them",
            counts["too_long"],
        )
