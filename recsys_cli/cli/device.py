"""What a command computes on: processors and memory. Must run before jax starts its backends."""

import ctypes
import logging
import os
from typing import Final

from recsys_cli.cli.compilation_cache import use_compilation_cache
from recsys_cli.errors import UsageError

LOGGER: Final = logging.getLogger("recsys")
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # parameters of glibc's mallopt
_KEPT_BYTES: Final = 1 << 30
_PLATFORMS: Final = {"cpu": {"cpu"}, "gpu": {"gpu", "cuda", "rocm"}, "tpu": {"tpu"}}


def prepare_device(device: str | None, threads: int | None) -> None:
    """Limit this process to `threads` processors and to `device`; None leaves the choice to jax.

    Raises UsageError when a device that was asked for is not there: it is never replaced silently.
    """
    if threads is not None:
        limit_threads(threads)
    if device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"
    keep_freed_memory()
    use_compilation_cache()
    found, count = _jax_platform(device)
    if device is not None and found not in _PLATFORMS[device]:
        raise UsageError(
            f"--device {device}: jax finds no {device.upper()} here, only {found.upper()}.",
            hint=f"Install the driver and `recsys[{device}]`, or leave --device out.",
        )
    if found == "cpu":
        LOGGER.info("running on the CPU")
    else:
        LOGGER.info("running on %d %s%s", count, found.upper(), "" if count == 1 else "s")


def _jax_platform(device: str | None) -> tuple[str, int]:
    import jax

    try:
        devices = jax.devices()
    except RuntimeError as error:
        asked = f"--device {device}" if device else f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}"
        first_line = str(error).partition("\n")[0]
        raise UsageError(
            f"{asked} cannot be used: {first_line}.",
            hint="Choose another --device, or mend the driver or the environment variable JAX_PLATFORMS.",
        ) from error
    return devices[0].platform, len(devices)


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks of up to 1 GiB for the next allocation instead of unmapping them.

    XLA allocates a step's working memory anew each step; a block that was unmapped costs a page fault
    for every 4 KiB (a training step on Beauty: 48 ms with the system's habit, 36 ms without). Other C
    libraries have no `mallopt` and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def limit_threads(threads: int) -> None:
    """Keep this process on `threads` of its processors; jax makes one worker for each it may use.

    Raises UsageError where the system cannot do that (macOS) or there are fewer processors.
    """
    if threads < 1:
        raise UsageError(f"--threads {threads} is not at least 1.", hint="Give at least --threads 1.")
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError(
            f"--threads {threads} cannot be kept: this system does not bind processes to processors.",
            hint="Leave --threads out.",
        )
    available = sorted(os.sched_getaffinity(0))
    if threads > len(available):
        raise UsageError(
            f"--threads {threads} is more than the {len(available)} processors this process may use.",
            hint=f"Give at most --threads {len(available)}, or leave it out.",
        )
    os.sched_setaffinity(0, available[:threads])
