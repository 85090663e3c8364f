"""Heat maps of directions: a line for each language, a column each out of and into its pivots, a block per measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.evaluation.metrics.corpus_scores import LOWER_IS_BETTER
from hf_lmt.evaluation.metrics.judgeable import COMET_METRICS
from hf_lmt.evaluation.report.report_figures import (
    COLUMN_TITLES,
    Figure,
    cells_of,
    described,
    directions_of,
    figure_of,
    is_rate,
    measures_of,
    title_of,
)
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.cards.figures import ABOVE, BELOW, CROPPED, DOTS_PER_INCH, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

CELL, LINE = 0.36, 0.165  # inches: width and height of a cell
MARGIN = 1.1  # inches: the names of the languages
LETTERS = 12  # of the head in an inch, at size 10
WIDEST = 10.0  # inches of a picture: shown at 1,200 pixels, its smallest letters have 9 of them
SMALL = 5.5  # points: the smallest letters
GAP, LETTER = 0.25, 0.08  # inches: between blocks, and a letter of their titles
FULL_RATE = 20.0  # per cent at which a rate's color is full
DEEPEST = 0.65  # of the way from white to the color, so that the ink on it stays readable
ABSENT = (0.93, 0.94, 0.94, 1.0)


class Block(NamedTuple):
    """Hold one measure: its title, its cells by (line, column), and how they are colored.

    Attributes:
        title (`str`): Name of the measure.
        cells (`Mapping[tuple[str, str], Figure]`): Figures by line and column.
        low (`float`): Value of no color.
        high (`float`): Value of full color.
        digits (`int`, *optional*, defaults to `1`): Decimals of the numbers.
        color (`str`, *optional*, defaults to `BELOW`): Full color of a block that is not diverging.
        diverging (`bool`, *optional*, defaults to `False`): Colored around 0, loss orange and gain blue.
    """

    title: str
    cells: Mapping[tuple[str, str], Figure]
    low: float
    high: float
    digits: int = 1
    color: str = BELOW
    diverging: bool = False


def draw_heat_map(
    evaluation: Evaluation,
    folder: Path,
    name: str = "heat_map",
    measures: Sequence[str] | None = None,
) -> list[str]:
    """Draw every direction's figures.

    Of all measures that it has, or of those that are named.

    A line for each language, by tier; for each measure the columns en->X, X->en, zh->X, X->zh, and
    one more for directions without English and Chinese, which have lines of their own. Scores are
    blue from the lowest to the highest reliable one, rates orange up to 20 %. Gray: no figure.
    "~": COMET is unreliable there. Rates that are 0 everywhere are named instead of drawn.

    Args:
        evaluation (`Evaluation`): The evaluation.
        folder (`Path`): Folder of the pictures.
        name (`str`, *optional*, defaults to `"heat_map"`): Name of the files, without ending.
        measures (`Sequence[str]`, *optional*): The measures to draw; by default all.

    Returns:
        `list[str]`: Names of the PNG and the SVG written to `folder`.
    """
    directions = directions_of([evaluation])
    blocks = [
        _block(
            measure,
            {direction: figure_of(evaluation, direction, measure) for direction in directions},
        )
        for measure in measures or measures_of([evaluation])
    ]
    about = described(evaluation)
    title = f"{about['model']} on {about['set']}"
    return save_both(draw_blocks(blocks, title, about["marks"]), folder, name)


def draw_blocks(blocks: Sequence[Block], title: str, marks: Sequence[str] = ()) -> Canvas:
    """Draw the blocks side by side in rows, the languages at one height.

    There are as many in a row as WIDEST has room for. Blocks without a value but 0 are named in
    the head, unless there is no other.

    Args:
        blocks (`Sequence[Block]`): The blocks, one at least.
        title (`str`): Title of the picture.
        marks (`Sequence[str]`, *optional*, defaults to `()`): Remarks below the title.

    Returns:
        `matplotlib.figure.Figure`: The picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as NewFigure

    columns = columns_of(blocks)
    lines = lines_of(blocks)
    drawn, folded = fold(blocks)
    # As many panels in a row as the page is wide enough for, and no more than there are.
    across = max(1, int((WIDEST - MARGIN) / (len(columns) * CELL + GAP)))
    across = min(across, len(drawn))
    rows = -(-len(drawn) // across)
    width = max(5.0, MARGIN + across * (len(columns) * CELL + GAP))
    heads = [_cut(title, width), *(_cut(f"marked: {mark}", width) for mark in marks)]
    if folded:
        heads += wrap(f"0 everywhere: {', '.join(folded)}", int(width * LETTERS))
    titles = max(len(_title_lines(block, columns)) for block in drawn)
    height = 0.25 + 0.25 * len(heads) + rows * (0.5 + 0.15 * titles + len(lines) * LINE)
    # A canvas of its own and not pyplot's, which would keep the figure and may ask for a display.
    figure = NewFigure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join(heads), x=0.01, ha="left", fontsize=10, color=INK, parse_math=False)
    parts = figure.subplots(rows, across, squeeze=False, sharey=True).ravel()
    for axes in parts[len(drawn) :]:
        axes.set_axis_off()
    for panel, (axes, block) in enumerate(zip(parts, drawn, strict=False)):
        draw_block(axes, block, lines, columns)
        axes.tick_params(axis="y", labelleft=panel % across == 0)
    return figure


def fold(blocks: Sequence[Block]) -> tuple[list[Block], list[str]]:
    """Separate the blocks that have a value other than 0 from the others.

    Where none has one, all are drawn: an empty picture says nothing.

    Args:
        blocks (`Sequence[Block]`): The blocks.

    Returns:
        `tuple[list[Block], list[str]]`: Blocks to draw, and the titles of the others.
    """
    telling = [
        block
        for block in blocks
        if block.color != ABOVE or block.diverging or any(cell.value for cell in block.cells.values())
    ]
    if not telling:
        return list(blocks), []
    return telling, [block.title for block in blocks if block not in telling]


def lines_of(blocks: Sequence[Block]) -> list[str]:
    """List languages by tier and code, then directions without English and Chinese.

    Args:
        blocks (`Sequence[Block]`): The blocks.

    Returns:
        `list[str]`: Lines that some block has a cell in.
    """
    lines_with_cells = {line for block in blocks for line, _ in block.cells}
    return [*(code for code in LANGUAGES if code in lines_with_cells), *sorted(lines_with_cells - LANGUAGES.keys())]


def columns_of(blocks: Sequence[Block]) -> list[str]:
    """List the columns that some block has a cell in, in the order of the map.

    Args:
        blocks (`Sequence[Block]`): The blocks.

    Returns:
        `list[str]`: Columns of `aggregation`, and "zero_shot".
    """
    columns_with_cells = {column for block in blocks for _, column in block.cells}
    return [column for column in (*COLUMNS, "zero_shot") if column in columns_with_cells]


def draw_block(
    axes: Axes,
    block: Block,
    lines: Sequence[str],
    columns: Sequence[str],
    size: float = SMALL,
) -> None:
    """Draw one measure, with a rule between the tiers.

    Args:
        axes (`matplotlib.axes.Axes`): The panel to draw into.
        block (`Block`): The measure.
        lines (`Sequence[str]`): Lines, from the top.
        columns (`Sequence[str]`): Columns, from the left.
        size (`float`, *optional*, defaults to `SMALL`): Points of the smallest letters.
    """
    colors = np.tile(np.array(ABSENT), (len(lines), len(columns), 1))
    for line_index, line in enumerate(lines):
        for column_index, column in enumerate(columns):
            cell = block.cells.get((line, column))
            if cell is None or cell.value is None:
                continue
            colors[line_index, column_index] = _color(block, cell.value)
            text = ("~" if cell.why else "") + _number(cell.value, block)
            axes.text(column_index, line_index, text, ha="center", va="center", size=size, color=INK)
    axes.imshow(colors, aspect="auto", interpolation="nearest")
    title = "\n".join(_title_lines(block, columns))
    axes.set_title(title, loc="left", fontsize=8, fontweight="bold", color=INK)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), [COLUMN_TITLES[column_code] for column_code in columns], size=max(6, size))
    axes.set_yticks(range(len(lines)), [_label(line) for line in lines], size=max(6, size))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    tiers = [LANGUAGES[line].tier if line in LANGUAGES else "" for line in lines]
    for line_index in range(1, len(lines)):
        if tiers[line_index] != tiers[line_index - 1]:
            axes.axhline(line_index - 0.5, color=INK, linewidth=0.9)


def _title_lines(block: Block, columns: Sequence[str]) -> list[str]:
    """Return the title, in lines that its block is wide enough for."""
    return wrap(block.title, int((len(columns) * CELL + GAP) / LETTER), break_long_words=False)


def save_both(figure: Canvas, folder: Path, name: str) -> list[str]:
    """Save NAME.png and NAME.svg, the same bytes for the same figures.

    Args:
        figure (`matplotlib.figure.Figure`): The picture.
        folder (`Path`): Folder of the files.
        name (`str`): Name of the files, without ending.

    Returns:
        `list[str]`: Names of the PNG and the SVG.
    """
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "hf_lmt", "svg.fonttype": "none"}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None}, **CROPPED)
    metadata = {"Software": None}
    figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH, metadata=metadata, **CROPPED)
    return [f"{name}.png", f"{name}.svg"]


def _block(measure: str, figures: Mapping[Any, Figure]) -> Block:
    cells = {position: figure for direction, figure in figures.items() for position in cells_of(direction)}
    if is_rate(measure):
        return Block(title_of(measure), cells, 0.0, FULL_RATE, color=ABOVE)
    # Figures that say little may be far off; the range of the colors is that of the others.
    values = [figure.value for figure in cells.values() if figure.value is not None and not figure.why]
    values = values or [0.0]
    low, high = min(values), max(values)
    # Full color is the best value, also where the best is the lowest.
    if measure in LOWER_IS_BETTER:
        low, high = high, low
    return Block(title_of(measure), cells, low, high, 3 if measure in COMET_METRICS else 1)


def _color(block: Block, value: float) -> tuple[float, ...]:
    from matplotlib.colors import LinearSegmentedColormap

    part = (value - block.low) / (block.high - block.low) if block.high != block.low else 0.5
    color = block.color
    if block.diverging:
        part, color = value / block.high, BELOW if value > 0 else ABOVE
    shades = LinearSegmentedColormap.from_list("shades", ["#FFFFFF", color])
    return shades(DEEPEST * float(np.clip(abs(part) if block.diverging else part, 0, 1)))


def _number(value: float, block: Block) -> str:
    if block.digits == 1 and abs(value) >= 99.95:
        return f"{value:.0f}"
    sign = "+" if block.diverging and value > 0 else ""
    text = f"{sign}{value:.{block.digits}f}"
    return "0" if text.strip("+-0.") == "" else text


def _label(line: str) -> str:
    if line not in LANGUAGES:
        return line
    known_language = LANGUAGES[line]
    return f"{known_language.name} {line} · {known_language.tier}"


def _cut(text: str, width: float) -> str:
    """Cut a text to fit in so many inches at size 10."""
    max_characters = int(width * LETTERS)
    text = " ".join(text.split())
    return text if len(text) <= max_characters else text[: max_characters - 1] + "…"
