"""How often a dataset's test part was opened: `test-uses.json` beside it, fingerprint -> times."""

import json
from pathlib import Path
from typing import Final

from recsys_cli.artifacts.atomic import atomic_file
from recsys_cli.artifacts.manifest import LEDGER
from recsys_cli.errors import ArtifactError
from recsys_cli.sequences.store import Dataset

_WAIT: Final = 10.0  # seconds for other evaluations, which hold it for a moment each


def count_test_use(dataset: Dataset) -> int:
    """Add one use of this version of the dataset; returns how many there are now.

    Raises ArtifactError when the ledger is damaged, LockedError when another run writes it,
    SystemRefusedError when it cannot be written; it is then as it was.
    """
    path = dataset.path / LEDGER
    with atomic_file(path, overwrite=True, wait=_WAIT) as scratch:
        uses = _read(path)
        uses[dataset.fingerprint] = uses.get(dataset.fingerprint, 0) + 1
        scratch.write_text(json.dumps(uses, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return uses[dataset.fingerprint]


def _read(path: Path) -> dict[str, int]:
    try:
        uses = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(uses, dict) or not all(isinstance(count, int) for count in uses.values()):
        raise _damaged(path)
    return uses


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError(f"{path} is damaged.", hint="Remove it: the count then starts again.")
