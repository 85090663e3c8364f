"""Where the rows of a recipe come from in TRL's names: `dataset_name`, or a list `datasets`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hf_miwv.common.errors import did_you_mean
from hf_miwv.common.extras import need
from hf_miwv.common.recipes.fields import field_hints
from hf_miwv.common.recipes.values import fault_of


@dataclass(frozen=True)
class DatasetKeys:
    """Hold the keys of TRL about rows, those of trl.ScriptArguments and trl.DatasetMixtureConfig.

    Args:
        entries (`list[dict]`): A mapping for each data set, with the keys of TRL's `datasets`: path,
            name (the configuration), split, data_dir, data_files, columns, fraction; only those given.
        test_split (`str`, *optional*): Split of held-out rows, where it is given.
    """

    entries: list[dict[str, Any]]
    test_split: str | None


def read_dataset_keys(content: Mapping[Any, Any], faults: list[str]) -> DatasetKeys:
    """Read the keys of `trl_keys.DATASETS`; what is wrong is added to `faults`.

    Where both are given, the list is read and dataset_name is not, as in TRL; here that is a fault.

    Args:
        content (`Mapping`): The recipe.
        faults (`list[str]`): All that is wrong is added to it.

    Returns:
        `DatasetKeys`: The data sets; none where the recipe has no such keys.
    """
    names = ("dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split")
    single = {key: content[key] for key in names if content.get(key) is not None}
    wrong = [fault for key in single if (fault := fault_of(key, single[key], str))]
    faults += wrong
    listed = content.get("datasets")
    if wrong:
        return DatasetKeys([], None)
    test_split = single.get("dataset_test_split")
    if listed:
        if "dataset_name" in single:
            faults.append("dataset_name and datasets both say where rows come from; leave one out")
        return DatasetKeys(_entries(listed, faults), test_split)
    if "dataset_name" not in single:
        if set(single) - {"dataset_test_split"}:
            faults.append(f"{', '.join(single)}: of which data set? give dataset_name")
        return DatasetKeys([], test_split)
    keys = {"dataset_name": "path", "dataset_config": "name", "dataset_train_split": "split"}
    return DatasetKeys([{keys[key]: value for key, value in single.items() if key in keys}], test_split)


def _entries(listed: Any, faults: list[str]) -> list[dict[str, Any]]:
    need("train", "the key datasets", "trl")
    from trl.scripts.utils import DatasetConfig

    hints = field_hints(DatasetConfig)
    if not isinstance(listed, list):
        faults.append(f"datasets: give a list of data sets, each with a path, not {listed!r}")
        return []
    before = len(faults)
    for number, entry in enumerate(listed, 1):
        if not isinstance(entry, dict) or "path" not in entry:
            faults.append(f"datasets, number {number}: give a mapping with a path, not {entry!r}")
            continue
        for key, value in entry.items():
            if key not in hints:
                faults.append(f"datasets, number {number}: unknown key {key!r}; {did_you_mean(str(key), hints)}")
            elif fault := fault_of(key, value, hints[key]):
                faults.append(f"datasets, number {number}: {fault}")
    return [] if len(faults) > before else [dict(entry) for entry in listed]
