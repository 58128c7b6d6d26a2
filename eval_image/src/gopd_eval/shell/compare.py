"""The compare command: the comparison as a file, as a page, as tables, and in MLflow.

It reads grades and decides nothing: see `core.comparison`. Missing verdicts would be added, which `grade` has done.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from gopd_api.reports import Comparison
from gopd_api.requests import EvalRequest
from gopd_eval.core.comparison import compare_subjects
from gopd_eval.core.tables import comparison_tables
from gopd_eval.shell.files import write_atomically
from gopd_eval.shell.grade import measure_all
from gopd_eval.shell.page import write_page
from gopd_eval.shell.progress import Watch
from gopd_eval.shell.publish import publish
from gopd_eval.shell.setting import read_setting

WIDTH_WITHOUT_TERMINAL = 200


def compare(request: EvalRequest, watch: Watch, console: Console | None = None) -> Comparison:
    """Write, print and publish the comparison of the request's subjects."""
    measures = list(measure_all(request, watch))
    watch.at("comparing")
    comparison = compare_subjects(request, measures, read_setting(request, measures))
    write_atomically(Path(request.paths.comparison), comparison.to_json(), "paths.comparison")
    page, problems = write_page(request, comparison, measures)
    console = console or Console()
    print_tables(comparison, console)
    console.print(f"page: {request.paths.page}", markup=False, highlight=False, soft_wrap=True)
    publish(request, comparison, page, problems)
    watch.at("finished")
    return comparison


def print_tables(comparison: Comparison, console: Console) -> None:
    """The comparison on a terminal, or in full width where there is none."""
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    for text in comparison_tables(comparison):
        table = Table(title=text.title, title_justify="left")
        for place, column in enumerate(text.columns):
            table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
        for row in text.rows:
            table.add_row(*row)
        console.print(table)
