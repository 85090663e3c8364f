"""Memory that runs out while a model loads is told, whichever library says it and however."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from click.testing import CliRunner

from hf_miwv.__main__ import main
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.memory import PROBE_ERRORS, is_out_of_memory, probe_fault
from hf_miwv.common.models.models import load_embedder, load_model


def raised_by(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("there was room")


USED_UP = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    raised_by(lambda: torch.empty(2**62, dtype=torch.uint8)),
    raised_by(lambda: np.empty(2**62, np.uint8)),
    RuntimeError("[enforce fail at alloc_cpu.cpp:80] DefaultCPUAllocator: not enough memory: you"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("unable to mmap 988097824 bytes from file: Cannot allocate memory (12)"),
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]
OTHER = [
    RuntimeError("shapes differ"),
    OSError(errno.ENOENT, "No such file or directory"),
    ValueError("out of memory is a word of this model's name"),
]


@pytest.mark.parametrize("error", USED_UP, ids=repr)
def test_models_that_do_not_fit(error: BaseException, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_out_of_memory(error)

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", fail)
    monkeypatch.setattr("sentence_transformers.SentenceTransformer", fail)
    with pytest.raises(InputError, match=r"model '.*' does not fit into the memory of cpu \(") as told:
        load_model(str(model_folder), device="cpu")
    assert str(model_folder) in str(told.value)
    for words in ("--dtype bfloat16", "--load-in-4bit", "another device", "a smaller model"):
        assert words in str(told.value)
    with pytest.raises(InputError, match=r"embedder 'x/y' does not fit.*the device at hand.*smaller"):
        load_embedder("x/y")


def test_a_first_pass_that_does_not_fit(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise USED_UP[0]

    monkeypatch.setattr("hf_miwv.common.models.models.check_causal", fail)
    with pytest.raises(InputError, match="does not fit into the memory of cpu"):
        load_model(str(model_folder), device="cpu")


@pytest.mark.parametrize("error", OTHER, ids=repr)
def test_other_faults_are_not_laid_to_memory(
    error: Exception, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_out_of_memory(error)

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", fail)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(model_folder), device="cpu")


def test_the_command_ends_without_a_traceback(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise USED_UP[2]

    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", fail)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"instruction": "a", "output": "b"}\n' * 3)
    words = ["score", str(rows), "--model", str(model_folder), "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "does not fit into the memory of" in done.output
    assert "Traceback" not in done.output


def test_a_probe_that_fails_says_so_unless_memory_is_used_up() -> None:
    assert probe_fault(TypeError("no such\nargument"), 40) == "no such"
    assert probe_fault(IndexError(), 40) == "IndexError"
    assert issubclass(torch.OutOfMemoryError, PROBE_ERRORS)
    with pytest.raises(InputError, match="out of memory in a first pass of 40 tokens"):
        probe_fault(USED_UP[0], 40)
