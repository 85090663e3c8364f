"""A stream of rows to a data set on disk: written once, there as a whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import datasets
import pyarrow as pa
from datasets import Dataset, IterableDataset
from datasets.fingerprint import Hasher
from filelock import FileLock, Timeout

from hf_miwv.common.errors import InputError
from hf_miwv.common.internals.of_datasets import parts_of
from hf_miwv.common.progress import stage
from hf_miwv.common.reading.diagnosis import reason
from hf_miwv.common.runs.folder import write_errors
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import DamagedWorkError, is_sealed, put_sealed, workspace_of
from hf_miwv.rows.stream_tables import ArrowFile, tables

PULSE = 60.0  # seconds; processes that wait for one another without a sign give up after minutes
WAIT = "not yet"

logger = logging.getLogger(__name__)


def spool(
    stream: IterableDataset,
    output: Path | None,
    *,
    origin: Mapping[str, Any] | None = None,
    processes: Processes | None = None,
    progress: bool = True,
) -> Dataset:
    """Write all rows of a stream to a data set on disk, in one pass with few of them in memory.

    The rows lie in OUTPUT.work until `release`; without an output, in the cache of `datasets`,
    where they stay. A spool counts once it is whole: a killed run that comes back finds it, or
    begins again. It is found by what the stream is made of (its files, or the code that makes its
    rows) and by `origin`, not by its rows; a log line says so.

    Column types are the stream's own; where it knows none, they are those of its rows, over all of
    them. Of several processes the first reads and the others wait: all must see the disk.

    Args:
        stream (`IterableDataset`): The rows.
        output (`Path`, *optional*): Output of the run that reads them.
        origin (`Mapping[str, Any]`, *optional*): Where they come from, as `take_rows` returns it.
        processes (`Processes`, *optional*): The processes of the run; by default this one alone.
        progress (`bool`, *optional*, defaults to `True`): Whether a bar is shown.

    Returns:
        `Dataset`: The rows, as a memory map.

    Raises:
        InputError: no rows; a row that cannot be read or does not fit its columns (named); the
            disk is full; another process is at it.
    """
    processes = processes or Processes()
    origin = origin or {}
    name = str(origin.get("source") or "the stream")
    key = processes.agree(_key(stream, origin) if processes.first else "")
    target = output or Path(datasets.config.HF_DATASETS_CACHE) / f"miwv-stream-{key}"
    folder = workspace_of(target) / "spool"
    with write_errors(target):
        _first_alone(processes, lambda pulse: _spool(stream, folder, key, name, pulse, progress))
    if not all(processes.gather(_spooled_rows(folder, key))):
        raise InputError(
            f"{folder} is not there for every process: a stream is written once, so --output must "
            "lie on a disk that all machines share"
        )
    return Dataset.from_file(str(folder / "rows.arrow"))


def release(output: Path) -> None:
    """Remove the rows that `spool` wrote for this output.

    Args:
        output (`Path`): Output of the run.
    """
    _remove(workspace_of(output) / "spool")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # other unfinished work is still in it, or it is gone
        folder.parent.rmdir()


def _spooled_rows(folder: Path, key: str) -> int:
    """Count the rows made of `key` that lie in the folder; 0 unless all of them do."""
    description_file = folder / "stream.json"
    description = json.loads(description_file.read_text("utf-8")) if description_file.exists() else {}
    return description["rows"] if description.get("key") == key else 0


def _key(stream: IterableDataset, origin: Mapping[str, Any]) -> str:
    """Hash the stream's parts; return another hash each time where they cannot be hashed."""
    made_of = parts_of(stream)
    described = {name: value for name, value in origin.items() if name != "command_line"}
    try:
        return Hasher.hash([made_of, str(stream.features), described]) if made_of else uuid4().hex
    except Exception:  # pickling raises many kinds
        logger.info("this stream cannot be recognized again: a killed run will read it anew")
        return uuid4().hex


def _first_alone(processes: Processes, work: Callable[[Callable[[], None]], None]) -> None:
    """Run `work(pulse)` on the first process, while the others wait for it; all raise its InputError.

    `pulse` is to be called often: now and then it tells the others to wait on.
    """
    last_pulse = time.monotonic()

    def pulse() -> None:
        nonlocal last_pulse
        if processes.world > 1 and time.monotonic() - last_pulse > PULSE:
            processes.agree(WAIT)
            last_pulse = time.monotonic()

    # Each round of the others meets one pulse, or the end: collective calls must match in number.
    answer: Any = WAIT
    while not processes.first and answer == WAIT:
        answer = processes.agree(None)
    if processes.first:
        try:
            work(pulse)
            answer = None
        except (InputError, OSError) as error:
            answer = error
        processes.agree(answer)
    if answer is not None:
        raise answer


def _spool(
    stream: IterableDataset,
    folder: Path,
    key: str,
    name: str,
    pulse: Callable[[], None],
    progress: bool,
) -> None:
    """Write rows.arrow in `folder`, and last a description of the stream beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock").acquire(timeout=0):
            if (count := _spooled_rows(folder, key)) and is_sealed(folder / "rows.arrow"):
                logger.info(
                    "going on with the %s rows of %s that lie in %s; remove it to have them read again",
                    f"{count:,}",
                    name,
                    folder,
                )
                return
            logger.info("writing the rows of %s to %s", name, folder)
            # The description vouches for the rows: it goes before they change, and comes back after they are sealed.
            (folder / "stream.json").unlink(missing_ok=True)
            count = _write(stream, folder / "rows.part", name, pulse, progress)
            put_sealed(folder / "rows.part", folder / "rows.arrow")
            (folder / "rows.part").write_text(json_text({"key": key, "rows": count}), "utf-8")
            os.replace(folder / "rows.part", folder / "stream.json")
    except Timeout:
        raise InputError(f"another process is at work in {folder}; wait for it, or give another --output") from None
    except DamagedWorkError:
        raise
    except Exception:
        _remove(folder)
        raise


def _write(stream: IterableDataset, path: Path, name: str, pulse: Callable[[], None], progress: bool) -> int:
    """Write all rows as one Arrow file; return the number of them."""
    count = 0
    file = ArrowFile(path)
    try:
        with stage("reading the stream", "row", show=progress) as bar:
            for table in tables(stream, name):
                try:
                    file.append(table)
                except pa.ArrowException as error:
                    raise InputError(
                        f"{name}: rows from {count:,} on do not fit those before "
                        f"({reason(error)}); give each column one type in all rows"
                    ) from error
                count += len(table)
                bar.update(len(table))
                pulse()
    finally:
        file.close()
    if not count:
        raise InputError(f"{name}: holds no rows; give a data set with at least one")
    return count
