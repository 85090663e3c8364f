"""Preparation that was killed goes on to the same bytes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from multiprocess import get_context

from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_miwv.common.errors import InputError
from tests.lmt.data.prepare.prepared_rows import (
    PLAIN,
    data_bytes,
    lasting,
    lines,
    table,
)


def begin(folder: Path, name: str, num_proc: int) -> Any:
    """A process of its own; forked, for it would spend its time on imports."""

    def run() -> None:
        prepare(read_data_recipe(folder / "r.yaml"), folder / name, num_proc=num_proc, progress=False)

    process = get_context("fork").Process(target=run)
    process.start()
    return process


@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_run_that_is_killed_goes_on_to_the_same_bytes(num_proc: int, tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(500))
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**PLAIN, "data": [{"path": path}]}), "utf-8")
    prepare(read_data_recipe(tmp_path / "r.yaml"), tmp_path / "whole", progress=False)
    work = tmp_path / "killed.work"
    for name in (
        "identity.json",
        "rows.arrow.part",
        "rows.arrow",
        "kept.arrow",
        "prompted.arrow.part",
        "prompted.arrow",
        "output",
    ):
        process = begin(tmp_path, "killed", num_proc)
        while process.is_alive() and not (work / name).exists():
            time.sleep(0.001)
        process.kill()
        process.join()
        assert name == "output" or not (tmp_path / "killed").exists()
    process = begin(tmp_path, "killed", num_proc)
    process.join()
    assert process.exitcode == 0
    assert data_bytes(tmp_path / "killed") == data_bytes(tmp_path / "whole")
    assert lasting(tmp_path / "killed") == lasting(tmp_path / "whole")
    assert not work.exists()


@pytest.mark.parametrize("name", ["rows.arrow", "kept.arrow", "prompted.arrow"])
def test_a_flipped_bit_is_seen_when_a_run_goes_on(name: str, tmp_path: Path) -> None:
    path = table(tmp_path / "t.jsonl", lines(500))
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**PLAIN, "data": [{"path": path}]}), "utf-8")
    file = tmp_path / "killed.work" / name
    process = begin(tmp_path, "killed", 1)
    while process.is_alive() and not file.exists():
        time.sleep(0.001)
    process.kill()
    process.join()
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"{name} is damaged.*Remove .*killed.work, and run"):
        prepare(read_data_recipe(tmp_path / "r.yaml"), tmp_path / "killed", progress=False)
