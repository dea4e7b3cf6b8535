"""A table of the study with its numbers and what they say: as Markdown, as CSV and as HTML."""

import csv
import io
from html import escape

from kd_tf.markdown import markdown_table
from kd_tf.study.claims import level_students, verdicts
from kd_tf.study.results import Scores, cell_values
from kd_tf.study.table import ABSENT, mean_and_deviation, with_spread
from kd_tf.study.tables import Cell, Row, Table

CSV_COLUMNS = ("table", "row", "column", "control", "metric", "stage", "paper", "mean", "std", "seeds", "values")
# Head of the column of row titles.
ROW_HEAD = "network"
CONTROL_MARK = " *"


def markdown(table: Table, scores: Scores) -> str:
    """Heading, table, legend, and what is said of it as a list."""
    rows = [[ROW_HEAD, *table.columns]]
    rows += [[_title(row), *(" ".join(filter(None, _cell_texts(cell, scores))) for cell in row.cells)] for row in _shown(table, scores)]
    blocks = [f"### {heading(table, scores)}\n", markdown_table(rows), *(f"{note}\n" for note in _notes(table, scores))]
    sentences = "".join(f"- {sentence}\n" for sentence, _ in _sentences(table, scores))
    return "\n".join([*blocks, sentences] if sentences else blocks)


def csv_text(table: Table, scores: Scores) -> str:
    """Lines of `CSV_COLUMNS`, one a cell; `seeds` and their `values` are in the same order, joined by semicolons."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in _shown(table, scores):
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell:
                control = "true" if row.control else "false"
                writer.writerow([table.key, row.title, column, control, cell.metric, cell.stage, *_csv_numbers(cell, scores)])
    return text.getvalue()


def html(table: Table, scores: Scores) -> str:
    """A fragment without style: `<table>`, its legend, and what is said of it as a list; of class `control` and `paper` what is so."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in (ROW_HEAD, *table.columns))
    lines = [f"<table>\n<caption>{escape(heading(table, scores))}</caption>", f"<thead>\n<tr>{head}</tr>\n</thead>", "<tbody>"]
    for row in _shown(table, scores):
        cells = "".join(f"<td>{_html_cell(cell, scores)}</td>" for cell in row.cells)
        lines.append(f'<tr{_class(row.control)}><th scope="row">{escape(_title(row))}</th>{cells}</tr>')
    lines += ["</tbody>\n</table>", *(f"<p>{escape(note)}</p>" for note in _notes(table, scores))]
    items = [f"<li{_class(control)}>{escape(sentence)}</li>" for sentence, control in _sentences(table, scores)]
    return "\n".join([*lines, *(["<ul>", *items, "</ul>"] if items else [])]) + "\n"


def _sentences(table: Table, scores: Scores) -> list[tuple[str, bool]]:
    """What the numbers say, and whether it is said of a control."""
    judged = [(verdict.sentence, verdict.claim.control) for verdict in verdicts(table, scores)]
    return judged + [(sentence, False) for sentence in level_students(table, scores)]


def heading(table: Table, scores: Scores) -> str:
    """Number and title of a table and over how many seeds it is."""
    return f"Table {table.key.removeprefix('table')}: {table.title} ({_seed_words(table, scores)})"


def _seed_words(table: Table, scores: Scores) -> str:
    seeds = {frozenset(values) for values in (cell_values(cell, scores) for cell in table.cells) if values}
    if not seeds:
        return "not measured"
    count = len(frozenset.union(*seeds))
    words = f"{count} seed{'s' if count > 1 else ''}"
    return words if len(seeds) == 1 else f"{words}, not all of them in every cell: the study is under way"


def _shown(table: Table, scores: Scores) -> list[Row]:
    """The rows with a measured cell; all of them where no row has one."""
    return [row for row in table.rows if any(cell and cell_values(cell, scores) for cell in row.cells)] or list(table.rows)


def _notes(table: Table, scores: Scores) -> list[str]:
    """The legend, and which rows are not shown."""
    shown = _shown(table, scores)
    legend = "Mean ± standard deviation over the seeds [the paper's value]"
    if any(row.control for row in shown):
        legend += f";{CONTROL_MARK} is a control, which the paper does not have"
    if verdicts(table, scores):
        legend += ". Below, differences above 0 speak for what is said, and intervals are Student's t over the seeds"
    left_out = "; ".join(_left_out(table, shown))
    return [f"{legend}.", *([f"Not measured here: {left_out}."] if left_out else [])]


def _left_out(table: Table, shown: list[Row]) -> list[str]:
    """The titles of rows that are not shown; of a group of rows none of which is shown, what they have in common."""
    shown_groups = {_group(row) for row in shown}
    return list(dict.fromkeys(row.title if _group(row) in shown_groups else _group(row) for row in table.rows if row not in shown))


def _group(row: Row) -> str:
    """What stands before the colon of a title."""
    return row.title.partition(": ")[0]


def _title(row: Row) -> str:
    return row.title + CONTROL_MARK * row.control


def _cell_texts(cell: Cell | None, scores: Scores) -> tuple[str, str]:
    """What is measured, and the paper's value in brackets; either may be empty."""
    if cell is None:
        return "", ""
    paper = "" if cell.paper is None else f"[{cell.paper:.2f}]"
    values = list(cell_values(cell, scores).values())
    return (with_spread(values) if values else ABSENT if paper else ""), paper


def _class(control: bool) -> str:
    return ' class="control"' if control else ""


def _html_cell(cell: Cell | None, scores: Scores) -> str:
    measured, paper = map(escape, _cell_texts(cell, scores))
    return f'{measured} <span class="paper">{paper}</span>' if paper else measured


def _csv_numbers(cell: Cell, scores: Scores) -> list[str]:
    values = dict(sorted(cell_values(cell, scores).items()))
    numbers = ("" if number is None else _digits(number) for number in (cell.paper, *mean_and_deviation(list(values.values()))))
    return [*numbers, ";".join(map(str, values)), ";".join(map(_digits, values.values()))]


def _digits(value: float) -> str:
    return f"{value:.8g}"
