"""`hf-lmt translate`: files, pipes, rows; killed and typed again; what cannot be read."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.commands.translate import translate_command
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError

LINES = "name the capital of france\n\nhello world\n  \nwhat is water\n"
ROW = {"source": "hello world", "source_lang": "en", "target_lang": "kk"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translator")
    model = make_model("llama")
    model.generation_config.eos_token_id = list(range(100, 125))
    model.save_pretrained(folder)
    make_tokenizer(chat_template=CHATML).save_pretrained(folder)
    return folder


def run(folder: Path, *given: Any, text: str | bytes = "") -> Result:
    short = ("--device", "cpu", "--beams", "1", "--max-new-tokens", "8")
    arguments = ["--model", str(folder), *short, *map(str, given)]
    return CliRunner().invoke(translate_command, arguments, input=text)


def expected(folder: Path, texts: list[str], target: str = "kk") -> list[str]:
    translator = Translator(folder, device="cpu", num_beams=1, max_new_tokens=8)
    found = translator(texts, src_lang="en", tgt_lang=target)
    return [" ".join(text.splitlines()) for text in found]


def test_lines_through_a_pipe(folder: Path) -> None:
    result = run(folder, "--from", "en", "--to", "kk", text=LINES)
    assert result.exit_code == 0, result.output
    assert result.stdout.split("\n") == [*expected(folder, LINES.split("\n")[:-1]), ""]
    assert result.stdout.split("\n")[1] == ""


def test_rows_keep_their_columns(folder: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"id": 7, **ROW}, {**ROW, "source": ""}, {"source": "rain", "note": "ü"}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    result = run(folder, "--from", "en", "--to", "kk", "--input", source, "--output", output, "--hints", "self")
    assert result.exit_code == 0, result.output
    written = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert [{name: row[name] for name in given} for row, given in zip(written, rows, strict=True)] == rows
    assert written[1]["hypothesis_status"] == "empty"
    assert all(
        row["hypothesis_hint_lang"] == "ru" or row["hypothesis_hint_dropped"] for row in (written[0], written[2])
    )
    assert not (tmp_path / "out.jsonl.work").exists()
    assert "ü" in output.read_text("utf-8")


def test_documents_keep_their_lines(folder: Path) -> None:
    text = "  Hello. World.\n\nRain."
    result = run(folder, "--from", "en", "--to", "de", "--documents", text=text)
    hello, world, rain = expected(folder, ["Hello.", "World.", "Rain."], "de")
    assert result.stdout == f"  {hello} {world}\n\n{rain}\n"


@pytest.mark.parametrize(
    ("arguments", "content", "words"),
    [
        (["--from", "en"], b"hi\n", "give --from and --to"),
        (["--from", "en", "--to", "kaz"], b"hi\n", "called 'kk' here"),
        (["--from", "en", "--to", "en"], b"hi\n", "the same"),
        (["--from", "en", "--to", "kk"], b"hi\n\xff\n", "line 2: byte 0 is not UTF-8"),
        (["--jsonl"], b'{"source": "hi"}\n', "line 1: the row has no source_lang, target_lang"),
        (["--jsonl"], b'{"text": 1}\n', "has no source, "),
        (["--jsonl"], b"[1]\n", "is not an object"),
        (["--jsonl"], b"{\n", "line 1: not JSON"),
        (["--jsonl"], b"null\n", "is not an object"),
        (
            ["--jsonl", "--from", "en", "--to", "kk"],
            b'{"source": "a \\ud83d"}\n',
            "line 1: .ud83d is half a character",
        ),
        (["--jsonl", "--from", "en", "--to", "kk"], b'{"source": 5}\n', "source is 5"),
        (["--jsonl", "--from", "en", "--to", "kk"], b'{"source": "a", "hypothesis": ""}\n', "has hypothesis already"),
        (["--from", "en", "--to", "kk", "--hints", "given"], b"hi\n", "give JSONL rows"),
        (
            ["--jsonl", "--from", "en", "--to", "kk", "--hints", "given"],
            b'{"source": "a", "auxiliary": "b"}\n',
            "without its language",
        ),
        (
            ["--jsonl", "--from", "en", "--to", "kk", "--hints", "given", "--documents"],
            b'{"source": "a", "auxiliary": "b", "auxiliary_lang": "ru"}\n',
            "cannot be split",
        ),
    ],
)
@pytest.mark.parametrize("way", ["file", "pipe"])
def test_input_that_cannot_be_used(
    folder: Path, arguments: list[str], content: bytes, words: str, way: str, tmp_path: Path
) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(content)
    if way == "file":
        result = run(tmp_path / "no-model", *arguments, "--input", source)  # before it is loaded
    else:
        result = run(folder, *arguments, text=content)
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=words):
        raise result.exception


def test_output_that_is_there_stays(folder: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("hello\n", "utf-8")
    output.write_text("mine", "utf-8")
    told = ("--from", "en", "--to", "kk", "--input", source, "--output", output)
    assert "is there already" in str(run(folder, *told).exception)
    assert output.read_text("utf-8") == "mine"
    assert run(folder, *told, "--overwrite").exit_code == 0
    assert output.read_text("utf-8") == expected(folder, ["hello"])[0] + "\n"


@pytest.mark.slow
def test_killed_and_typed_again(folder: Path, tmp_path: Path) -> None:
    source, output, work = (tmp_path / name for name in ("in.txt", "out.txt", "work"))
    source.write_text("".join(f"add {row} and rain {row * row}\n" for row in range(24)), "utf-8")
    told = [
        "--model",
        str(folder),
        "--device",
        "cpu",
        "--from",
        "en",
        "--to",
        "kk",
        "--beams",
        "5",
        "--batch-tokens",
        "900",
        "--input",
        str(source),
        "--max-new-tokens",
        "40",
    ]
    command = [
        sys.executable,
        "-c",
        "from hf_lmt.commands.translate import translate_command; translate_command()",
        *told,
    ]
    process = subprocess.Popen([*command, "--output", output, "--work", work], stderr=subprocess.DEVNULL)
    try:
        while kept(work) < 3 and process.poll() is None:
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = kept(work)
    assert 3 <= before < 24
    assert not output.exists()
    again = CliRunner().invoke(translate_command, [*told, "--output", str(output), "--work", str(work)])
    assert again.exit_code == 0, again.output
    assert kept(work) == 24
    other = tmp_path / "other.txt"
    assert CliRunner().invoke(translate_command, [*told, "--output", str(other)]).exit_code == 0
    assert output.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.txt",
        "other.txt",
        "out.txt",
        "work",
    ]


def kept(work: Path) -> int:
    path = work / "translations.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM texts").fetchone()[0])
        except sqlite3.OperationalError:  # the table is being made
            return 0
