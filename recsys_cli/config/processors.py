"""Which processors there are to work with, and what they can do."""

import os
from functools import cache
from pathlib import Path


def usable_processors() -> int:
    """How many this process may use; `--threads` binds it to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def multiplies_bfloat16() -> bool:
    """Whether the processors have AMX: bfloat16 products five times as fast as float32 (Linux, x86)."""
    described = Path("/proc/cpuinfo")
    return described.exists() and " amx_bf16 " in described.read_text(encoding="utf-8", errors="replace")
