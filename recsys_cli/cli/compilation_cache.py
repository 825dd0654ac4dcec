"""Programs that jax has compiled, kept from one run to the next, so that only the first has to wait for them.

A cache that cannot be read or written costs time, never a result: it is said in one line, and left at that.
"""

import contextlib
import hashlib
import logging
import os
import platform
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from recsys_cli.config.processors import processor_lines, usable_processors

LOGGER: Final = logging.getLogger("recsys")
DIRECTORY: Final = "JAX_COMPILATION_CACHE_DIR"  # jax's own variable: what it names is used as it is
SETTINGS: Final = {  # jax's defaults are for programs that take seconds to compile; ours are many small ones
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": ("jax_persistent_cache_min_compile_time_secs", 0.0),
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": ("jax_persistent_cache_min_entry_size_bytes", -1),
}
MAX_BYTES: Final = 256 << 20  # of what is kept; a command needs 1 to 3 MiB
_TROUBLE: Final = re.compile(
    r"Error (?:reading|writing) persistent compilation cache entry for '(\w+)': (.*)"
)


def use_compilation_cache() -> None:
    """Let jax keep what it compiles under the person's cache directory, or where they have said.

    Must run before anything is compiled. Does nothing where there is no such directory.
    """
    import jax

    if not jax.config.jax_enable_compilation_cache:  # pyright: ignore[reportAttributeAccessIssue]
        return
    for variable, (name, value) in SETTINGS.items():
        if variable not in os.environ:
            jax.config.update(name, value)
    folder = None if DIRECTORY in os.environ else _own_folder()
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
    warnings.showwarning = _mending(folder, warnings.showwarning)


def _own_folder() -> Path | None:
    """The folder of this machine, made and within bounds; None where that cannot be."""
    home = cache_home()
    if home is None:
        return None
    folder = home / "recsys" / "compiled" / machine()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _prune(folder.parent, MAX_BYTES)
    except OSError as error:
        LOGGER.info("compiled programs are not kept: %s: %s", folder, error.strerror)
        return None
    return folder


def cache_home() -> Path | None:
    """The XDG base directory for caches; None where the person has no home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(named):  # the specification wants a relative one ignored
        return Path(named)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return None


def machine() -> str:
    """A name for all that compiled code depends on and jax's key does not hold: the processor, and how many.

    A home may be shared by machines with other instructions, and sums are split by the number of processors.
    """
    described = f"{platform.machine()} {platform.processor()} {_instructions()} {usable_processors()}"
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _instructions() -> str:
    """What Linux says of the first processor's model and instructions; empty elsewhere."""
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(line for line in processor_lines() if line.startswith(wanted))


def _prune(folder: Path, limit: int) -> None:
    """Delete the files of all machines that were longest not used, until `limit` bytes are left."""
    files = sorted(_files(folder), reverse=True)
    kept = 0
    for _, size, path in files:
        kept += size
        if kept > limit:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each file was last used, its size and its path."""
    for path in folder.glob("*/*"):
        try:
            status = path.stat()
        except FileNotFoundError:  # another process has pruned it
            continue
        yield max(status.st_atime, status.st_mtime), status.st_size, path


def _mending(folder: Path | None, show: Callable[..., Any]) -> Callable[..., Any]:
    """`warnings.showwarning` that turns jax's words about the cache into one line.

    The program's entries in our own folder are deleted: jax never writes over a damaged one.
    """
    said = False

    def showwarning(message: Warning | str, *where: Any, **more: Any) -> None:
        nonlocal said
        trouble = _TROUBLE.match(str(message))
        if trouble is None:
            show(message, *where, **more)
            return
        if not said:
            said = True
            LOGGER.info("compiled programs are made anew: %s", trouble[2].partition("\n")[0])
        if folder is not None:
            _delete_entries(folder, trouble[1])

    return showwarning


def _delete_entries(folder: Path, program: str) -> None:
    with contextlib.suppress(OSError):  # a folder that has become read-only stays as it is
        for path in folder.glob(f"{program}-*"):
            path.unlink(missing_ok=True)
