"""Which processors there are to work with, and what they can do."""

import os


def usable_processors() -> int:
    """How many this process may use; `--threads` binds it to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_lines() -> list[str]:
    """What Linux says of the first processor, a line each; empty elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            return list(iter(lambda: stream.readline().rstrip("\n"), ""))
    except OSError:
        return []


def multiplies_bfloat16() -> bool:
    """Whether matrix products in bfloat16 are several times faster than in float32, by AMX.

    False where the system does not say: elsewhere XLA computes them in float32, after a conversion.
    """
    flags = [line.split() for line in processor_lines() if line.startswith("flags")]
    return bool(flags) and "amx_bf16" in flags[0]
