"""Rows as one Arrow file in the cache of `datasets`, written once and mapped into memory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import datasets
import pyarrow as pa
import xxhash
from datasets import Dataset

from hf_lmt.data.corpora.load import Loaded
from hf_miwv.common.runs.json_text import json_text


def cache_folder(name: str, made_of: Any) -> Path:
    """Return the folder of something in the cache: named after all that it is made of.

    Args:
        name (`str`): The kind of content, a part of the folder's name.
        made_of (`Any`): All that decides about the content, such as JSON holds; other content gets another folder.

    Returns:
        `Path`: The path in the cache of `datasets`; it may not be there yet.
    """
    key = xxhash.xxh3_128_hexdigest(json.dumps(made_of).encode())
    return Path(datasets.config.HF_DATASETS_CACHE) / f"lmt-{name}-{key}"


def cached_rows(folder: Path, schema: pa.Schema, blocks: Iterable[pa.Table], counts: Callable[[], dict]) -> Loaded:
    """Read rows from `folder`, which is written from `blocks` first where it does not exist.

    Args:
        folder (`Path`): From `cache_folder`; it exists as a whole or not at all.
        schema (`pa.Schema`): Columns of the rows.
        blocks (`Iterable[pa.Table]`): The rows; not begun where the folder exists.
        counts (`Callable[[], dict]`): Called after the last block; may raise, and then nothing is kept.

    Returns:
        `Loaded`: The rows, mapped into memory, and their counts.
    """
    if not (folder / "counts.json").exists():
        # A name of its own for each attempt: two processes that read the
        # same source do not write into one folder.
        draft = folder.with_name(f"{folder.name}.{uuid4().hex}")
        draft.mkdir(parents=True)
        try:
            path = str(draft / "rows.arrow")
            with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, schema) as writer:
                for block in blocks:
                    writer.write_table(block.cast(schema))
            (draft / "counts.json").write_text(json_text(counts()), "utf-8")
            if not folder.exists():  # another process may have been quicker, with the same bytes
                os.rename(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    row_counts = json.loads((folder / "counts.json").read_text("utf-8"))
    return Loaded(Dataset.from_file(str(folder / "rows.arrow")), row_counts)
