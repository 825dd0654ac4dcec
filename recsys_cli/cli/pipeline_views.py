"""Results of `recsys run` and `recsys status` -> tables for a person."""

from collections.abc import Iterable

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from recsys_cli.pipelines.results import PlanResult, RunResult, StatusResult


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


def status_view(result: StatusResult) -> Iterable[RenderableType]:
    """A row an artifact, then what did not end."""
    if not result.artifacts:
        yield Text(f"{result.folder} has no artifacts.")
    else:
        table = _table("artifact", "kind", "made (UTC)", "from", "state")
        for each in result.artifacts:
            state = f"{each.state}: {each.reason}" if each.reason else each.state
            table.add_row(
                Text(each.path), each.kind, _minute(each.made), Text("\n".join(each.made_from)), Text(state)
            )
        yield table
    for left in result.unfinished:
        yield Text(f"{left.path} ({_minute(left.changed)}): {left.what}.")


def _minute(time: str | None) -> str:
    return "" if time is None else time[:16].replace("T", " ")


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    return table
