"""The terminal: the only package that knows typer and rich. Imports nothing heavy until a command runs."""
