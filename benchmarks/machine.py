"""What a figure depends on besides the code: the machine, the versions, the commit, the day."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "amx_tile")
ROOT: Final = Path(__file__).resolve().parent.parent


def describe_machine(threads: int) -> dict[str, Any]:
    """Nothing here names the host."""
    processor = _cpuinfo()
    flags = processor.get("flags", "").split()
    return {
        "processor": processor.get("model name", platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "threads": threads,
        "flags": [flag for flag in FLAGS if flag in flags],
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def provenance() -> dict[str, str]:
    """The commit (with + where the tree was changed) and the moment."""
    commit = _git("rev-parse", "--short", "HEAD") or metadata.version("recsys")
    changed = "+" if _git("status", "--porcelain", "--untracked-files=no", "recsys_cli") else ""
    return {"commit": commit + changed, "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines; empty where the system has no such file."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
