"""The packages on a system without the modules that only Unix has, as Windows is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hf_miwv.common.runs import flushing

ROOT = Path(__file__).parents[1]
UNIX_ONLY = ("resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "posix_ipc", "syslog")
# They are hidden from our own files alone: libraries take what this system has.
HIDING = """
import builtins, importlib, sys
from pathlib import Path
original = builtins.__import__
def hiding(name, variables=None, *arguments, **words):
    package = str((variables or {{}}).get("__name__", "")).split(".")[0]
    if package in ("hf_miwv", "hf_lmt") and name.split(".")[0] in {unix_only!r}:
        raise ImportError(f"no module named {{name}} here")
    return original(name, variables, *arguments, **words)
builtins.__import__ = hiding
for module in {modules!r}:
    importlib.import_module(module)
from hf_miwv import score
run = score([{{"prompt": f"Say {{word}}.", "completion": word}} for word in ("one", "two", "three", "four")],
            {model!r}, embedder={embedder!r}, output={output!r}, device="cpu")
assert Path({output!r}, "run.json").is_file()
print("all")
"""


def test_every_module_is_imported_and_rows_are_scored_without_unix(
    model_folder: Path, embedder_folder: Path, tmp_path: Path
) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in [*ROOT.glob("hf_lmt/**/*.py"), *ROOT.glob("hf_miwv/**/*.py")]
        if "modules/hf_lmt_" not in path.as_posix() and path.name not in ("comet_worker.py", "quality_worker.py")
    ]
    code = HIDING.format(
        unix_only=UNIX_ONLY,
        modules=sorted(modules),
        model=str(model_folder),
        embedder=str(embedder_folder),
        output=str(tmp_path / "scored"),
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("all\n"), done.stderr[-2000:]


def test_windows_flushes_files_and_leaves_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("content", "utf-8")
    (tmp_path / "folder").mkdir()
    opened = []
    open_file = flushing.os.open

    def open_as_on_windows(path: Path, mode: int) -> int:
        assert not path.is_dir(), "Windows cannot open a folder"
        opened.append((path.name, mode))
        descriptor: int = open_file(path, mode)
        return descriptor

    monkeypatch.setattr(flushing, "on_windows", lambda: True)
    monkeypatch.setattr(flushing.os, "open", open_as_on_windows)
    flushing.flush_all(tmp_path)
    assert opened == [("file", flushing.os.O_RDWR)]
