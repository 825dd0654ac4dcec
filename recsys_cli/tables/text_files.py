"""Text as files hold it (packed, in some encoding) to its bytes in UTF-8.

What cannot be unpacked or decoded is said where it is read to: a DataError names the file.
"""

import codecs
import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

import pyarrow as pa

from recsys_cli.errors import DataError

# How a packed file begins -> the suffix that says so.
PACKED: Final = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
UTF_8: Final = "utf-8"
UTF_8_MARK: Final = b"\xef\xbb\xbf"
BYTES_AT_A_TIME: Final = 1 << 20


def is_packed(path: Path) -> bool:
    """Whether the name of a file says that it is packed."""
    return path.suffix.lower() in PACKED.values()


def is_utf_8(encoding: str) -> bool:
    """Whether the name of an encoding is one of UTF-8's."""
    return codecs.lookup(encoding).name == UTF_8


def open_bytes(path: Path, encoding: str) -> IO[bytes]:
    """A file's text in UTF-8; unpacked where its name says that it is packed."""
    stream = _unpacked(path)
    return stream if is_utf_8(encoding) else io.BufferedReader(_Decoded(stream, encoding))


def _unpacked(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if suffix == ".zst":
        return cast("IO[bytes]", io.BufferedReader(pa.input_stream(str(path), compression="zstd")))
    return path.open("rb")


def open_text(path: Path, encoding: str, newline: str = "") -> IO[str]:
    """The same as text, without a byte order mark; what is not UTF-8 is replaced.

    Lines end as `newline` says, by default in any way; their ends are kept.
    """
    return io.TextIOWrapper(
        open_bytes(path, encoding), encoding="utf-8-sig", errors="replace", newline=newline
    )


class _Decoded(io.RawIOBase):
    """Bytes of text in another encoding, as UTF-8. Raises DecodingError."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._line = 1

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        while not self._ready:
            block = self._stream.read(BYTES_AT_A_TIME)
            self._ready = self._decode(block)
            if not block:
                break
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _decode(self, block: bytes) -> bytes:
        try:
            ready = self._decoder.decode(block, final=not block).encode()
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].count(b"\n")
            raise DecodingError(f"line {line} is not {self._encoding} text") from error
        except UnicodeError as error:
            raise DecodingError(f"it is not {self._encoding} text") from error
        self._line += ready.count(b"\n")
        return ready


class DecodingError(Exception):
    """Text that is not in the encoding that was named; says in which line."""


@contextmanager
def reading(label: str) -> Generator[None]:
    """Says of a damaged file, read in the block, which it is. Raises DataError."""
    try:
        yield
    except DecodingError as error:
        raise DataError(f"{label} cannot be read: {error}.", hint="Give another --encoding.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{label} is not a whole gzip file: {error}.", hint="Copy the file again.") from error
    except PermissionError as error:
        raise DataError(
            f"{label} cannot be read: permission is denied.", hint="Change its permissions."
        ) from error
    except OSError as error:
        if error.errno is not None:  # the system's; what a packing library finds has no number
            raise
        raise DataError(f"{label} is not a whole zstd file: {error}.", hint="Copy the file again.") from error


@contextmanager
def readable(path: Path, encoding: str, scratch: Path, *, skips_mark: bool) -> Generator[Path]:
    """A file that a reader of UTF-8 can read: itself, or a copy in `scratch` while the block runs.

    DuckDB would unpack one on one thread, and end early in silence where it is damaged.
    """
    if is_utf_8(encoding) and not is_packed(path) and (skips_mark or not _has_mark(path)):
        yield path
        return
    with tempfile.NamedTemporaryFile("wb", dir=scratch, prefix="unpacked", delete=False) as file:
        copy = Path(file.name)
    try:
        with open_bytes(path, encoding) as stream, copy.open("wb") as file:
            start = stream.read(len(UTF_8_MARK))
            file.write(b"" if start == UTF_8_MARK else start)
            shutil.copyfileobj(stream, file, 1 << 24)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _has_mark(path: Path) -> bool:
    """Whether a file begins with UTF-8's byte order mark, which not every reader skips."""
    with path.open("rb") as stream:
        return stream.read(len(UTF_8_MARK)) == UTF_8_MARK
