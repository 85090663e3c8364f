"""Preparation on Ray: two nodes on this machine, one of whose workers is killed, give the rows of one process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
import yaml

from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from tests.lmt.data.prepare.prepared_rows import NO_SETS, lines, rows_of, table

pytest.importorskip("datatrove", reason="datatrove is missing: pip install 'hf-miwv-lmt[scale]'")
pytest.importorskip("ray", reason="ray is missing: pip install ray")

import ray

from hf_lmt.pipeline.prepare_sharded import prepare_sharded
from hf_miwv.common.executors.executor_settings import read_executor

MEMORY = 4 << 30  # bytes that each node says it has


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    arguments = {"num_cpus": 2, "memory": MEMORY, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=arguments)
    cluster.add_node(**arguments)
    ray.init(address=cluster.address, log_to_driver=False)
    yield
    ray.shutdown()
    cluster.shutdown()


def kill_a_worker(markers: Path, killed: list[int]) -> None:
    """Kill the first process of Ray that runs a task of the stage with these markers."""
    while not killed:
        if markers.parent.exists():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    words = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if words.startswith(b"ray::RankWorker"):
                    os.kill(int(process.name), signal.SIGKILL)
                    killed.append(int(process.name))
                    return
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.usefixtures("nodes")
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds processes by /proc")
def test_two_nodes_give_the_rows_of_one_process(tmp_path: Path) -> None:
    content = {"data": [{"path": table(tmp_path / "t.jsonl", lines(200))}], "seed": 3, "curation": NO_SETS}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content), "utf-8")
    recipe = read_data_recipe(tmp_path / "r.yaml")
    settings = read_executor("ray:4", {"mem_per_cpu_gb": 1})
    killed: list[int] = []
    markers = tmp_path / "rows.work" / "tasks" / "curate" / "completions"
    threading.Thread(target=kill_a_worker, args=(markers, killed), daemon=True).start()
    prepare_sharded(recipe, tmp_path / "rows", settings, progress=False)
    assert killed
    prepare(recipe, tmp_path / "one", progress=False)
    assert rows_of(tmp_path / "rows") == rows_of(tmp_path / "one")
