"""What recsys runs with and on, and whether its kernels compute what they should here."""

import math
import os
import platform
import resource
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import jax

from recsys_cli import __version__
from recsys_cli.config.processors import usable_processors
from recsys_cli.kernels.self_test import Tested, self_test
from recsys_cli.stages.results import DoctorResult, KernelTest, Place

# Those of pyproject.toml, and jaxlib, which has jax's compiler in it.
PACKAGES: Final = (
    "duckdb",
    "flatbuffers",
    "flax",
    "jax",
    "jaxlib",
    "jaxtyping",
    "numpy",
    "optax",
    "orbax-checkpoint",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "safetensors",
    "scipy",
    "typer",
)
_CGROUP_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def doctor() -> DoctorResult:
    """Look around, and test every kernel; some ten seconds. Nothing is written but compiled programs."""
    cache: str | None = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    return DoctorResult(
        recsys=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        system=platform.platform(),
        packages={name: _version(name) for name in PACKAGES},
        devices=[f"{device.platform} {device.id}: {device.device_kind}" for device in jax.devices()],
        processors=os.cpu_count() or 1,
        usable_processors=usable_processors(),
        memory=_pages("SC_PHYS_PAGES"),
        memory_available=_pages("SC_AVPHYS_PAGES"),
        memory_limit=_memory_limit(),
        disks=[
            _place(name, path)
            for name, path in (("here", Path.cwd()), ("scratch", Path(tempfile.gettempdir())))
        ],
        compilation_cache=None if cache is None else Path(cache),
        kernels=[_kernel_test(tested) for tested in self_test()],
    )


def _kernel_test(tested: Tested) -> KernelTest:
    return KernelTest(
        kernel=tested.kernel,
        passed=tested.passed,
        difference=None if math.isnan(tested.difference) else tested.difference,
        seconds=round(tested.seconds, 3),
        trouble=tested.trouble,
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _pages(name: str) -> int | None:
    """So many pages of memory, in bytes; None where the system does not say."""
    return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE") if name in os.sysconf_names else None


def _memory_limit() -> int | None:
    """The lowest limit that a container or a shell (`ulimit -v`) sets this process, in bytes."""
    limits = [int(text) for text in map(_read, _CGROUP_LIMITS) if text.isdigit()]
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space)
    real = [limit for limit in limits if limit < 1 << 62]  # larger ones mean none
    return min(real, default=None)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _place(name: str, path: Path) -> Place:
    usage = shutil.disk_usage(path)
    return Place(name=name, path=path, bytes=usage.total, free=usage.free)
