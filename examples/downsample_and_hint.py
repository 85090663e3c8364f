"""Strategic Downsampling and Parallel Multilingual Prompting in somebody else's pipeline.

    python examples/downsample_and_hint.py

The pipeline is one of `datasets` steps: a table of translations to rows of pairs, and at the end
token ids for whatever trainer. The lines behind "# +" are ours: hints found, rows into English and
Chinese thinned, prompts written. It runs offline on the package's sample; nothing is trained.
"""

from __future__ import annotations

import argparse
from collections import Counter
from functools import partial
from itertools import permutations
from typing import Any

from datasets import Dataset, load_dataset
from small_models import SENTENCES, load_tokenizer

from hf_lmt import AuxiliarySentences, ParallelMultilingualPrompting, StrategicDownsampling  # +

LANGUAGES = ("en", "zh", "de", "nl", "es", "pt", "ru", "kk")


def main() -> None:
    options = read_options()
    table = load_dataset("csv", data_files=options.data, split="train")
    rows = table.map(as_pairs, batched=True, remove_columns=table.column_names)
    before = count_directions(rows)

    rows = rows.map(AuxiliarySentences(rows), batched=True)  # +
    rows = rows.filter(StrategicDownsampling(seed=0), batched=True)  # +
    rows = rows.map(ParallelMultilingualPrompting(seed=0), batched=True)  # +

    tokenizer = load_tokenizer(options.model)
    ready = rows.map(partial(tokenize, tokenizer=tokenizer), remove_columns=rows.column_names)
    report(before, rows, ready)
    ready.save_to_disk(options.output)
    print(f"{len(ready)} rows of token ids: {options.output}")


def as_pairs(table: dict[str, list[str]]) -> dict[str, list[str]]:
    """Each line of the table, from and into English and Chinese."""
    pairs: dict[str, list[str]] = {"source_lang": [], "target_lang": [], "source": [], "target": []}
    for source, target in permutations(LANGUAGES, 2):
        if not {source, target} & {"en", "zh"}:
            continue
        pairs["source"] += table[source]
        pairs["target"] += table[target]
        pairs["source_lang"] += [source] * len(table[source])
        pairs["target_lang"] += [target] * len(table[target])
    return pairs


def tokenize(row: dict[str, Any], tokenizer: Any) -> dict[str, list[int]]:
    """Prompt and completion as one text, the loss on the completion alone."""
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
    whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=False)
    return {"input_ids": whole, "labels": [-100] * len(prompt) + whole[len(prompt) :]}


def count_directions(rows: Dataset) -> Counter[str]:
    """Rows into English or Chinese from elsewhere ("reverse"), and all others ("forward")."""
    pivots = {"en", "zh"}
    return Counter(
        "reverse" if target in pivots and source not in pivots else "forward"
        for source, target in zip(rows["source_lang"], rows["target_lang"], strict=True)
    )


def report(before: Counter[str], rows: Dataset, ready: Dataset) -> None:
    after = count_directions(rows)
    for kind in ("forward", "reverse"):
        print(f"{kind}: {after[kind]:,} of {before[kind]:,} rows stay")
    print(f"with a hint: {sum(rows['hinted']):,} of {len(rows):,}; one of them:\n")
    print(rows[rows["hinted"].index(True)]["prompt"][0]["content"], "\n")
    print(f"longest row: {max(map(len, ready['input_ids']))} tokens")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default=SENTENCES, help="CSV with a column per language")
    parser.add_argument("--model", help="for its tokenizer [default: SmolLM2-135M-Instruct]")
    parser.add_argument("--output", default="examples-output/rows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
