"""An environment for each peer, from pip's configured index: name -> its Python, or why there is none."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PINS: Final = Path(__file__).with_name("peers.txt")


@dataclass(frozen=True)
class Peer:
    """A library that is measured beside recsys."""

    name: str
    requirements: tuple[str, ...]
    python: Path
    error: str | None = None  # the last line of what pip said; None where it is installed


def read_pins(root: Path) -> list[Peer]:
    """The peers of `peers.txt`, each with the Python that it will have under `root`."""
    lines = (line.split() for line in PINS.read_text(encoding="utf-8").splitlines())
    return [
        Peer(name, tuple(requirements), root / name / "bin" / "python")
        for name, *requirements in lines
        if name != "#"
    ]


def installed_peers(root: Path) -> dict[str, Peer]:
    """Every peer, installed where that was possible. What is there already with these pins is kept."""
    return {peer.name: _installed(peer, root / peer.name) for peer in read_pins(root)}


def _installed(peer: Peer, folder: Path) -> Peer:
    stamp, wanted = folder / "installed", "\n".join(peer.requirements)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return peer
    print(f"installing {peer.name}: {' '.join(peer.requirements)}", file=sys.stderr, flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", folder],
        [peer.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
            return Peer(peer.name, peer.requirements, peer.python, said[-1])
    stamp.write_text(wanted, encoding="utf-8")
    return peer
