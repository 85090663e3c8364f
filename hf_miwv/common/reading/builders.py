"""The builders of the `datasets` library, with JSON and the separators of CSV read our way."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datasets import DatasetBuilder, DatasetInfo, load_dataset_builder
from datasets.fingerprint import Hasher
from datasets.packaged_modules.csv.csv import Csv
from datasets.packaged_modules.json.json import Json

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.csv_files import folder_options
from hf_miwv.common.reading.json_builder import ExactJson

VERSION = "rows-1"  # in the cache, so that what another reader wrote there is not taken for ours


def open_builder(path: str, *, shown: str | None = None, field: str | None = None, **options: Any) -> DatasetBuilder:
    """Open the library's builder for a data set; where it reads JSON, one that reads it exactly.

    Args:
        path (`str`): A folder, an id on the Hub, or the name of a file format ("json", "csv", ...).
        shown (`str`, *optional*): Name of the one file that is read, in messages.
        field (`str`, *optional*): Key of the JSON documents under which their rows lie.
        **options (`Any`): Passed on to `datasets.load_dataset_builder`.

    Returns:
        `DatasetBuilder`: The builder, not prepared yet.

    Raises:
        InputError: a `field` for a data set that is not JSON, or a folder whose CSV files have different
            separators.
    """
    builder = load_dataset_builder(path, **options)
    root = builder._cache_dir_root
    if not isinstance(builder, Json):
        if field is not None:
            raise InputError(f"--field {field}: is for JSON, and {path} holds {builder.name}")
        if isinstance(builder, Csv) and os.path.isdir(path):
            files = [Path(file) for split in builder.config.data_files.values() for file in split]
            if separator := folder_options(files, builder.config.sep):
                return load_dataset_builder(path, **options, **separator)
        return builder
    if builder.info.features is not None and os.path.isdir(builder.cache_dir):
        # These may be the types of an earlier reading by the library itself, from its cache.
        with TemporaryDirectory() as empty:
            builder = load_dataset_builder(path, **{**options, "cache_dir": empty})
    # A name in the cache of its own, by reader and field: what another reader wrote under the library's is not ours.
    field = field or builder.config.field
    exact = ExactJson(
        cache_dir=root,
        dataset_name=builder.dataset_name,
        config_name=builder.config.name,
        config_id=builder.config_id + (f"-{Hasher.hash(field)}" if field else ""),
        hash=f"{builder.hash}-{VERSION}" if builder.hash else VERSION,
        base_path=builder.base_path,
        info=DatasetInfo(features=builder.info.features),
        repo_id=builder.repo_id,
        token=builder.token,
        data_files=builder.config.data_files,
        field=field,
    )
    exact.shown = shown
    return exact
