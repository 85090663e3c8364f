"""Rows with tools, reasoning and faults, from the file to scores, choice and training."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_templates import (
    DATED,
    NO_SYSTEM,
    OPENS_THINK,
    PLAIN,
    REASONING,
    ROWS,
    answer,
    conversation,
    user,
)
from click.testing import CliRunner
from datasets import Dataset
from plain import plain_loss
from sentence_transformers import SentenceTransformer
from tiny import WORDS, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.__main__ import main
from hf_miwv.callbacks.trainer_rows import read_trainer_rows
from hf_miwv.common.reading.column_names import REQUIRED_COLUMNS
from hf_miwv.common.runs.folder import read_record
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.prompts.chat_text import ChatTemplate
from hf_miwv.rows.examples import read_example
from hf_miwv.rows.rows import Row
from hf_miwv.rows.schema import recognize
from tests.miwv.transforms.test_transforms import chain, check_equal

# Prompt and completion, tools and arguments, in one file: what trl reads, too.
CONVERSATIONS: list[dict[str, Any]] = [
    {"tools": None, "chat_template_kwargs": {}, **row}
    for name, (row, as_trained) in ROWS.items()
    if row is as_trained and "null content" not in name
]


def mixed() -> Dataset:
    return Dataset.from_list(CONVERSATIONS, on_mixed_types="use_json")


def tokenizer_with(template: str) -> Any:
    return make_tokenizer(bos=False, chat_template=template)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose chat template takes reasoning and tools."""
    path = tmp_path_factory.mktemp("reasoning")
    make_model("llama", positions=4096).save_pretrained(path)
    tokenizer_with(REASONING).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def scored(folder: Path, embedder_folder: Path) -> Dataset:
    return score(mixed(), str(folder), embedder=str(embedder_folder), device="cpu", progress=False)


def test_scores_equal_the_plain_loop_over_the_ids_of_the_trainer(scored: Dataset) -> None:
    model, prompts = make_model("llama", positions=4096), ChatPrompts(tokenizer_with(REASONING))
    dataset = mixed()
    shape = recognize(dataset.column_names)
    examples = [read_example(row, shape, index) for index, row in enumerate(dataset)]
    tokens = prompts.encode(examples)
    rows = [Row(examples, index, tokens[index]) for index in range(len(examples))]  # type: ignore[arg-type]
    for index, row in enumerate(scored):
        alone = tokens[index]
        context, _ = prompts.one_shot(rows[index], rows[row["neighbor"]], 2000)
        assert context is not None
        zero_shot = plain_loss(model, alone.prompt, alone.response)
        one_shot = plain_loss(model, context, alone.response)
        assert row["loss_zero_shot"] == pytest.approx(zero_shot, abs=1e-4)
        assert row["loss_one_shot"] == pytest.approx(one_shot, abs=1e-4)
        assert row["response_tokens"] == len(alone.response)
    assert np.ptp(np.array(scored["miwv"])) > 0.1


def test_the_map_chain_equals_score(scored: Dataset, folder: Path, embedder_folder: Path) -> None:
    # in one batch, as `score` embeds them: rows with the same prompt are equally near
    check_equal(chain(mixed(), folder, embedder_folder, batch_size=64), scored)


def test_callback_and_train_have_the_ids_of_the_trainer(
    scored: Dataset, embedder_folder: Path, tmp_path: Path
) -> None:
    trl = pytest.importorskip("trl")
    from hf_miwv.callbacks.live_scoring import LiveScorer
    from hf_miwv.training.chosen_rows import prepare_rows

    tokenizer = tokenizer_with(REASONING)
    trainer = trl.SFTTrainer(
        make_model("llama", positions=4096),
        args=trl.SFTConfig(
            output_dir=str(tmp_path),
            use_cpu=True,
            report_to=[],
            max_length=None,
            bf16=False,
            disable_tqdm=True,
        ),
        train_dataset=mixed(),
        processing_class=tokenizer,
    )
    rows = read_trainer_rows(trainer.train_dataset, tokenizer)
    scores = LiveScorer(trainer, rows, SentenceTransformer(str(embedder_folder), device="cpu"))()
    np.testing.assert_allclose(scores.miwv, scored["miwv"], atol=1e-4)
    shape = recognize(CONVERSATIONS[0])
    trained = prepare_rows(scored, shape, ChatPrompts(tokenizer), tokenizer, 4096)
    assert trained.dataset["input_ids"][:] == trainer.train_dataset["input_ids"][:]


def test_another_description_of_a_tool_is_another_row(scored: Dataset, folder: Path, embedder_folder: Path) -> None:
    rows = json.loads(json.dumps(CONVERSATIONS))
    index = next(i for i, row in enumerate(rows) if row["tools"])
    rows[index]["tools"][0]["function"]["description"] = "name the rain"
    other = score(
        Dataset.from_list(rows, on_mixed_types="use_json"),
        str(folder),
        embedder=str(embedder_folder),
        device="cpu",
        progress=False,
        keep_embeddings=True,
    )
    assert other["loss_zero_shot"][index] != scored["loss_zero_shot"][index]
    same = score(
        mixed(),
        str(folder),
        embedder=str(embedder_folder),
        device="cpu",
        progress=False,
        keep_embeddings=True,
        embed_text="bare",
    )
    bare = score(
        Dataset.from_list(rows, on_mixed_types="use_json"),
        str(folder),
        device="cpu",
        embedder=str(embedder_folder),
        progress=False,
        keep_embeddings=True,
        embed_text="bare",
    )
    assert bare["prompt_embedding"][index] != same["prompt_embedding"][index]


def test_rows_that_differ_in_their_system_prompt_are_no_duplicates(embedder_folder: Path) -> None:
    for row, column in (
        ({"messages": [user("hello"), answer("world")]}, "system"),
        ({"instruction": "hello", "output": "world"}, "system"),
        ({"prompt": "hello", "completion": "world"}, "system"),
    ):
        rows = [{**row, column: text} for text in WORDS.split()[:4]]
        flags = score_rows(rows, embedder_folder)["miwv_flags"]
        assert [flag for row_flags in flags for flag in row_flags] == []


def score_rows(rows: list[dict[str, Any]], embedder_folder: Path, template: str = PLAIN, **settings: Any) -> Dataset:
    return score(
        Dataset.from_list(rows, on_mixed_types="use_json"),
        make_model("llama"),
        tokenizer=tokenizer_with(template),
        embedder=str(embedder_folder),
        progress=False,
        **settings,
    )


UNREADABLE = [
    {"messages": [user("hello"), answer("world")]},
    {"messages": [user("add")]},
    {"messages": [{"role": "system", "content": "a"}, user("b"), answer("c")]},
    {"messages": [user("add two"), answer("five")]},
    {"messages": [user("name"), user("rain")]},
    {"messages": None},
    {"messages": [user("what is water"), answer("hydrogen")]},
]


def test_rows_that_cannot_be_read_are_counted_by_kind(embedder_folder: Path) -> None:
    with pytest.raises(InputError) as error:
        score_rows(UNREADABLE, embedder_folder, NO_SYSTEM)
    lines = str(error.value).splitlines()
    assert lines[0].startswith("4 of 7 rows cannot be read; the first is row 1: column 'messages'")
    assert lines[1] == ("  2 rows: column 'messages' has no assistant turn, so there is no response (rows 1, 4)")
    assert "system turns and calls are not supported (line 1 of the template) (row 2)" in lines[2]
    assert lines[3].endswith("must be a list of turns {role, content}, found null (row 5)")
    assert "--unreadable-rows flag" in lines[4]


@pytest.mark.parametrize("avoid", [True, False])
def test_flagged_rows_keep_their_place_and_are_nobodys_example(
    avoid: bool, embedder_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scored"
    flagged = score_rows(
        UNREADABLE,
        embedder_folder,
        NO_SYSTEM,
        unreadable_rows="flag",
        output=output,
        avoid_duplicate_neighbors=avoid,
        keep_embeddings=True,
    )
    good = [0, 3, 6]
    bad = [1, 2, 4, 5]
    assert [index for index, s in enumerate(flagged["miwv_status"]) if s == "unreadable"] == bad
    for name in ("miwv", "neighbor", "neighbor_similarity", "loss_zero_shot"):
        assert [flagged[name][index] for index in bad] == [None] * 4
    assert {flagged["neighbor"][index] for index in good} <= set(good)
    alone = score_rows([UNREADABLE[index] for index in good], embedder_folder, NO_SYSTEM)
    np.testing.assert_allclose([flagged["miwv"][index] for index in good], alone["miwv"], rtol=0, atol=1e-6)
    run = read_record(output)
    assert run is not None
    assert [kind["rows"] for kind in run["unreadable"]] == [2, 1, 1]
    assert run["statistics"]["status"]["unreadable"] == 4
    card = (output / "README.md").read_text()
    assert "not scored: the row cannot be read | 4 (57.1 %)" in card
    assert select(flagged, fraction=1.0)["row"][:] != []
    assert set(select(flagged, count=3)["row"]) == set(good)


def test_what_is_not_rendered_is_told_once_and_recorded(
    embedder_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"id": str(index), **row} for index, row in enumerate(CONVERSATIONS)]
    output = tmp_path / "scored"
    score_rows(rows, embedder_folder, PLAIN, output=output, trainer_max_length=30)
    run = read_record(output)
    assert run is not None
    assert run["unused"]["reasoning_content"] == 3
    assert run["unused"]["tools"] == 5
    assert run["data"]["columns_not_read"] == ["id"]
    assert run["trainer"]["max_length"] == 30
    assert run["trainer"]["responses_cut"] + run["trainer"]["responses_gone"] > 0
    assert run["trainer"]["earlier_answers_not_scored"] == 4
    assert caplog.text.count("the template does not render") == 1
    assert "reasoning_content (3 rows)" in caplog.text
    card = (output / "README.md").read_text()
    assert "reasoning_content: in the rows, not rendered | 3" in card
    assert "response cut by a trainer with max_length 30" in card


def test_undesired_responses_are_chosen_only_when_asked(embedder_folder: Path) -> None:
    rows = [
        {"prompt": row["instruction"], "completion": row["output"], "label": index % 3 > 0}
        for index, row in enumerate(make_rows(12))
    ]
    scored = score_rows(rows, embedder_folder)
    undesired = [i for i, flags in enumerate(scored["miwv_flags"]) if "undesired_response" in flags]
    assert undesired == [0, 3, 6, 9]
    assert not set(undesired) & set(select(scored, count=8)["row"])
    assert set(select(scored, count=12, include_undesired=True)["row"]) == set(range(12))
    with pytest.raises(InputError, match="count 9"):
        select(scored, count=9)


def test_the_date_of_the_first_run_is_the_date_of_all(
    embedder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "scored"
    rows = [row for row in CONVERSATIONS if "date_string" not in row["chat_template_kwargs"]]

    def on(day: date, **settings: Any) -> Dataset:
        class Day(date):
            @classmethod
            def today(cls) -> date:  # type: ignore[override]
                return day

        monkeypatch.setattr("hf_miwv.prompts.run_date.date", Day)
        return score_rows(rows, embedder_folder, DATED, **settings)

    first = on(date(2026, 11, 29), output=output)
    run = read_record(output)
    assert run is not None
    assert run["template"]["date"] == "2026-11-29"
    written = (output / "run.json").read_bytes()
    again = on(date(2026, 11, 30), output=output)  # the same command next day
    assert (output / "run.json").read_bytes() == written
    assert again["miwv"][:] == first["miwv"][:]
    other = on(date(2026, 11, 30))
    assert other["loss_zero_shot"][:] != first["loss_zero_shot"][:]
    given = on(date(2026, 11, 30), date="2026-11-29")
    assert given["loss_zero_shot"][:] == first["loss_zero_shot"][:]
    with pytest.raises(InputError, match=r"date '29\.11\.2026' is no day; write it as 2026-11-29"):
        on(date(2026, 11, 30), date="29.11.2026")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}",
            "takes contents as lists of parts only",
        ),
        (
            "{% for m in messages %}{% if m.role != 'user' %}{{ m.content }}{% endif %}{% endfor %}",
            "leaves out what user or assistant say",
        ),
    ],
)
def test_a_template_that_drops_the_users_text_is_refused(template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ChatTemplate(tokenizer_with(template))


KNOWN_ELSEWHERE = [
    {"instruction": "add", "context": "two", "response": "five", "category": "qa"},
    {"id": "1", "system_prompt": "write", "question": "add two", "response": "five"},
    {"query": "add two", "response": "five"},
    {"question": "add two", "answer": "five"},
]


def test_pairs_with_a_question_and_turns_as_text_are_read() -> None:
    row = {"system": "write", "question": "add two", "chosen": "five", "rejected": "no"}
    example = read_example(row, recognize(list(row)), 0)
    assert (example.system, example.question, example.response) == ("write", "add two", "five")
    text = {"messages": json.dumps([user("add two"), answer("five")])}
    assert read_example(text, recognize(list(text)), 0).response == "five"
    tools = {**ROWS["tools not called, messages"][0]}
    as_text = {**tools, "tools": [json.dumps(tool) for tool in tools["tools"]]}
    shape = recognize(list(tools))
    assert read_example(as_text, shape, 0) == read_example(tools, shape, 0)


@pytest.mark.parametrize("row", KNOWN_ELSEWHERE, ids=lambda row: "+".join(row))
def test_widespread_columns_are_known_without_being_named(row: dict[str, str]) -> None:
    example = read_example(row, recognize(list(row)), 0)
    assert example.response == "five"
    assert example.question.split() in (["add", "two"], ["add\n\ntwo"])
    assert example.system == row.get("system_prompt", "")


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"frage": "add two", "antwort": "five"}, None),
        ({"id": "7", "Question text": "add two", "model_answer": "five"}, None),
        ({"id": 7, "chat": [user("add two"), answer("five")]}, None),
    ],
)
def test_the_mapping_in_the_message_works_when_it_is_pasted(
    row: dict[str, Any], columns: None, tmp_path: Path, model_folder: Path, embedder_folder: Path
) -> None:
    with pytest.raises(InputError) as error:
        recognize(list(row), columns, row)
    advice = str(error.value).partition("--columns ")[2]
    mapping = advice.partition(" (")[0]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for _ in range(3)))
    command = [
        "score",
        str(file),
        "--model",
        str(model_folder),
        "--embedder",
        str(embedder_folder),
        "--output",
        str(tmp_path / "scored"),
        "--columns",
        mapping,
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output


def test_one_column_cannot_be_two_things() -> None:
    with pytest.raises(InputError, match="'text' cannot be both prompt and completion"):
        recognize(["text"], {"prompt": "text", "completion": "text"})


def test_history_and_system_stand_in_the_alpaca_prompt(embedder_folder: Path) -> None:
    row = ROWS["alpaca with system and history"][0]
    rows = [row, {**row, "history": []}, {**row, "system": ""}, {**row, "history": None}]
    flags = score_rows(rows, embedder_folder)["miwv_flags"]
    assert flags == [[], ["duplicate_prompt"], [], ["duplicate_prompt"]]


def test_a_conversation_keeps_the_first_of_two_system_prompts_and_names_the_other() -> None:
    row = {"system": "be long", **conversation(*[*ROWS["system turn, messages"][0]["messages"]])}
    example = read_example(row, recognize(list(row)), 0)
    assert [turn["content"] for turn in example.conversation] == ["write a poem", "hello"]
    assert example.unread == ("the column 'system', beside a system turn",)


def test_the_date_is_kept_over_a_kill(embedder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, rows = tmp_path / "scored", CONVERSATIONS[:4]
    whole = score_rows(rows, embedder_folder, DATED, date="2026-11-29")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hf_miwv.scoring.score_steps.Journey._losses", killed)
        with pytest.raises(KeyboardInterrupt):
            score_rows(rows, embedder_folder, DATED, output=output, date="2026-11-29")
    resumed = score_rows(rows, embedder_folder, DATED, output=output)
    assert resumed["loss_zero_shot"][:] == whole["loss_zero_shot"][:]
    run = read_record(output)
    assert run is not None
    assert run["template"]["date"] == "2026-11-29"


def test_the_app_shows_a_row_that_cannot_be_read(embedder_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    from hf_miwv.app.row_views import view_row
    from hf_miwv.app.scored_rows import ScoredRows

    output = tmp_path / "scored"
    score_rows(UNREADABLE, embedder_folder, NO_SYSTEM, unreadable_rows="flag", output=output)
    view = view_row(ScoredRows.open(output, "scored"), 1)
    assert "unreadable" in str(view)


def documented_rows() -> list[str]:
    page = (Path(__file__).parents[3] / "docs" / "choosing-data.md").read_text()
    table = page.partition("## Rows of every shape")[2].partition("\n\nTurns may be written")[0]
    return [line.split(" | ")[-1].strip("`| ") for line in table.splitlines() if '{"' in line]


@pytest.mark.parametrize("text", documented_rows())
def test_every_row_of_the_page_is_read_as_it_says(text: str) -> None:
    row = json.loads(text)
    example = read_example(row, recognize(list(row), None, row), 0)
    assert example.has_response
    assert example.unread == ()
    tokens = ChatPrompts(tokenizer_with(REASONING)).encode([example])[0]
    assert tokens.fault is None
    assert tokens.response


def test_the_page_has_a_row_of_every_shape() -> None:
    rows = [json.loads(text) for text in documented_rows()]
    assert {recognize(list(row)).name for row in rows} == set(REQUIRED_COLUMNS)
    assert len(rows) >= 13


def test_ends_of_prompts_that_training_loses_are_counted(
    embedder_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"messages": [user(text), answer("five")]} for text in ("add two", "hello", "name")]
    rows[2]["messages"][1]["content"] = "<think>\nrain\n</think>\n\nfive"
    output = tmp_path / "scored"
    scored = score_rows(rows, embedder_folder, OPENS_THINK, output=output)
    run = read_record(output)
    assert run is not None
    assert run["trainer"]["prompt_ends_lost"] == 2  # the third one opens its block as the prompt does
    assert "2 of 3 rows: the template ends the prompt otherwise" in caplog.text
    doubled = tokenizer_with(OPENS_THINK)("rain\n</think>\n\nfive", add_special_tokens=False)
    assert scored["response_tokens"][2] == len(doubled["input_ids"])
