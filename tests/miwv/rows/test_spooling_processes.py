"""Spooling in real processes: killed, watched for its memory, two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from datasets import Dataset
from tiny import make_rows

from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.rows.spooling import spool

KILLED = """
import sys
from pathlib import Path
from datasets import IterableDataset
from hf_miwv.rows.spooling import spool

def rows(count):
    for index in range(count):
        yield {"a": index}

stream = IterableDataset.from_generator(rows, gen_kwargs={"count": 10**9})
spool(stream, Path(sys.argv[1]), progress=False)
"""


def test_killed_while_it_reads_nothing_half_written_counts(tmp_path: Path) -> None:
    output = tmp_path / "scored"
    folder = workspace_of(output) / "spool"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(output)])
    deadline = time.monotonic() + 120
    while not ((folder / "rows.part").exists() and (folder / "rows.part").stat().st_size > 99999):
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "rows.part"]
    stream = Dataset.from_list(make_rows(30)).to_iterable_dataset()
    assert spool(stream, output, progress=False).to_list() == make_rows(30)


MEMORY = """
import resource, sys
from pathlib import Path
from datasets import Dataset, IterableDataset
from hf_miwv.rows.spooling import spool

def rows(count):
    for index in range(count):
        yield {"instruction": f"{index} " + "x" * 2000, "output": None if index < 500 else "y"}

output = Path(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
spool(IterableDataset.from_generator(rows, gen_kwargs={"count": 5000}), output, progress=False)
before = peak()
spool(IterableDataset.from_generator(rows, gen_kwargs={"count": 100_000}), output, progress=False)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in KiB")
def test_memory_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    words = [sys.executable, "-c", MEMORY, str(tmp_path / "scored")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    size = (workspace_of(tmp_path / "scored") / "spool" / "rows.arrow").stat().st_size
    assert size > 190 * 2**20
    assert int(done.stdout) < 60


TOGETHER = """
import sys
from pathlib import Path
from accelerate import PartialState
from datasets import IterableDataset
import hf_miwv.rows.spooling
from hf_miwv.common.runs.processes import Processes

def rows(end, marks):
    open(marks, "a").write("x")
    yield from ({"a": number} for number in range(4500))
    if end == "broken":
        raise OSError("the line went dead")

hf_miwv.rows.spooling.PULSE = 0.0  # a sign of life behind each block
processes, output, found = Processes.launched(), Path(sys.argv[1]), []
for end in ("whole", "broken"):
    stream = IterableDataset.from_generator(rows, gen_kwargs={"end": end, "marks": sys.argv[2]})
    try:
        whole = hf_miwv.rows.spooling.spool(stream, output, processes=processes, progress=False)
        found.append(len(whole))
    except hf_miwv.InputError as error:
        found.append(str(error))
everybody = processes.gather(found)
print(everybody if processes.first else "")
PartialState().destroy_process_group()
"""


@pytest.mark.slow
def test_of_two_processes_one_reads_and_the_other_waits(tmp_path: Path) -> None:
    script, marks = tmp_path / "together.py", tmp_path / "marks"
    script.write_text(TOGETHER)
    launch = Path(__file__).parents[3] / "recipes" / "accelerate" / "cpu.yaml"
    words = ["-m", "accelerate.commands.launch", "--config_file", launch, script, tmp_path / "scored", marks]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("[4500, 'the stream: the stream broke off at row 4,500 (the li") == 2
    assert marks.read_text() == "xx"  # of two streams, each read once
