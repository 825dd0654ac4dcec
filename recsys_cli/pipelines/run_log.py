"""What each stage of each night did: `log/YYYY-MM-DD.jsonl`, a line a stage, and beside it what was said."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from recsys_cli.artifacts.atomic import system_errors
from recsys_cli.pipelines.results import StageRow
from recsys_cli.scoring.dated_output import dated_path, remove_older

FOLDER: Final = "log"
ROWS: Final = "{date}.jsonl"
LINES: Final = "{date}.log"


class RunLog:
    """The logs of one run; it goes into the files of the day, in UTC, on which it began."""

    def __init__(self, run_folder: Path, *, keep: int | None) -> None:
        self._folder, self._keep = run_folder / FOLDER, keep
        today = datetime.now(UTC).date()
        self.rows, self.lines = (dated_path(self._folder / name, today) for name in (ROWS, LINES))

    def open(self) -> None:
        """Make the folder, and remove logs beyond the days to keep: days with a run, so no jump of a clock
        removes them all.
        """
        with system_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, path in ((ROWS, self.rows), (LINES, self.lines)):
                path.touch()
                if self._keep is not None:
                    remove_older(self._folder / name, path, self._keep)

    def add(self, row: StageRow) -> None:
        """One line, at once."""
        self._append(self.rows, row.model_dump_json() + "\n")

    def say(self, line: str) -> None:
        """A line that a stage wrote to its stderr, with its end."""
        self._append(self.lines, line)

    def _append(self, path: Path, text: str) -> None:
        with system_errors(path), path.open("a", encoding="utf-8") as stream:
            stream.write(text)
