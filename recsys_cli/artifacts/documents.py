"""JSON documents that somebody else may have written: read within bounds, or refused with a sentence."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from recsys_cli.errors import ArtifactError

DIGEST: Final = "sha256"  # key of a document's own
LARGEST: Final = 64 << 20  # bytes of a document
Model = TypeVar("Model", bound=BaseModel)


def read_document(path: Path, *, hint: str) -> dict[str, Any]:
    """The JSON object in the file `path`; see `parse_document`. Raises OSError where there is no file."""
    return parse_document(read_bounded(path, hint=hint), path, hint=hint)


def read_bounded(path: Path, *, hint: str) -> bytes:
    """The bytes of a regular file of at most `LARGEST` bytes. Raises ArtifactError where it is another."""
    require_regular(path, hint=hint)
    with path.open("rb") as stream:
        raw = stream.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise ArtifactError(f"{path} is larger than {LARGEST >> 20} MiB.", hint=hint)
    return raw


def require_regular(path: Path, *, hint: str) -> None:
    """Raise ArtifactError where `path` is a link, a pipe or a device: it could be anything, or endless."""
    kind = path.lstat().st_mode
    if not stat.S_ISREG(kind):
        what = "a symbolic link" if stat.S_ISLNK(kind) else "not a regular file"
        raise ArtifactError(f"{path} is {what}.", hint=hint)


def parse_document(raw: bytes, path: Path, *, hint: str) -> dict[str, Any]:
    """A JSON object of finite numbers, nested as deep as we nest. Raises ArtifactError, naming `path`."""
    try:
        document = json.loads(raw, parse_constant=_not_finite)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged.", hint=hint) from error
    if not isinstance(document, dict):
        raise ArtifactError(f"{path} is damaged.", hint=hint)
    return document


def with_digest(document: dict[str, Any]) -> bytes:
    """The document with the SHA-256 of the rest of it: where it is changed anywhere, it shows."""
    rest = {key: value for key, value in document.items() if key != DIGEST}
    return serialised(rest | {DIGEST: hashlib.sha256(serialised(rest)).hexdigest()})


def without_digest(document: dict[str, Any], raw: bytes, path: Path, *, hint: str) -> dict[str, Any]:
    """The rest of a document; `raw` is its text. Raises ArtifactError where its digest is not its own."""
    if DIGEST in document and raw != with_digest(document):
        raise ArtifactError(f"{path} is damaged: its SHA-256 is another.", hint=hint)
    return {key: value for key, value in document.items() if key != DIGEST}


def read_signed(path: Path, *, hint: str) -> dict[str, Any]:
    """A document without its digest. Raises ArtifactError where it has none, or that is not its own."""
    raw = read_bounded(path, hint=hint)
    document = parse_document(raw, path, hint=hint)
    if DIGEST not in document:
        raise ArtifactError(f"{path} is damaged: it has no SHA-256.", hint=hint)
    return without_digest(document, raw, path, hint=hint)


def serialised(document: dict[str, Any]) -> bytes:
    """JSON, as our documents have it: the same document gives the same bytes."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def validated(model: type[Model], value: object, place: str, *, hint: str) -> Model:
    """The value as a `model`. Raises ArtifactError that names `place` and the first thing that is wrong."""
    try:
        return model.model_validate(value)
    except (ValidationError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "too deep"}
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(f"{place} is damaged: {where}: {first['msg']}.", hint=hint) from error


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
