"""Each method against its formula by hand, on rows that a real (tiny) model has scored."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset, load_dataset
from plain import plain_loss
from rich.console import Console
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.__main__ import main
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.results.methods import METHODS, method_scores, row_keys
from hf_miwv.results.score_summary import show_selection
from hf_miwv.rows.columns import add_score_columns
from hf_miwv.rows.schema import ALSO_COLUMNS, SCORE_COLUMNS
from tests.miwv.common.runs.test_processes import command
from tests.miwv.common.runs.test_processes import run as launch
from tests.miwv.scoring.test_resume import Stop, contents, fail_on, kill_when, lines

NAN = float("nan")
ALSO = tuple(ALSO_COLUMNS)


def score_tiny(rows: list[dict[str, str]], embedder_folder: Path, **settings: Any) -> Dataset:
    settings = {"tokenizer": make_tokenizer(), "progress": False, "also": ALSO, **settings}
    model = settings.pop("model", None) or make_model("llama")
    return score(Dataset.from_list(rows), model, embedder=str(embedder_folder), **settings)


def some_rows() -> list[dict[str, str]]:
    rows = make_rows()
    rows[3]["output"] = ""
    rows[20] = dict(rows[6])  # a copy of another row
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path) -> Path:
    """24 rows scored with all that the methods need, one of them without a response."""
    output = tmp_path_factory.mktemp("methods") / "scored"
    score_tiny(some_rows(), embedder_folder, output=output)
    return output


@pytest.fixture(scope="module")
def scored(folder: Path) -> Dataset:
    return load_dataset(str(folder), split="train")


@pytest.mark.parametrize("batch_tokens", [60, 4096])
@pytest.mark.parametrize(
    ("kind", "bos", "start", "alone"),
    [
        ("llama", True, [1], [1]),
        ("gpt2", False, [], [2]),
        ("qwen3", True, [1], [1]),
    ],
)
def test_losses_without_the_prompt_equal_the_plain_loop(
    kind: str,
    bos: bool,
    start: list[int],
    alone: list[int],
    batch_tokens: int,
    embedder_folder: Path,
) -> None:
    rows, model, tokenizer = make_rows(12), make_model(kind), make_tokenizer(bos)
    scored = score_tiny(rows, embedder_folder, model=model, tokenizer=tokenizer, batch_tokens=batch_tokens)

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    heading = start + ids("### Response:")
    after_heading = [plain_loss(model, heading, ids(row["output"])) for row in rows]
    after_nothing = [plain_loss(model, alone, ids(row["output"])) for row in rows]
    np.testing.assert_allclose(scored["loss_response_alone"], after_heading, atol=1e-4)
    np.testing.assert_allclose(scored["loss_response_bare"], after_nothing, atol=1e-4)
    assert np.ptp(after_heading) > 0.1
    assert np.abs(np.subtract(after_heading, after_nothing)).max() > 0.01


def test_the_other_columns_do_not_depend_on_it(scored: Dataset, embedder_folder: Path) -> None:
    without = score_tiny(some_rows(), embedder_folder, also=())
    assert without.column_names == [*make_rows(1)[0], *SCORE_COLUMNS]
    assert scored.column_names == [*without.column_names, *ALSO_COLUMNS.values()]
    assert [scored[name] for name in SCORE_COLUMNS] == [without[name] for name in SCORE_COLUMNS]


def test_rows_whose_response_cannot_be_measured_alone(embedder_folder: Path) -> None:
    rows = [{"prompt": "", "completion": "rain " * count} for count in (3, 0, 70)]
    scored = score_tiny(rows, embedder_folder, max_length=60)
    # 59 tokens go behind a prompt of one token, but not behind the heading, which has more.
    assert scored["response_tokens"] == [4, 0, 59]
    assert [value is None for value in scored["loss_response_alone"]] == [False, True, True]
    assert [value is None for value in scored["loss_response_bare"]] == [False, True, False]
    np.testing.assert_allclose(
        np.array(scored["loss_response_bare"], float)[[0, 2]],
        np.array(scored["loss_zero_shot"], float)[[0, 2]],
        atol=1e-5,  # an empty prompt is that very token
    )


def test_in_chat_form_the_same_response_is_measured(embedder_folder: Path) -> None:
    tokenizer, model = make_tokenizer(chat_template=CHATML), make_model("llama")
    rows = make_rows(6)
    scored = score_tiny(rows, embedder_folder, tokenizer=tokenizer, model=model, template="chat")
    response = tokenizer(rows[2]["output"], add_special_tokens=False)["input_ids"]
    assert scored["loss_response_bare"][2] == pytest.approx(plain_loss(model, [1], response), abs=1e-4)


def plain_score(row: dict[str, Any], method: str) -> float:
    """The formulas of the methods, word for word."""
    if row["miwv_status"] != "ok":
        return NAN
    y_given_x, y_given_c_x = row["loss_zero_shot"], row["loss_one_shot"]
    if method == "ifd":
        ratio = y_given_x / row["loss_response_alone"]
        return NAN if ratio > 1 else ratio
    if method == "superfiltering":
        ratio = np.exp(y_given_x) / np.exp(row["loss_response_bare"])
        return NAN if ratio >= 1 else ratio
    return {
        "miwv": y_given_c_x - y_given_x,
        "prompt_loss": y_given_c_x,
        "perplexity": y_given_x,
        "length": row["response_tokens"],
    }[method]


@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("method", ["miwv", "prompt_loss", "perplexity", "ifd", "superfiltering", "length"])
def test_every_method_is_its_formula(method: str, low: bool, scored: Dataset) -> None:
    expected = np.array([plain_score(row, method) for row in scored])
    expected = -expected if low else expected
    found = method_scores(scored, f"{method}_low" if low else method)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isfinite(found).sum() > 4
    assert np.isnan(found[3])  # it has no response
    best = int(np.nanargmax(expected))
    name = f"{method}_low" if low else method
    assert select(scored, method=name, count=1)["row"] == [best]


def test_the_length_is_that_of_the_response(scored: Dataset) -> None:
    tokenizer = make_tokenizer()
    counts = [len(tokenizer(r["output"], add_special_tokens=False)["input_ids"]) for r in scored]
    found = method_scores(scored, "length")
    assert np.delete(found, 3).tolist() == np.delete(counts, 3).tolist()


def made_up(zero_shot: list[float], alone: list[float], bare: list[float]) -> Dataset:
    count = len(zero_shot)
    rows = Dataset.from_dict({"instruction": [f"q{i}" for i in range(count)]})
    columns: dict[str, Any] = {
        "row": np.arange(count),
        "miwv": np.full(count, 0.5),
        "loss_zero_shot": zero_shot,
        "loss_one_shot": np.array(zero_shot) + 0.5,
        "neighbor": np.zeros(count, int),
        "neighbor_similarity": np.full(count, 0.5),
        "response_tokens": np.full(count, 9),
        "miwv_status": ["ok"] * count,
        "miwv_flags": [[]] * count,
        "loss_response_alone": np.array(alone),
        "loss_response_bare": np.array(bare),
    }
    return add_score_columns(rows, columns)


def test_where_the_ratios_end() -> None:
    rows = made_up([1.0, 2.0, 2.1, 0.5, 1.0], [2.0, 2.0, 2.0, 0.0, NAN], [2.0, 2.0, 3.1, 0.4, NAN])
    np.testing.assert_allclose(method_scores(rows, "ifd"), [0.5, 1.0, NAN, NAN, NAN])
    np.testing.assert_allclose(method_scores(rows, "superfiltering"), [np.exp(-1), NAN, np.exp(-1), NAN, NAN])


def test_random_goes_by_content_and_not_by_place(scored: Dataset) -> None:
    order = np.random.default_rng(3).permutation(len(scored))
    found = method_scores(scored, "random", seed=5)
    moved = scored.select(order)
    other = method_scores(moved, "random", seed=5)
    by_content = {
        name: sorted(scores[[row["instruction"] == name for row in rows]].tolist())
        for rows, scores, name in (
            (scored, found, scored["instruction"][6]),
            (moved, other, scored["instruction"][0]),
        )
    }
    assert len(by_content[scored["instruction"][6]]) == 2  # copies have numbers of their own
    assert len(set(by_content[scored["instruction"][6]])) == 2
    assert sorted(np.nan_to_num(found)) == sorted(np.nan_to_num(other))
    single = [place for place in range(len(order)) if order[place] not in (6, 20)]
    np.testing.assert_array_equal(other[single], found[order[single]])
    changed = scored.remove_columns("miwv").add_column("miwv", [1.0] * len(scored))
    np.testing.assert_array_equal(method_scores(changed, "random", seed=5), found)
    assert np.isnan(found[3])


def test_random_is_uniform_and_another_seed_is_another_draw() -> None:
    rows = made_up([1.0] * 2000, [1.0] * 2000, [1.0] * 2000)
    one, other = (method_scores(rows, "random", seed=seed) for seed in (0, 1))
    for drawn in (one, other):
        assert drawn.min() >= 0
        assert drawn.max() < 1
        assert np.histogram(drawn, 4, (0, 1))[0] == pytest.approx([500] * 4, abs=70)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_row_keys_are_of_the_rows_own_columns(scored: Dataset) -> None:
    keys = row_keys(scored)
    assert len(set(keys)) == len(scored)
    assert keys == row_keys(Dataset.from_list(some_rows()))
    assert keys == row_keys(scored.select_columns(sorted(scored.column_names)))
    renamed = scored.rename_column("output", "answer")
    assert not set(keys) & set(row_keys(renamed))


@pytest.mark.parametrize(
    ("method", "seed", "message"),
    [
        ("ifdd", 0, "method 'ifdd' is not one of ours: did you mean 'ifd'"),
        ("random_low", 0, "did you mean 'random'"),
        ("x", 0, "known: ifd, ifd_low, length"),
        ("random", -1, "seed -1: give 0 or more"),
    ],
)
def test_what_is_no_method(method: str, seed: int, message: str, scored: Dataset) -> None:
    with pytest.raises(InputError, match=message):
        method_scores(scored, method, seed)
    with pytest.raises(InputError, match=message):
        select(scored, method=method, seed=seed, count=1)


def test_a_method_whose_column_is_not_there(scored: Dataset) -> None:
    for method in ALSO:
        lacking = scored.remove_columns(ALSO_COLUMNS[method])
        with pytest.raises(InputError, match=f"score them with `hf-miwv score --also {method}`"):
            method_scores(lacking, f"{method}_low")


@pytest.mark.parametrize(
    ("also", "message"),
    [
        (["idf"], "also 'idf' is not one of ours: did you mean 'ifd'"),
        ("ifd", "give a list of names, such as \\['ifd'\\]"),
    ],
)
def test_what_cannot_be_measured_also(also: Any, message: str, embedder_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        score_tiny(make_rows(4), embedder_folder, also=also)


def test_columns_of_an_earlier_scoring_do_not_stay(scored: Dataset, embedder_folder: Path) -> None:
    own = scored.remove_columns(list(SCORE_COLUMNS))
    with pytest.raises(InputError, match="columns loss_response_alone, loss_response_bare"):
        score(own, make_model("llama"), tokenizer=make_tokenizer(), embedder=str(embedder_folder))
    again = score(
        scored,
        make_model("llama"),
        tokenizer=make_tokenizer(),
        embedder=str(embedder_folder),
        overwrite_columns=True,
        progress=False,
    )
    assert not set(ALSO_COLUMNS.values()) & set(again.column_names)


def test_the_scoring_is_recorded(folder: Path, scored: Dataset) -> None:
    run = json.loads((folder / "run.json").read_text())
    assert run["settings"]["also"] == ["ifd", "superfiltering"]
    own = sum(scored["response_tokens"])
    heading = len(make_tokenizer()("### Response:")["input_ids"])
    assert list(run["stages"]) == ["embed", "neighbors", "score", "ifd", "superfiltering"]
    assert run["stages"]["ifd"]["tokens"] == own + 23 * heading  # one row has no response
    assert run["stages"]["superfiltering"]["tokens"] == own + 23
    assert run["timing"]["seconds"]["ifd"] > 0
    found = np.array(scored["loss_response_alone"], float)
    assert run["statistics"]["loss_response_alone"]["mean"] == pytest.approx(np.nanmean(found))
    card = (folder / "README.md").read_text()
    assert "| loss\\_response_alone |" in card or "| loss_response_alone |" in card
    assert "prompt_embedding" not in card


@pytest.mark.parametrize("method", [name for name in METHODS if name != "miwv"])
def test_card_record_and_table_name_the_method_and_claim_no_miwv(method: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "chosen"
    chosen = select(folder, method=method, seed=4, count=5, output_dir=output)
    run = json.loads((output / "run.json").read_text())
    scores = method_scores(load_dataset(str(folder), split="train"), method, seed=4)
    assert (run["selection"]["method"], run["selection"]["seed"]) == (method, 4)
    assert run["selection"]["lowest_kept_score"] == sorted(scores[np.isfinite(scores)])[-5]
    assert run["selection"]["scored_rows"] == np.isfinite(scores).sum()
    assert scores[chosen["row"]].tolist() == sorted(scores[chosen["row"]], reverse=True)
    card = (output / "README.md").read_text()
    pictures = [path.name for path in output.glob("*.png")]
    assert pictures == ["length_comparison.png"]
    title = next(line for line in card.splitlines() if line.startswith("# "))
    label = title.partition("chosen by ")[2]
    assert f"chosen by {label}. The score: " in card
    assert "weak = keep" not in card
    assert ("MIWV" in label) == (method == "miwv_low")
    assert "lie above zero" not in card
    console = Console(file=io.StringIO(), width=160)
    show_selection(run, console)
    table = console.file.getvalue()  # type: ignore[attr-defined]
    assert table.startswith(f"chosen by {label} (")
    assert "weak" not in table


def test_a_threshold_is_on_the_methods_score_and_ties_go_by_row(scored: Dataset) -> None:
    lengths = np.array(scored["response_tokens"])
    middle = int(np.sort(lengths)[-8])
    kept = select(scored, method="length", threshold=middle)["row"]
    expected = sorted((i for i in range(24) if lengths[i] >= middle), key=lambda i: -lengths[i])
    assert kept == expected
    assert select(scored, method="length_low", threshold=-middle)["row"] == sorted(
        (i for i in range(24) if 0 < lengths[i] <= middle), key=lambda i: lengths[i]
    )


def test_another_method_is_another_choice(folder: Path, tmp_path: Path) -> None:
    select(folder, method="random", count=5, output_dir=tmp_path / "chosen")
    with pytest.raises(InputError, match="not the same: seed"):
        select(folder, method="random", seed=1, count=5, output_dir=tmp_path / "chosen")
    with pytest.raises(InputError, match="not the same: method"):
        select(folder, count=5, output_dir=tmp_path / "chosen")


def test_stopped_in_the_further_passes_it_goes_on(tmp_path: Path, embedder_folder: Path) -> None:
    def run(output: Path, stop_in: str | None = None) -> None:
        journal = workspace_of(output) / "process-0-of-1" / str(stop_in) / "losses.jsonl"
        model = make_model("llama")
        fail_on(model, lambda number, ids: Stop() if lines(journal) >= 2 else None)
        score_tiny(some_rows(), embedder_folder, model=model, batch_tokens=60, output=output)

    whole, stopped = tmp_path / "whole" / "scored", tmp_path / "stopped" / "scored"
    run(whole)
    work = workspace_of(stopped) / "process-0-of-1"
    finished = []
    for method in ALSO:
        with pytest.raises(Stop):
            run(stopped, stop_in=method)
        finished.append((work / "ifd.npy").exists() and (work / "ifd.npy").stat().st_mtime_ns)
    assert finished[0] is False
    assert lines(work / "superfiltering" / "losses.jsonl") == 2
    run(stopped)
    assert contents(stopped) == contents(whole)
    assert not workspace_of(stopped).exists()
    with pytest.raises(InputError, match="not the same: also"):
        score_tiny(some_rows(), embedder_folder, output=stopped, batch_tokens=60, also=["ifd"])


@pytest.mark.slow
def test_kill_9_in_the_further_passes_and_go_on(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(400)))

    def words(output: Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            "hf_miwv",
            "score",
            str(data),
            "--model",
            str(model_folder),
            "--embedder",
            str(embedder_folder),
            "--batch-tokens",
            "400",
            "--output",
            str(output),
            "--also",
            "superfiltering",
            "--also",
            "ifd",
        ]

    whole, killed = tmp_path / "whole" / "scored", tmp_path / "killed" / "scored"
    subprocess.run(words(whole), check=True, capture_output=True)
    work = workspace_of(killed) / "process-0-of-1"
    kill_when(words(killed), lambda: lines(work / "ifd" / "losses.jsonl") >= 2)
    kill_when(words(killed), lambda: lines(work / "superfiltering" / "losses.jsonl") >= 2)
    last = subprocess.run(words(killed), check=True, capture_output=True, text=True)
    assert "going on with the unfinished work" in last.stderr
    assert contents(killed) == contents(whole)


def test_in_one_go_what_the_choice_needs_is_measured(
    tmp_path: Path, model_folder: Path, embedder_folder: Path
) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows()))
    words = [
        "select",
        data,
        "--model",
        model_folder,
        "--embedder",
        embedder_folder,
        "--method",
        "ifd_low",
        "--count",
        3,
        "--diversity",
        0.9999,
        "--output",
        tmp_path / "chosen",
    ]
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert "chosen by lowest IFD (the negative of L(y|x) / L(y)" in " ".join(done.output.split())
    chosen = load_dataset(str(tmp_path / "chosen"), split="train")
    ratios = np.divide(chosen["loss_zero_shot"], chosen["loss_response_alone"])
    assert ratios.tolist() == sorted(ratios)
    assert "prompt_embedding" not in chosen.column_names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "DATA", "--model", "m", "--also", "idf"], "'idf' is not one of 'ifd'"),
        (["select", "DATA", "--count", "1", "--method", "ifdd"], "did you mean 'ifd'"),
        (["select", "DATA", "--count", "1", "--method", "random", "--seed", "-1"], "give 0 or more"),
        (["select", "DATA", "--count", "1", "--method", "ifd"], "--also ifd"),
        (["select", "DATA", "--count", "1", "--diversity", "1"], "diversity 1.0 is no cosine"),
        (["select", "DATA", "--count", "1", "--also", "ifd"], "--also: for scoring"),
    ],
)
def test_what_the_command_line_refuses(words: list[str], message: str, folder: Path, tmp_path: Path) -> None:
    dataset = load_dataset(str(folder), split="train").remove_columns(list(ALSO_COLUMNS.values()))
    dataset.to_parquet(tmp_path / "rows.parquet")
    words = [str(tmp_path / "rows.parquet") if word == "DATA" else word for word in words]
    done = CliRunner().invoke(main, [*words, "--output", str(tmp_path / "out")])
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_two_processes_measure_and_avoid_as_one(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    rows = make_rows(60)
    for copy in range(40, 60):
        rows[copy] = {**rows[copy % 7], "output": rows[copy]["output"]}
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    models = ["--model", str(model_folder), "--embedder", str(embedder_folder)]
    more = ["--also", "ifd", "--also", "superfiltering", "--avoid-duplicate-neighbors", "--keep-embeddings"]
    frames = []
    for processes in (1, 2):
        output = tmp_path / str(processes) / "scored"
        launch([*command(data, models, output, processes), *more])
        frames.append(load_dataset(str(output), split="train").to_pandas())
        assert not workspace_of(output).exists()
    one, two = frames
    prompts = (one["instruction"] + one["input"]).to_numpy()
    assert (prompts != prompts[one["neighbor"]]).all()
    assert two["neighbor"].equals(one["neighbor"])
    for name in ("miwv", *ALSO_COLUMNS.values()):
        np.testing.assert_allclose(two[name], one[name], atol=1e-4)
    vectors = [np.stack(frame["prompt_embedding"].to_numpy()) for frame in frames]
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-6)
