"""Stages in one file, run as a night under cron runs them: skipped, resumed, judged, logged."""

from typing import Final

PARENT: Final = "RECSYS_PARENT"  # in a stage's environment: the process that it ends with
