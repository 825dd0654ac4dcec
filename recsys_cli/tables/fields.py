"""Fields to attributes: what kind a field is, and the one-hot values of each row.

Kinds, in the order in which they are tried on a field whose kind no option gives:
text, by a name such as `title` or `product_title`; ignore, where every row has the same value; multi,
where a value has the separator in it; number, where all values are numbers, more than 30 differ and
none begins with 0 as codes do; text, where over half of the values differ and more than 50 do (codes,
names); category.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys_cli.errors import UsageError
from recsys_cli.schemas import Entity, FieldKind

TEXT_NAMES: Final = ("title", "name", "description", "summary", "url", "link", "image")
TEXT_ENDINGS: Final = ("title", "description", "url")  # not `name`: `colour_name` is a category
CODE: Final = r"[+-]?0\d"  # 07030 is a place, and no number
FEW_NUMBERS: Final = 30  # so many different numbers are categories, such as a coded occupation
FEW_TEXTS: Final = 50  # so many different texts are categories, however few the rows


@dataclass(frozen=True)
class FieldEncoder:
    """How one field becomes attributes; kept in the dataset, so that new data are read alike."""

    entity: Entity
    field: str
    kind: FieldKind
    edges: tuple[float, ...] = ()  # of a number's bins, ascending, both ends included
    separator: str = "|"  # of several values

    def as_dict(self) -> dict[str, Any]:
        return {
            "entity": self.entity,
            "field": self.field,
            "kind": self.kind,
            "edges": list(self.edges),
            "separator": self.separator,
        }


@dataclass(frozen=True)
class Attributes:
    """Attributes of one kind of entity; a multi-hot matrix as lists of column numbers."""

    fields: list[str]  # (attributes,)
    values: list[str | None]  # (attributes,) None: the field was blank
    counts: NDArray[np.int64]  # (attributes,) rows that have it
    indices: NDArray[np.int32]  # from 0, of each row's attributes, ascending, row after row
    offsets: NDArray[np.int64]  # (rows + 1,) row r has `indices[offsets[r]:offsets[r + 1]]`


def fit_encoders(
    frame: pd.DataFrame,
    entity: Entity,
    *,
    chosen: Mapping[str, FieldKind],
    separator: str,
    bins: int,
) -> list[FieldEncoder]:
    """An encoder a column of `frame`; `chosen` holds the kinds that options give.

    Raises UsageError for a kind given to a field that is not there, and for a number field that
    holds no numbers.
    """
    for field in chosen:
        if field not in frame.columns:
            raise UsageError(
                f"The {entity}s have no field {field!r}: theirs are {', '.join(map(str, frame.columns))}.",
                hint=f"Correct --{entity}-field.",
            )
    return [
        _fit(frame[field], entity, str(field), chosen.get(str(field)), separator, bins)
        for field in frame.columns
    ]


def _fit(
    column: pd.Series, entity: Entity, field: str, chosen: FieldKind | None, separator: str, bins: int
) -> FieldEncoder:
    kind = chosen or _detect(column, field, separator)
    edges: tuple[float, ...] = ()
    if kind == "number":
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            raise UsageError(
                f"The {entity}s' field {field!r} holds no numbers.",
                hint=f"Give --{entity}-field {field}=category.",
            )
        edges = tuple(np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1))).tolist())
    return FieldEncoder(entity, field, kind, edges, separator)


def _detect(column: pd.Series, field: str, separator: str) -> FieldKind:
    if is_text_name(field):
        return "text"
    if column.nunique(dropna=False) <= 1:
        return "ignore"
    values = column.dropna()
    distinct = values.nunique()
    if values.str.contains(separator, regex=False).any():
        return "multi"
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isfinite(numbers).all() and not values.str.strip().str.match(CODE).any():
        return "number" if distinct > FEW_NUMBERS else "category"
    return "text" if distinct > max(FEW_TEXTS, len(values) / 2) else "category"


def is_text_name(field: str) -> bool:
    """Whether a field that is called so holds words for people."""
    return field.casefold() in TEXT_NAMES or field.casefold().endswith(TEXT_ENDINGS)


def encode(frame: pd.DataFrame, encoders: Sequence[FieldEncoder]) -> Attributes:
    """Every row's attributes, field by field in the encoders' order, values sorted within a field.

    A blank is a value of its own, made only where the field has blanks. A field that `frame` does
    not have gives no attribute.
    """
    rows, codes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    fields: list[str] = []
    values: list[str | None] = []
    for encoder in encoders:
        if encoder.kind in ("text", "ignore") or encoder.field not in frame.columns:
            continue
        owner, value = _values(frame[encoder.field], encoder)
        code, found = _factorize(value)
        rows.append(owner)
        codes.append(code + len(values))
        fields += [encoder.field] * len(found)
        values += found
    row, code = np.concatenate(rows), np.concatenate(codes)
    order = np.lexsort((code, row))
    offsets = np.append(0, np.cumsum(np.bincount(row, minlength=len(frame))))
    counts = np.bincount(code, minlength=len(values))
    return Attributes(fields, values, counts, code[order].astype(np.int32), offsets)


def _values(column: pd.Series, encoder: FieldEncoder) -> tuple[NDArray[np.int64], pd.Series]:
    """Row and value of every attribute of one field; a value occurs once a row."""
    column = column.reset_index(drop=True)
    if encoder.kind == "number":
        column = _bins(column, encoder.edges)
    elif encoder.kind == "multi":
        pieces = column.str.split(encoder.separator, regex=False).explode().str.strip()
        pieces = pieces[pieces.notna() & (pieces != "")]
        column = pd.concat([pieces, column[~column.index.isin(pieces.index)].mask(column.notna())])
    else:
        column = column.str.strip()
    frame = pd.DataFrame({"row": column.index.to_numpy(), "value": column.to_numpy(dtype=object)})
    frame = frame.drop_duplicates()
    return frame["row"].to_numpy(dtype=np.int64), frame["value"]


def _bins(column: pd.Series, edges: tuple[float, ...]) -> pd.Series:
    """Each number's bin in words; what is no number is blank, what is outside is in the end's bin."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    known = np.isfinite(numbers)
    words = _in_words(edges)
    names = words if len(words) < 2 else [f"{low}–{high}" for low, high in itertools.pairwise(words)]
    labels = np.array(names, dtype=object)
    inside = np.searchsorted(np.asarray(edges[1:-1]), np.where(known, numbers, 0), side="right")
    return pd.Series(labels[inside], index=column.index, dtype=object).where(known, None)


def _in_words(edges: tuple[float, ...]) -> list[str]:
    """Whole numbers as they are, others with as few digits as keep them apart, six or more."""
    for digits in range(6, 18):
        words = [f"{edge:.0f}" if edge.is_integer() else f"{edge:.{digits}g}" for edge in edges]
        if len(set(words)) == len(edges):
            return words
    return [repr(edge) for edge in edges]


def _factorize(values: pd.Series) -> tuple[NDArray[np.int64], list[str | None]]:
    """Codes of values in sorted order, the blank last."""
    codes, found = pd.factorize(values, sort=True, use_na_sentinel=True)
    listed: list[str | None] = [str(value) for value in found]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(listed), codes)
        listed.append(None)
    return codes.astype(np.int64), listed
