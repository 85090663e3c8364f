"""Rows that cannot be read or rendered whole: flagged, counted and shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from chat_templates import (
    NO_SYSTEM,
    OPENS_THINK,
    PLAIN,
    answer,
    user,
)
from tiny import make_rows

from hf_miwv import InputError, select
from hf_miwv.common.runs.folder import read_record
from hf_miwv.prompts.chat_text import ChatTemplate
from tests.miwv.rows.whole_rows import CONVERSATIONS, score_rows, tokenizer_with

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


def test_the_app_shows_a_row_that_cannot_be_read(embedder_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    from hf_miwv.app.row_views import view_row
    from hf_miwv.app.scored_rows import ScoredRows

    output = tmp_path / "scored"
    score_rows(UNREADABLE, embedder_folder, NO_SYSTEM, unreadable_rows="flag", output=output)
    view = view_row(ScoredRows.open(output, "scored"), 1)
    assert "unreadable" in str(view)


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
