"""Column names and Arrow schemas of every table on disk. Units are in the comments.

An id is text or a 64-bit integer, as the person's tables have it; `id_type` says which.
"""

from typing import Final, Literal

import pyarrow as pa

PAD: Final = 0  # Item, user and attribute numbers start at 1, so 0 never names anything.

USER_ID: Final = "user_id"
ITEM_ID: Final = "item_id"
NUMBER: Final = "number"
EVENTS: Final = "events"
FIRST_SEEN: Final = "first_seen"
LAST_SEEN: Final = "last_seen"
TEXT_PREFIX: Final = "text."  # `text.title` holds the free-text field `title`, for display only.

Entity = Literal["item", "user"]
FieldKind = Literal["category", "multi", "number", "text", "ignore"]
TimestampKind = Literal["seconds", "order"]
SplitKind = Literal["leave-one-out", "time", "none"]
Part = Literal["validation", "test"]


def items_schema(id_type: pa.DataType, text_fields: list[str]) -> pa.Schema:
    """One row an item that has an event; row r holds item number r + 1."""
    return pa.schema(
        [
            pa.field(NUMBER, pa.int32(), nullable=False),
            pa.field(ITEM_ID, id_type, nullable=False),
            pa.field(EVENTS, pa.int64(), nullable=False),
            pa.field(FIRST_SEEN, pa.int64()),  # Unix seconds UTC; null where only an order is known.
            pa.field(LAST_SEEN, pa.int64()),
            *(pa.field(TEXT_PREFIX + name, pa.string()) for name in text_fields),
        ]
    )


def users_schema(id_type: pa.DataType, text_fields: list[str]) -> pa.Schema:
    """One row a user, with events or only in the users table; row r holds user number r + 1."""
    return pa.schema(
        [
            pa.field(NUMBER, pa.int32(), nullable=False),
            pa.field(USER_ID, id_type, nullable=False),
            pa.field(EVENTS, pa.int64(), nullable=False),
            pa.field(FIRST_SEEN, pa.int64()),
            pa.field(LAST_SEEN, pa.int64()),
            *(pa.field(TEXT_PREFIX + name, pa.string()) for name in text_fields),
        ]
    )


ATTRIBUTES: Final = pa.schema(
    [
        pa.field(NUMBER, pa.int32(), nullable=False),  # item attributes first, then user attributes
        pa.field("entity", pa.string(), nullable=False),  # "item" or "user"
        pa.field("field", pa.string(), nullable=False),
        pa.field("value", pa.string()),  # null: the field was blank
        pa.field("count", pa.int64(), nullable=False),  # items or users that have it
    ]
)

# Row r holds the attribute numbers, ascending, of item (or user) number r + 1.
ENTITY_ATTRIBUTES: Final = pa.schema(
    [
        pa.field(NUMBER, pa.int32(), nullable=False),
        pa.field("attributes", pa.list_(pa.int32()), nullable=False),
    ]
)

# One row a user, in user-number order; the lists of a row are of one length, oldest event first.
SEQUENCES: Final = pa.schema(
    [
        pa.field(NUMBER, pa.int32(), nullable=False),
        pa.field("items", pa.list_(pa.int32()), nullable=False),
        # Unix seconds UTC, or 0, 1, 2 … where only an order is known.
        pa.field("timestamps", pa.list_(pa.int64()), nullable=False),
        pa.field("ratings", pa.list_(pa.float32())),  # null where the data have no ratings
        pa.field("positive", pa.list_(pa.bool_()), nullable=False),
        # Offsets into the lists: events [0, validation_start) are training, [validation_start,
        # test_start) validation, [test_start, length) test. A user without such a part has `length`.
        pa.field("validation_start", pa.int32(), nullable=False),
        pa.field("test_start", pa.int32(), nullable=False),
    ]
)

REJECTS: Final = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),  # from 1, the header included; of Parquet: row
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.string()),
    ]
)

RecommendationSource = Literal["model", "popular"]


def recommendations_schema(user_type: pa.DataType, item_type: pa.DataType) -> pa.Schema:
    """One row a user and rank, sorted by user, then rank."""
    return pa.schema(
        [
            pa.field(USER_ID, user_type, nullable=False),
            pa.field(ITEM_ID, item_type, nullable=False),
            pa.field("rank", pa.int32(), nullable=False),  # from 1
            pa.field("score", pa.float32(), nullable=False),  # the logit that orders the list
            pa.field("probability", pa.float32()),  # null where it has no meaning
            pa.field("source", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        ]
    )
