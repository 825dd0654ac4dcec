"""Settings that belong together: what each preset changes of the defaults."""

from collections.abc import Mapping
from typing import Any, Final

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "fast": {"min_epochs": 8, "min_steps": 800, "model": {"embedding_dim": 64}},
    "balanced": {},
    "best": {"min_epochs": 40, "min_steps": 5_000, "model": {"embedding_dim": 128}},
}
