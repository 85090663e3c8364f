"""Supervised fine-tuning on the rows that teach most: an ordinary TRL script and two lines more.

    python examples/sft_on_the_chosen.py

The two lines are those behind "# +"; without them the script trains on all rows. It runs offline on
the small real models and the sample of the package (a minute or two on two CPU cores); name your
own with --model, --embedder and --data.
"""

from __future__ import annotations

import argparse

from datasets import load_dataset
from small_models import INSTRUCTIONS, load_model, load_tokenizer, small_embedder
from trl import SFTConfig, SFTTrainer

from hf_miwv import MIWVSelectionCallback  # +


def main() -> None:
    options = read_options()
    dataset = load_dataset("json", data_files=options.data, split=f"train[:{options.rows}]")
    dataset = dataset.map(as_prompt_and_completion, remove_columns=dataset.column_names)
    trainer = SFTTrainer(
        load_model(options.model),
        SFTConfig(
            options.output,
            max_length=512,
            per_device_train_batch_size=4,
            num_train_epochs=1,
            learning_rate=2e-5,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            bf16=False,
        ),
        train_dataset=dataset,
        processing_class=load_tokenizer(options.model),
    )
    embedder = options.embedder or small_embedder()
    trainer.add_callback(MIWVSelectionCallback(trainer, fraction=0.25, embedder=embedder))  # +
    trainer.train()
    print(
        f"trained on {len(trainer.train_dataset)} of {len(dataset)} rows, "
        f"{trainer.state.global_step} steps; the choice: {options.output}/miwv_choice.json"
    )


def as_prompt_and_completion(row: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    """A row of instruction, input and output as the turns that TRL trains on."""
    question = "\n".join(part for part in (row["instruction"], row["input"]) if part)
    return {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": row["output"]}],
    }


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default=INSTRUCTIONS, help="JSON Lines in Alpaca's shape")
    parser.add_argument("--model", help="Hub id or folder [default: SmolLM2-135M-Instruct]")
    parser.add_argument("--embedder", help="Hub id or folder [default: all-MiniLM-L6-v2]")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--output", default="examples-output/sft")
    return parser.parse_args()


if __name__ == "__main__":
    main()
