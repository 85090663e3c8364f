"""The tables on the terminal after `score` and `select`, from run.json and a few rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hf_miwv.common.cards.numbers import PERCENTS, write_number, write_share
from hf_miwv.common.cards.terminal import new_table, plain, stderr_console
from hf_miwv.results.card_words import RARE_FLAGS, RESPONSE_WORDS
from hf_miwv.results.methods import method_label, method_words
from hf_miwv.results.row_report import row_remarks
from hf_miwv.results.scored_record import LengthComparison, ResponseFaults, ScoredRecord, SelectionFacts, Statistics

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN_GROUPS = 20  # of a choice inside groups
SHOWN_ROWS = 5  # of each kind of response to look at
HIGHEST = "highest: the model needs these most (high = weak = keep)"
LOWEST = "lowest: the worked example is enough for these"


def show_summary(
    run: ScoredRecord,
    highest: list[dict[str, Any]],
    lowest: list[dict[str, Any]],
    console: Console | None = None,
) -> None:
    """Print the results of a scoring run, on stderr unless a console is given.

    Rows by status and flag, quantiles, work per stage, then the rows at both ends of the ranking,
    each a mapping with row, miwv, loss_zero_shot, loss_one_shot, response_tokens, prompt, response.

    Args:
        run (`ScoredRecord`): The record (run.json).
        highest (`list[dict[str, Any]]`): Rows with the highest scores, best first.
        lowest (`list[dict[str, Any]]`): Rows with the lowest scores, lowest first.
        console (`Console`, *optional*): Console to print on; by default stderr.
    """
    console = console or stderr_console()
    console.print(count_table(run))
    console.print(quantile_table(run["statistics"]))
    console.print(stage_table(run))
    console.print(engine_table(run["stages"]["score"], run["timing"].get("peak_memory_bytes")))
    console.print(example_table(HIGHEST, highest))
    console.print(example_table(LOWEST, lowest))


def show_selection(run: ScoredRecord, console: Console | None = None) -> None:
    """Print the rows that a selection kept, on stderr unless a console is given.

    Args:
        run (`ScoredRecord`): The record (run.json).
        console (`Console`, *optional*): Console to print on; by default stderr.
    """
    console = console or stderr_console()
    console.print(plain(choice_words(run["selection"])))
    console.print(kept_table(run["selection"]))
    if run["selection"].get("groups"):
        console.print(group_table(run["selection"]))
    if run["lengths"] is not None:
        console.print(length_table(run["lengths"]))
    responses = run["selection"].get("responses")
    if responses is not None:
        console.print(response_table(responses))


def count_table(run: ScoredRecord) -> Table:
    """Tabulate rows in all, by status and by flag, and further remarks on them.

    Args:
        run (`ScoredRecord`): The record (run.json).

    Returns:
        `Table`: The table.
    """
    statistics = run["statistics"]
    table = new_table("rows", "", "")
    table.add_row("all", write_number(statistics["rows"]))
    for prefix, counts in (("", statistics["status"]), ("flag: ", statistics["flags"])):
        for name, count in counts.items():
            if name in RARE_FLAGS and not count:
                continue
            words = "scored" if name == "ok" else prefix + name.replace("_", " ")
            table.add_row(words, write_share(count, statistics["rows"]))
    for words, count in row_remarks(run):
        table.add_row(plain(words), write_number(count))
    return table


def quantile_table(statistics: Statistics) -> Table:
    """Tabulate mean and quantiles of MIWV, and its rows above and below zero.

    Args:
        statistics (`Statistics`): run["statistics"].

    Returns:
        `Table`: The table.
    """
    miwv = statistics["miwv"]
    table = new_table(
        f"MIWV (nats per response token): {write_number(statistics['above_zero'])} above zero, "
        f"{write_number(statistics['below_zero'])} below",
        "mean",
        *(f"{percent} %" for percent in PERCENTS),
        words=0,
    )
    table.add_row(write_number(miwv["mean"]), *(write_number(value) for value in miwv["quantiles"].values()))
    return table


def stage_table(run: ScoredRecord) -> Table:
    """Tabulate seconds, rows, tokens and tokens per second of each stage; a dash where not recorded.

    Args:
        run (`ScoredRecord`): The record (run.json).

    Returns:
        `Table`: The table.
    """
    table = new_table("stages", "", "seconds", "share", "rows", "tokens", "tokens/s")
    whole = sum(run["timing"]["seconds"].values())
    for stage, counts in run["stages"].items():
        seconds, tokens = run["timing"]["seconds"].get(stage), counts.get("tokens")
        speed = tokens / seconds if tokens and seconds else None
        table.add_row(
            stage,
            write_number(seconds, 1),
            f"{seconds / whole:.0%}" if seconds is not None and whole else write_number(None),
            write_number(counts.get("rows")),
            write_number(tokens),
            write_number(speed, 0),
        )
    return table


def engine_table(score: dict[str, Any], peak_memory: int | None) -> Table:
    """Tabulate the tokens that the scoring stage forwarded, against T0, the tokens of all rows alone.

    Args:
        score (`dict[str, Any]`): run["stages"]["score"].
        peak_memory (`int`, *optional*): Bytes; None where not measured.

    Returns:
        `Table`: The table.
    """
    table = new_table("engine", "", "")
    row_tokens, tokens, forwarded = (score.get(name) for name in ("row_tokens", "tokens", "forwarded_tokens"))
    if row_tokens and tokens and forwarded:
        table.add_row("T0, tokens of the rows alone", write_number(row_tokens))
        table.add_row("tokens run", f"{write_number(tokens)} ({tokens / row_tokens:.2f} x T0)")
        table.add_row("with padding", f"{write_number(forwarded)} ({forwarded / row_tokens:.2f} x T0)")
        table.add_row("padding", f"{1 - tokens / forwarded:.1%}")
    for shared, count in score.get("reuse", {}).items():
        table.add_row(f"rows that share {shared}", write_number(count))
    if peak_memory:
        table.add_row("peak memory", f"{peak_memory / 2**30:.2f} GiB")
    return table


def example_table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Tabulate rows, one per line; prompt and response share the width that the other columns leave.

    Args:
        title (`str`): The title.
        rows (`list[dict[str, Any]]`): The rows, as in `show_summary`.

    Returns:
        `Table`: The table.
    """
    table = new_table(title, "row", "miwv", "zero-shot", "one-shot", "tokens", words=0)
    for name in ("prompt", "response"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=1)
    table.expand = True
    for row in rows:
        numbers = (row["miwv"], row["loss_zero_shot"], row["loss_one_shot"])
        table.add_row(
            str(row["row"]),
            *(write_number(value) for value in numbers),
            write_number(row["response_tokens"]),
            plain(row["prompt"]),
            plain(row["response"]),
        )
    return table


def choice_words(selection: SelectionFacts) -> str:
    """Name the method that the rows were chosen by, and which end of its score they are from.

    Args:
        selection (`SelectionFacts`): run["selection"].

    Returns:
        `str`: The words.
    """
    method = selection["method"]
    words = (
        "high = weak = keep" if method == "miwv" else method_words(method, selection["seed"], selection.get("like"))
    )
    return f"chosen by {method_label(method)} ({words})"


def kept_table(selection: SelectionFacts) -> Table:
    """Tabulate rows kept, of how many, down to which score, and the note where it is not as asked.

    Args:
        selection (`SelectionFacts`): run["selection"].

    Returns:
        `Table`: The table.
    """
    table = new_table("kept", "", "")
    table.add_row("kept", write_share(selection["kept"], selection["all_rows"]))
    table.add_row("of rows", write_number(selection["all_rows"]))
    table.add_row("of them scored", write_number(selection["scored_rows"]))
    table.add_row("lowest kept score", write_number(selection["lowest_kept_score"]))
    if "window" in selection:
        words = f"passed over: nearer to those kept, in a window of {selection['window']} rows down the ranking"
        table.add_row(words, write_number(selection["passed_over"]))
    if selection["diversity"] is not None:
        words = f"passed over: cosine above {selection['diversity']} with one kept"
        table.add_row(words, write_number(selection["passed_over"]))
    if selection.get("one_per"):
        words = f"passed over: another row with their {selection['one_per']} scores higher"
        table.add_row(words, write_number(selection["behind_another_response"]))
    if selection["note"]:
        table.caption = plain(selection["note"])
    return table


def group_table(selection: SelectionFacts) -> Table:
    """Tabulate the rows kept of each group, the largest first.

    Args:
        selection (`SelectionFacts`): run["selection"].

    Returns:
        `Table`: The table.
    """
    table = new_table(f"within {selection['within']}", "", "with a score", "kept")
    groups = sorted(selection["groups"].items(), key=lambda item: -item[1]["scored"])
    for name, counts in groups[:SHOWN_GROUPS]:
        table.add_row(plain(name), write_number(counts["scored"]), write_share(counts["kept"], counts["scored"]))
    if len(groups) > SHOWN_GROUPS:
        table.caption = f"and {len(groups) - SHOWN_GROUPS} more groups, in run.json"
    return table


def response_table(responses: ResponseFaults) -> Table:
    """Tabulate responses that would do harm, among the chosen rows and in a sample of all.

    Args:
        responses (`ResponseFaults`): run["selection"]["responses"].

    Returns:
        `Table`: The table.
    """
    table = new_table("to look at: none was dropped for it", "", "chosen", "sample of all", "first rows")
    for kind, words in RESPONSE_WORDS.items():
        rows = responses["first"].get(kind, [])
        shown = ", ".join(str(row) for row in rows[:SHOWN_ROWS])
        table.add_row(
            words,
            write_share(responses["chosen"][kind], responses["chosen_rows"]),
            write_share(responses["sample"][kind], responses["sample_rows"]),
            f"{shown} ..." if responses["chosen"][kind] > SHOWN_ROWS else shown,
        )
    if responses["identifier"] is None:
        table.caption = "languages were not told: py3langid is not installed (extra curate)"
    return table


def length_table(lengths: LengthComparison) -> Table:
    """Tabulate response tokens of the chosen and of all scored rows.

    Args:
        lengths (`LengthComparison`): The result of `compare_lengths`.

    Returns:
        `Table`: The table.
    """
    table = new_table("response tokens", "", "rows", "10 %", "median", "mean", "90 %")
    for words, part in (("chosen", lengths["chosen"]), ("all scored", lengths["scored"])):
        numbers = (part["quantile_10"], part["median"], part["mean"], part["quantile_90"])
        table.add_row(words, write_number(part["rows"]), *(write_number(number, 1) for number in numbers))
    return table
