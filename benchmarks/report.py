"""results.json -> RESULTS.md: what must be reached and whether it is, then every row with its spread."""

from typing import Any


def render(document: dict[str, Any]) -> str:
    """The whole page."""
    parts = [_head(document), _summary(document["rows"])]
    parts += [_section(row) for row in document["rows"].values()]
    return "\n\n".join(parts) + "\n"


def _head(document: dict[str, Any]) -> str:
    machine = document["machine"]
    flags = ", ".join(machine["flags"]) or "no flags"
    return "\n\n".join(
        [
            "# Results",
            "Written by `make bench DATA=DIR` (`benchmarks/run.py`); the raw figures are in `results.json`. "
            "README.md says how it measures.",
            f"{machine['processor']}, {machine['cores']} cores ({flags}), {machine['memory_gb']} GB, "
            f"{machine['system']}, Python {machine['python']}; every side on {machine['threads']} threads.",
            "A figure is the median of its rounds, with the lowest and the highest. A ratio is taken round "
            "by round, so its spread is its own. × of the floor: 1 would be all that the machine can do.",
        ]
    )


def _summary(rows: dict[str, Any]) -> str:
    lines = ["| row | what | is | must be | |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        if row.get("failed"):
            lines.append(f"| {name} | | failed: {row['failed']} | | **falls short** |")
        lines += [
            f"| {name} | {need['what']} | {_number(need['value'])} {need['unit']} "
            f"| {'≥' if need['at_least'] else '≤'} {_number(need['bound'])} {need['unit']} "
            f"| {'reached' if need['reached'] else '**falls short**'} |"
            for need in row["required"]
        ]
    return "\n".join(lines)


def _section(row: dict[str, Any]) -> str:
    parts = [f"## {row['title']}"]
    if row["figures"]:
        lines = ["| | median | lowest – highest | rounds |", "|---|---|---|---|"]
        lines += [_figure(figure) for figure in row["figures"]]
        parts.append("\n".join(lines))
    if row["table"]:
        parts.append(_table(row["table"]))
    if row["floor"]:
        parts.append(f"Floor: {row['floor']}.")
    parts += row["notes"]
    parts.append(_made(row))
    return "\n\n".join(parts)


def _figure(figure: dict[str, Any]) -> str:
    spread, unit = figure["spread"], figure["unit"]
    return (
        f"| {figure['what']} | {_number(spread['median'])} {unit} "
        f"| {_number(spread['low'])} – {_number(spread['high'])} | {spread['rounds']} |"
    )


def _table(rows: list[list[Any]]) -> str:
    header, *body = rows
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _made(row: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(row["versions"].items()))
    made = f"{row['date']}, commit {row['commit']}, {row['seconds']:.0f} s"
    return f"*{made}; {versions}.*" if versions else f"*{made}.*"


def _cell(value: Any) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    """Three significant digits, and no exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{2 if abs(value) >= 1 else 3}f}"
