"""Offline recommendation pipelines: tables in, a table of recommendations and an honest metric out."""

__version__ = "0.1.0"
