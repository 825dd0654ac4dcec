"""The address space that a command's libraries take, asked for before they die of too little of it."""

import resource
from typing import Final

from recsys_cli.errors import SystemRefusedError

TABLES: Final = 1280 << 20  # bytes: DuckDB, Arrow and pandas, with their threads
MODELS: Final = 2304 << 20  # and jax


def require_address_space(least: int) -> None:
    """Raise SystemRefusedError where `ulimit -v` allows less than `least` bytes.

    Below it, libraries end the process with a signal of theirs, and nobody can say why.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < least:
        raise SystemRefusedError(
            f"`ulimit -v` allows {limit >> 20} MiB of address space, and the libraries of this command "
            f"take {least >> 20} MiB.",
            hint="Raise it: address space is not memory; what bounds memory is a control group (MemoryMax=).",
        )
