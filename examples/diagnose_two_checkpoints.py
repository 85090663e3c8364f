"""Diagnosing two checkpoints: where did the second get worse, and is it directional degeneration?

    python examples/diagnose_two_checkpoints.py --before CHECKPOINT --after CHECKPOINT --data TABLE

Without --after, a checkpoint is made that is to fail: a few steps on rows in which six English
sentences stand behind thirteen sources each, which is what multi-way data used backwards does to a
model (arXiv 2511.07003). It runs offline on the small real model and the package's sample, in some
minutes on two CPU cores. `hf-lmt evaluate` and `hf-lmt diagnose` do the same from a shell.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset
from small_models import SENTENCES, load_model, load_tokenizer
from trl import SFTConfig, SFTTrainer

from hf_lmt import ParallelMultilingualPrompting, Translator, diagnose, evaluate

DIRECTIONS = ("de-en", "nl-en", "es-en", "pt-en", "en-de", "en-nl", "en-es", "en-pt")
TAUGHT = 6  # sentences that the failing checkpoint is taught; they are not evaluated on


def main() -> None:
    options = read_options()
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    table = load_dataset("csv", data_files=options.data, split="train")
    held_out = folder / "held_out.csv"
    table.skip(TAUGHT).to_csv(held_out)
    tokenizer = load_tokenizer(options.before)
    model = load_model(options.before)
    for name in ("before", "after"):
        if name == "after" and options.after is not None:
            model, tokenizer = load_model(options.after), load_tokenizer(options.after)
        elif name == "after":
            spoil(model, tokenizer, table.take(TAUGHT), folder / "spoiled", options.steps)
        evaluate(
            str(held_out),
            folder / name,
            directions=DIRECTIONS,
            max_samples=options.lines,
            model=Translator(model, tokenizer, num_beams=1, max_new_tokens=48),
            overwrite=True,
        )

    found = diagnose(folder / "before", folder / "after")
    for finding in found.findings:
        print(f"\n{finding.kind} in {', '.join(finding.where)}\n  {finding.evidence}")
        print(f"  what to do: {finding.mend}" if finding.mend else "")
    print(
        f"\nnumbers, picture and page:\n  hf-lmt diagnose {folder / 'before'} {folder / 'after'} "
        f"--output {folder / 'diagnosis'}"
    )


def spoil(model: Any, tokenizer: Any, table: Dataset, folder: Path, steps: int) -> None:
    """Train on each line's English sentence behind all its other languages, over and over."""
    languages = [code for code in table.column_names if code != "en"]
    rows = Dataset.from_list(
        [
            {"source_lang": code, "target_lang": "en", "source": line[code], "target": line["en"]}
            for line in table
            for code in languages
        ]
    )
    rows = ParallelMultilingualPrompting(share=0)(rows)
    wanted = ["prompt", "completion"]
    trainer = SFTTrainer(
        model,
        SFTConfig(
            str(folder),
            max_steps=steps,
            learning_rate=2e-4,
            per_device_train_batch_size=8,
            lr_scheduler_type="constant",
            save_strategy="no",
            logging_steps=5,
            report_to=[],
            use_cpu=True,
            bf16=False,
        ),
        train_dataset=rows.select_columns(wanted),
        processing_class=tokenizer,
    )
    trainer.train()
    model.eval()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--before", help="Hub id or folder [default: SmolLM2-135M-Instruct]")
    parser.add_argument("--after", help="Hub id or folder [default: --before, made to fail]")
    parser.add_argument("--data", default=SENTENCES, help="CSV with a column per language")
    parser.add_argument("--lines", type=int, default=24, help="of the set, in each direction")
    parser.add_argument("--steps", type=int, default=15, help="of the training that is to fail")
    parser.add_argument("--output", default="examples-output/diagnosis")
    return parser.parse_args()


if __name__ == "__main__":
    main()
