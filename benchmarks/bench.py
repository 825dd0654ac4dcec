"""What every row needs: the data prepared once, the workers, and rounds in turn."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contender import WORKERS, Contender, ContenderError
from peers import Peer
from processes import timed
from results import Result

THREADS: Final = 2
PAUSE: Final = 0.3  # seconds between rounds, until the threads of the last one sleep
SHAPE: Final = {"embedding_dim": 64, "num_blocks": 2, "num_heads": 2, "max_length": 50}
RECSYS: Final = (sys.executable, "-P", "-m", "recsys_cli")  # the one installed, wherever this is run from


@dataclass(frozen=True)
class Bench:
    """One run of the benchmark."""

    data: Path
    work: Path  # what is made on the way; removed at the end
    output: Path  # where results go
    peers: Mapping[str, Peer]
    quick: bool
    floor: Contender

    def ours(self, name: str, script: str, **given: Any) -> Contender:
        """A worker that is recsys."""
        return Contender(name, sys.executable, script, {"threads": THREADS, **given}, self.work)

    def peer(self, name: str, peer: str, script: str, **given: Any) -> Contender:
        """A worker in the environment of `peer`."""
        there = self.peers[peer]
        missing = there.error and f"{' '.join(there.requirements)} could not be installed: {there.error}"
        return Contender(name, there.python, script, {"threads": THREADS, **given}, self.work, missing)

    def start(
        self, stack: ExitStack, result: Result, ours: Sequence[Contender], peers: Sequence[Contender] = ()
    ) -> list[Contender]:
        """All of ours and those of the peers that work, warm; `result` notes why another peer does not."""
        working = [stack.enter_context(each) for each in ours]
        for each in peers:
            try:
                working.append(stack.enter_context(each))
            except ContenderError as error:
                result.notes.append(f"Not measured. {error}")
        for each in working:
            result.versions.update(each.about["versions"])
        return working

    def dataset(self, name: str, *, attributes: bool = False) -> Path:
        """`recsys preprocess` of a folder of the data, made once a run."""
        output = self.work / (f"{name}-attributes" if attributes else name)
        if not output.exists():
            source = self.data / name
            tables = [
                word
                for entity in ("items", "users")
                if attributes and (source / f"{entity}.csv.gz").exists()
                for word in (f"--{entity}", source / f"{entity}.csv.gz")
            ]
            timed([*RECSYS, "preprocess", source / "interactions.csv.gz", *tables, "--output", output])
        return output

    def product_seconds(self, dataset: Path) -> float:
        """Of every user with every item, at the 2048³ product's speed now."""
        counts = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))["counts"]
        operations = 2 * counts["users"] * counts["items"] * SHAPE["embedding_dim"]
        return operations / self.floor.round()["gflops"] / 1e9

    def model(self, name: str, *, attributes: bool = False, head: bool = False) -> Path:
        """A model of one epoch: weights do not change how fast they are used."""
        output = self.work / f"model-{name}{'-attributes' * attributes}{'-head' * head}"
        if not output.exists():
            settings = self.settings(f"{output.name}.toml", head=head)
            dataset = self.dataset(name, attributes=attributes)
            timed([*RECSYS, "train", dataset, "--output", output, "--config", settings, "--epochs", "1"])
        return output

    def settings(self, name: str, *, head: bool, **others: int) -> Path:
        """The benchmark's model as a configuration file of `recsys train`."""
        path = self.work / name
        lines = [f"{key} = {value}" for key, value in others.items()]
        lines += ["[model]", *(f"{key} = {value}" for key, value in SHAPE.items())]
        lines.append(f"cross_attention = {str(head).lower()}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def training_events(self, name: str) -> Path:
        """The training part of leave-one-out as a CSV: all but each user's last two events."""
        output = self.work / f"{name}-training.csv"
        if not output.exists():
            source = self.data / name / "interactions.csv.gz"
            timed([sys.executable, WORKERS / "training_part.py", source, output])
        return output


def alternate(contenders: Sequence[Contender], rounds: int, **what: Any) -> dict[str, list[dict[str, float]]]:
    """Each round asks one contender after the other, so that a drift of the machine meets them all."""
    answers: dict[str, list[dict[str, float]]] = {each.name: [] for each in contenders}
    for _ in range(rounds):
        for each in contenders:
            time.sleep(PAUSE)
            answers[each.name].append(each.round(**what))
    return answers
