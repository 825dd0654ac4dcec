"""Results of `recsys run` and `recsys status` -> tables for a person."""

from collections.abc import Iterable

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from recsys_cli.pipelines.results import PlanResult, RunResult


def plan_view(result: PlanResult) -> Iterable[RenderableType]:
    """A row a stage: what would be done, and why."""
    table = _table("stage", "action", "why")
    for stage in result.stages:
        table.add_row(Text(stage.stage), stage.action, Text(stage.reason))
    yield table


def run_view(result: RunResult) -> Iterable[RenderableType]:
    """A row a stage: what became of it."""
    table = _table("stage", "outcome", "seconds", "why")
    for row in result.stages:
        table.add_row(Text(row.stage), row.outcome, f"{row.seconds:,.1f}", Text(row.reason))
    yield table
    yield Text(f"Log: {result.log}", no_wrap=True, overflow="ignore")


def _table(*names: str) -> Table:
    return Table(*names, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
