"""Settings that belong together: what each preset changes of the defaults."""

from collections.abc import Mapping
from typing import Any, Final

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "fast": {"epochs": 10},
    "balanced": {},
    "best": {"epochs": 60, "patience": 8, "model": {"embedding_dim": 128}},
}
