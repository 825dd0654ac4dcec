"""docs/file-formats.md has the columns of schemas.py: all of them, in order, with their types."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from recsys_cli import schemas

PAGE = (Path(__file__).parents[2] / "docs" / "file-formats.md").read_text(encoding="utf-8")
ID = pa.large_string()  # stands for whatever type the person's ids have
SCHEMAS = {
    "`items.parquet`": schemas.items_schema(ID, ["NAME"]),
    "`users.parquet`": schemas.users_schema(ID, ["NAME"]),
    "`attributes.parquet`": schemas.ATTRIBUTES,
    "`item_attributes.parquet`, `user_attributes.parquet`": schemas.ENTITY_ATTRIBUTES,
    "`sequences.parquet`": schemas.SEQUENCES,
    "`rejects.parquet`": schemas.REJECTS,
    "Recommendations": schemas.recommendations_schema(ID, ID),
}


def documented_columns(heading: str) -> list[tuple[str, str]]:
    """Name and type of each row of the first table below a heading."""
    section = re.split(r"^##+ ", PAGE.split(f"# {heading}\n", 1)[1], flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, flags=re.MULTILINE)
    return [(name, kind.strip()) for name, kind in rows]


def in_words(kind: pa.DataType) -> str:
    if kind == ID:
        return "id"
    if pa.types.is_list(kind):
        return f"list of {in_words(kind.value_type)}"
    if pa.types.is_dictionary(kind):
        return f"dictionary of {in_words(kind.value_type)}"
    return str(kind)


@pytest.mark.parametrize("heading", SCHEMAS)
def test_every_column_is_listed_with_its_type(heading):
    assert documented_columns(heading) == [(field.name, in_words(field.type)) for field in SCHEMAS[heading]]
