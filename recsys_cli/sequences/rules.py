"""Rules that drop events, in this order: deduplicate, then minimum events until nothing changes."""

import duckdb

from recsys_cli.config.settings import PreprocessSettings
from recsys_cli.tables.interactions import EVENTS
from recsys_cli.tables.reader import first_row


def apply_rules(connection: duckdb.DuckDBPyConnection, settings: PreprocessSettings) -> dict[str, int]:
    """Delete what the rules drop from table `events`; rule -> events dropped, for rules asked for."""
    dropped: dict[str, int] = {}
    if settings.deduplicate:
        dropped["deduplicate"] = _delete(connection, _LATER_REPEATS)
    minimums = {"user": settings.min_user_events, "item": settings.min_item_events}
    asked = {column: least for column, least in minimums.items() if least > 1}
    dropped |= {f"min-{column}-events": 0 for column in asked}
    changed = bool(asked)
    while changed:
        changed = False
        for column, least in asked.items():
            gone = _delete(
                connection,
                f'SELECT rowid FROM {EVENTS} WHERE "{column}" IN '
                f'(SELECT "{column}" FROM {EVENTS} GROUP BY "{column}" HAVING count(*) < {least})',
            )
            dropped[f"min-{column}-events"] += gone
            changed |= gone > 0
    return dropped


# The earliest event of a user with an item stays; among equal times the first in the input.
_LATER_REPEATS = (
    "SELECT repeat FROM (SELECT rowid AS repeat, row_number() OVER "
    f'(PARTITION BY "user", item ORDER BY moment, place) AS n FROM {EVENTS}) WHERE n > 1'
)


def _delete(connection: duckdb.DuckDBPyConnection, places: str) -> int:
    return first_row(connection, f"DELETE FROM {EVENTS} WHERE rowid IN ({places})")[0]
