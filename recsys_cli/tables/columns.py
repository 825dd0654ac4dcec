"""Which column is which: by its usual names, or by the name that an option gives."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from recsys_cli.errors import DataError, UsageError

# Compared without case, `_`, `-` and spaces; the first of a list wins over the later ones.
USUAL_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": (
        "userid", "user", "uid", "username", "customerid", "customer", "visitorid", "memberid",
        "accountid", "reviewerid", "sessionid", "clientid",
    ),
    "item": (
        "itemid", "item", "iid", "movieid", "movie", "productid", "product", "asin", "parentasin",
        "articleid", "bookid", "isbn", "trackid", "songid", "sku", "contentid", "newsid", "gameid",
        "businessid",
    ),
    "timestamp": (
        "timestamp", "time", "ts", "datetime", "date", "unixreviewtime", "eventtime", "createdat",
        "occurredat", "unixtime", "position",
    ),
    "rating": ("rating", "ratings", "score", "stars", "overall", "rate"),
}  # fmt: skip
ENTITY_ID: Final = "recsys.id"  # the role of the ids in a table of entities; no field is called that
# What the columns of MovieLens' files are, which have no header, by the table and how many there are.
MOVIELENS: Final[Mapping[tuple[str, int], tuple[str, ...]]] = {
    ("items", 3): ("item_id", "title", "genres"),
    ("users", 5): ("user_id", "gender", "age", "occupation", "zip_code"),
}
# The columns that are known however many there are.
FIRST_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "interactions": ("user_id", "item_id", "rating", "timestamp"),
    "items": ("item_id",),
    "users": ("user_id",),
}
OPTIONAL: Final = ("timestamp", "rating")
OTHER_SEPARATORS: Final = (";", "\t", "|", ",")
NUMBER: Final = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")
SHOWN_NAMES: Final = 20
SHOWN_LENGTH: Final = 60


def find_columns(
    source: str, names: Sequence[str], roles: Sequence[str], named: Mapping[str, str | None]
) -> dict[str, str]:
    """Role -> column name, for the roles that `source` has.

    `named` holds what options say. Raises UsageError for a named column that is not there,
    DataError where a role that is needed has no column, or more than one that fits equally well.
    """
    found: dict[str, str] = {}
    for role in roles:
        column = _named(source, names, role, named.get(role)) or usual_column(source, names, role)
        if column is None and role not in OPTIONAL:
            raise _no_column(source, names, role)
        if column is not None:
            found[role] = column
    _require_different(source, found)
    return found


def find_entity_columns(source: str, names: Sequence[str], entity: str, named: str | None) -> dict[str, str]:
    """The role of ids -> their column, and every other column under its own name.

    `named` is what an option says of the interactions; here it counts where such a column exists. A
    column that is called `id` is taken where there is no other.
    """
    column = named if named in names else usual_column(source, names, entity)
    if column is None:
        column = next((name for name in names if name.casefold() == "id"), None)
    if column is None:
        column = find_columns(source, names, [entity], {})[entity]
    return {ENTITY_ID: column} | {name: name for name in names if name != column}


def columns_without_header(table: str, width: int) -> tuple[str, ...]:
    """Names for the columns of a file of interactions, items or users that has none."""
    known = MOVIELENS.get((table, width), FIRST_COLUMNS[table])
    return known[:width] + tuple(f"column {place}" for place in range(len(known) + 1, width + 1))


def _named(source: str, names: Sequence[str], role: str, name: str | None) -> str | None:
    if name is not None and name not in names:
        raise UsageError(
            f"{source} has no column {name!r}: its columns are {_listed(names)}.",
            hint=f"Name one of them with --{role}-column.",
        )
    return name


def usual_column(source: str, names: Sequence[str], role: str) -> str | None:
    """The column that `role` usually has; None where there is none. Raises DataError where several fit."""
    plain = {name: re.sub(r"[_\-\s]", "", name).casefold() for name in names}
    for usual in USUAL_NAMES[role]:
        matching = [name for name in names if plain[name] == usual]
        if len(matching) > 1:
            raise DataError(
                f"{source} has more than one column that may be the {role}: {_listed(matching)}.",
                hint=f"Name one of them with --{role}-column.",
            )
        if matching:
            return matching[0]
    return None


def _require_different(source: str, found: Mapping[str, str]) -> None:
    for column, roles in groupby(sorted(found, key=found.__getitem__), key=found.__getitem__):
        first, *others = roles
        if others:
            raise UsageError(
                f"{source}'s column {column!r} cannot be the {first} and the {others[0]}.",
                hint=f"Name another with --{others[0]}-column.",
            )


def _no_column(source: str, names: Sequence[str], role: str) -> DataError:
    """Says what the names tell: of another separator, of a header that is not there, or nothing."""
    what = f"{source} has no {role} column: its columns are {_listed(names)}."
    separator = next((mark for mark in OTHER_SEPARATORS if len(names) == 1 and mark in names[0]), None)
    if separator == "\t":
        return DataError(f"{what} It looks separated by tabs.", hint="Give it a name that ends in .tsv.")
    if separator is not None:
        return DataError(
            f"{what} It looks separated by {separator!r}.",
            hint="Write it with commas, or with tabs and a name that ends in .tsv.",
        )
    if any(NUMBER.fullmatch(name) for name in names):
        return DataError(
            f"{source} has no {role} column: its first line looks like data.",
            hint="Put the columns' names into its first line.",
        )
    return DataError(what, hint=f"Name it with --{role}-column.")


def _listed(names: Sequence[str]) -> str:
    short = [name if len(name) <= SHOWN_LENGTH else f"{name[:SHOWN_LENGTH]}…" for name in names]
    return ", ".join(map(repr, short[:SHOWN_NAMES])) + (" …" if len(names) > SHOWN_NAMES else "")
