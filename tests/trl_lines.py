"""The `trl sft` lines that commands print, read and run as TRL's own script does."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from trl.scripts.sft import main, make_parser

END = [
    "--max_steps",
    "1",
    "--save_strategy",
    "no",
    "--per_device_train_batch_size",
    "2",
    "--use_cpu",
    "--bf16",
    "False",
]


def run_trl_line(line: str, **models: Path) -> Any:
    """Run a printed line for one step, with a tiny model in place of one that is named; the script's arguments."""
    words = shlex.split(line)
    assert Path(words[0]).name == "trl"
    assert words[1] == "sft"
    for name, folder in models.items():
        words[words.index(f"--{name}") + 1] = str(folder)
    script, training, model, dataset, *unknown = make_parser().parse_args_and_config([*words[2:], *END])
    assert not any(unknown)
    main(script, training, model, dataset)
    assert (Path(training.output_dir) / "model.safetensors").exists()
    return script, training
