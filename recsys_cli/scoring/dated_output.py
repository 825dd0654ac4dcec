"""`{date}` in the name of an output, and what is removed of other days."""

import contextlib
import logging
import re
from datetime import date
from pathlib import Path
from typing import Final

from recsys_cli.artifacts.atomic import HeldFile, held_file
from recsys_cli.errors import LockedError, SystemRefusedError, UsageError

LOGGER: Final = logging.getLogger("recsys")
DATE: Final = "{date}"


def dated_path(pattern: Path, today: date) -> Path:
    """`pattern` with `{date}` in its name filled in as YYYY-MM-DD. Raises UsageError for one in a folder."""
    if DATE in str(pattern.parent):
        raise UsageError(
            f"{pattern} has {DATE} in the name of a folder.",
            hint=f"Put {DATE} in the name of the file.",
        )
    return pattern.with_name(pattern.name.replace(DATE, today.isoformat()))


def check_keep(pattern: Path, keep: int | None) -> None:
    """Raise UsageError when older outputs are to be removed and the name cannot tell them."""
    if keep is not None and DATE not in pattern.name:
        raise UsageError(
            f"keep={keep} needs {DATE} in the name of the output, and {pattern.name} has none.",
            hint="Name it, for example, recommendations-{date}.parquet, or leave --keep out.",
        )


def remove_older(pattern: Path, written: Path, keep: int) -> list[Path]:
    """Remove all outputs of this pattern but the newest `keep`; never the one just written.

    Only files whose name is the pattern with one real date are outputs of it.
    """
    outputs = sorted(_outputs(pattern), reverse=True)
    older = [path for _, path in outputs[keep:] if path != written]
    return [path for path in older if _removed(path)]


def clear_other_days(pattern: Path) -> None:
    """Clear what dead runs left of outputs of other days; what goes on, or is not ours, stays."""
    if DATE not in pattern.name:
        return
    for day, _ in _outputs(HeldFile(pattern).lock):
        with (
            contextlib.suppress(LockedError, SystemRefusedError),
            held_file(dated_path(pattern, day), overwrite=True),
        ):
            pass


def _outputs(pattern: Path) -> list[tuple[date, Path]]:
    first, *rest = (re.escape(part) for part in pattern.name.split(DATE))
    name = re.compile(first + r"(?P<date>\d{4}-\d{2}-\d{2})" + "(?P=date)".join(rest))
    matches = [(name.fullmatch(path.name), path) for path in pattern.parent.iterdir() if path.is_file()]
    dates = [(_real_date(match["date"]), path) for match, path in matches if match]
    return [(day, path) for day, path in dates if day is not None]


def _real_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError as error:
        LOGGER.warning("%s could not be removed: %s.", path, error.strerror)
        return False
    return True
