"""Stages in one file, run as a night under cron runs them: skipped, resumed, judged, logged."""
