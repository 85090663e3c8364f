"""The page of `hf-miwv app`: a table of rows by score, and one of them beside its neighbor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gradio

from hf_miwv.app.row_views import HEADERS, introduction, neighbor_of, table_row, view_row
from hf_miwv.app.scored_rows import ORDERS, ScoredRows
from hf_miwv.common.app.serving import show_faults
from hf_miwv.common.cards.parts import shown_name
from hf_miwv.results.statistics import FLAGS, STATUSES

PAGE_ROWS = 15
NARROW = 260  # pixels that a filter needs: on a phone they stand one below the other
WIDTHS = [
    "70px",
    "85px",
    "95px",
    "90px",
    "100px",
    "80px",
    "80px",
    "140px",
    "180px",
    "max(400px, calc(100% - 920px))",
]


class RowPage(NamedTuple):
    """Hold a page of the rows that fit.

    Attributes:
        lines (`list[list[Any]]`): Its lines.
        number (`int`): Its number, from 1.
        counted (`str`): In words, how many rows fit.
    """

    lines: list[list[Any]]
    number: int
    counted: str


def find_page(rows: ScoredRows, order: str, statuses: list[str], flags: list[str], text: str, number: int) -> RowPage:
    """Return a page of the rows that `ScoredRows.find` finds, PAGE_ROWS rows.

    Args:
        rows (`ScoredRows`): All rows.
        order (`str`): One of ORDERS.
        statuses (`list[str]`): Any of these; empty for all.
        flags (`list[str]`): With any of these; empty for all.
        text (`str`): In prompt or response; empty for all.
        number (`int`): Number of the page, from 1; the nearest page that exists is returned.

    Returns:
        `RowPage`: The page.
    """
    positions = rows.find(order, statuses, flags, text)
    pages = max(1, -(-len(positions) // PAGE_ROWS))
    # A filter may leave fewer pages than the number of the one that was shown.
    number = min(max(1, int(number or 1)), pages)
    start = (number - 1) * PAGE_ROWS
    shown = positions[start : start + PAGE_ROWS]
    counted = f"{len(positions):,} of {len(rows):,} rows; page {number:,} of {pages:,}"
    if len(positions) == 0:
        counted = "no row fits: take a filter or words out"
    return RowPage([table_row(rows, int(position)) for position in shown], number, counted)


def build_page(rows: ScoredRows) -> gradio.Blocks:
    """Build the page for these rows; `serving` serves it.

    Args:
        rows (`ScoredRows`): The rows.

    Returns:
        `gradio.Blocks`: The page.
    """
    with gradio.Blocks(title=f"MIWV of {shown_name(rows.name)}", analytics_enabled=False, fill_width=True) as page:
        gradio.HTML(introduction(rows))
        filters, table = _add_filters(rows), _add_table()
        _connect_table(page, rows, filters, table)
        _connect_views(page, rows, table, _add_views())
    return page


class Filters(NamedTuple):
    """Hold the filters of the rows to show, and the button that searches for the words."""

    order: gradio.Dropdown
    status: gradio.CheckboxGroup
    flags: gradio.CheckboxGroup
    words: gradio.Textbox
    search: gradio.Button


def _add_filters(rows: ScoredRows) -> Filters:
    counts = Counter(rows.columns.status)
    flags = Counter(flag for row_flags in rows.columns.flags for flag in row_flags)
    with gradio.Row(equal_height=True):
        order = gradio.Dropdown([*ORDERS], value=next(iter(ORDERS)), label="Order", min_width=NARROW)
        words = gradio.Textbox(label="Words in prompt or response", placeholder="any case", min_width=NARROW)
        search = gradio.Button("Search", scale=0, min_width=100)
    with gradio.Row():
        status = gradio.CheckboxGroup(_counted(STATUSES, counts), label="Status (none: all)", min_width=NARROW)
        flag = gradio.CheckboxGroup(
            _counted(FLAGS, flags),
            visible=bool(flags),
            label="Any of these flags (none: all)",
            min_width=NARROW,
        )
    return Filters(order, status, flag, words, search)


def _counted(names: Sequence[str], counts: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(f"{name} ({counts[name]:,})", name) for name in names if counts[name]]


class Table(NamedTuple):
    """Hold the widgets of a page of rows: its lines, words on it, its number, and the buttons that turn it."""

    lines: gradio.Dataframe
    counted: gradio.Textbox
    number: gradio.Number
    back: gradio.Button
    on: gradio.Button


def _add_table() -> Table:
    lines = gradio.Dataframe(
        headers=[*HEADERS],
        datatype="str",
        type="array",
        interactive=False,
        show_label=False,
        column_widths=[*WIDTHS],
        max_height=900,
    )
    with gradio.Row(equal_height=True):
        counted = gradio.Textbox(show_label=False, container=False, interactive=False, scale=3)
        back = gradio.Button("◀ Page back")
        number = gradio.Number(1, show_label=False, container=False, precision=0, minimum=1)
        on = gradio.Button("Page on ▶")
    return Table(lines, counted, number, back, on)


def _connect_table(page: gradio.Blocks, rows: ScoredRows, filters: Filters, table: Table) -> None:
    """Show the first page of the rows that fit at any change of the filters; the buttons turn from there."""

    def turned(by: int) -> Callable[..., RowPage]:
        def find(order: str, status: list[str], flags: list[str], text: str, number: int | None) -> RowPage:
            return find_page(rows, order, status, flags, text, (number or 1) + by)

        return find

    def first(order: str, status: list[str], flags: list[str], text: str) -> RowPage:
        return find_page(rows, order, status, flags, text, 1)

    inputs, outputs = [*filters[:4]], [table.lines, table.number, table.counted]
    changed = [page.load, filters.search.click, filters.words.submit, filters.order.change]
    changed += [filters.status.change, filters.flags.change]
    # Answers may overtake one another while somebody types: only the last change may show its rows.
    gradio.on(changed, first, inputs, outputs, api_visibility="private", trigger_mode="always_last")
    table.number.submit(turned(0), [*inputs, table.number], outputs, api_name="find")
    for button, by in ((table.back, -1), (table.on, 1)):
        button.click(turned(by), [*inputs, table.number], outputs, api_visibility="private")


class Views(NamedTuple):
    """Hold the number of a row, the buttons that show it and its neighbor, and the parts of a RowView."""

    row: gradio.Number
    show: gradio.Button
    follow: gradio.Button
    parts: list[gradio.components.Component]


def _add_views() -> Views:
    gradio.HTML(
        "<p>Click a row of the table, or go to it with Tab and the arrow keys and press Enter, or give its number:</p>"
    )
    with gradio.Row(equal_height=True):
        row = gradio.Number(show_label=False, container=False, precision=0, minimum=0)
        show = gradio.Button("Show this row", variant="primary")
        follow = gradio.Button("Go to its neighbor")
    with gradio.Row():
        with gradio.Column():
            texts = [gradio.HTML(), _text("Prompt"), _text("Response")]
        with gradio.Column():
            neighbor_texts = [gradio.HTML(), _text("Prompt"), _text("Response")]
    with gradio.Row():
        with gradio.Column(scale=1):
            facts = gradio.HTML()
        with gradio.Column(scale=2):
            picture = gradio.HTML()
    return Views(row, show, follow, [*texts, *neighbor_texts, facts, picture])


def _text(label: str) -> gradio.Textbox:
    return gradio.Textbox(label=label, lines=3, max_lines=14, interactive=False, buttons=["copy"])


def _connect_views(page: gradio.Blocks, rows: ScoredRows, table: Table, views: Views) -> None:
    """Show a row at a click on the table, by its number, and as the neighbor of the one before."""

    def shown(number: int | None) -> tuple[Any, ...]:
        return (number, *view_row(rows, int(number or 0)))

    def picked(event: gradio.SelectData) -> tuple[Any, ...]:
        return shown(int(event.row_value[0]))

    def followed(number: int | None) -> tuple[Any, ...]:
        return shown(neighbor_of(rows, int(number or 0)))

    def first() -> tuple[Any, ...]:
        return shown(int(rows.columns.row[rows.find(next(iter(ORDERS)))[0]]))

    outputs = [views.row, *views.parts]
    gradio.on([views.show.click, views.row.submit], show_faults(shown), views.row, outputs, api_name="row")
    views.follow.click(show_faults(followed), views.row, outputs, api_visibility="private")
    table.lines.select(show_faults(picked), None, outputs, api_visibility="private")
    page.load(first, None, outputs, api_visibility="private")
