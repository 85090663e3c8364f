"""Tasks of lm-eval on a loaded model: a local file of questions, against plain likelihoods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_model, make_tokenizer

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.models import LoadedModel
from hf_miwv.trials.task_scores import check_tasks, task_scores

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.slow  # lm-eval indexes thousands of tasks first

QUESTIONS = [
    {"question": "two and two", "choices": ["four", "five"], "answer": 0},
    {"question": "one and two", "choices": ["five", "three"], "answer": 1},
    {"question": "three and two", "choices": ["five", "one"], "answer": 0},
    {"question": "name the capital", "choices": ["Paris", "a river", "seven"], "answer": 2},
]


@pytest.fixture
def task(tmp_path: Path) -> Path:
    data, path = tmp_path / "sums.jsonl", tmp_path / "sums.yaml"
    data.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    path.write_text(
        f"""
task: sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{data}"}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
    )
    return path


def likelihood(model: Any, tokenizer: Any, context: str, choice: str) -> float:
    """log p(choice | context), the sum over the tokens behind those of the context."""
    whole, start = tokenizer(f"{context} {choice}")["input_ids"], len(tokenizer(context)["input_ids"])
    with torch.no_grad():
        logs = torch.log_softmax(model(input_ids=torch.tensor([whole])).logits[0].float(), dim=-1)
    return sum(logs[position - 1, whole[position]].item() for position in range(start, len(whole)))


def test_a_question_counts_where_its_answer_is_the_likeliest(task: Path) -> None:
    model, tokenizer = make_model("llama"), make_tokenizer(bos=False)
    check_tasks([str(task)])
    expected = []
    for question in QUESTIONS:
        logs = [likelihood(model, tokenizer, f"{question['question']}:", choice) for choice in question["choices"]]
        expected.append(float(logs.index(max(logs)) == question["answer"]))
    assert task_scores(LoadedModel(model, tokenizer, None), [str(task)]) == {"sums": expected}
    assert 0 < sum(expected) < len(expected)  # both happen, or nothing was compared


def test_tasks_that_are_not_there_are_refused(task: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lm-eval has no task of that name"):
        check_tasks(["arc_eazy"])
    with pytest.raises(InputError, match="have `task: other`"):
        check_tasks([str(task.rename(tmp_path / "other.yaml"))])
