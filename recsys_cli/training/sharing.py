"""Data parallelism: the rows of a batch over the local devices, the state whole on each of them."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from recsys_cli.batches.batch import Batch

ROWS: Final = "rows"  # the axis of the mesh
Tree = TypeVar("Tree")


class Sharing(NamedTuple):
    """Which devices share a batch's rows. One device needs no mesh, and nothing below does anything."""

    mesh: Mesh | None = None
    rows_each: int = 0  # of a batch, on every device; the last ones may be empty

    @property
    def num_devices(self) -> int:
        return self.mesh.size if self.mesh else 1

    def replicate(self, arrays: Tree) -> Tree:
        """The same arrays on every device."""
        return jax.device_put(arrays, NamedSharding(self.mesh, P())) if self.mesh else arrays

    def split(self, batch: Batch) -> Batch:
        """Each device's rows on that device, after empty rows up to what divides evenly."""
        if self.mesh is None:
            return batch
        empty = self.rows_each * self.num_devices - batch.items.shape[0]
        if empty:
            batch = Batch(*(jnp.pad(array, [(0, empty), (0, 0)]) for array in batch))
        return jax.device_put(batch, NamedSharding(self.mesh, P(ROWS)))

    def one_copy(self, arrays: Tree) -> Tree:
        """What `replicate` was given, from the first device."""
        return jax.tree.map(lambda array: array.addressable_data(0), arrays) if self.mesh else arrays

    def on_each(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """`step(state, batch, constants)` on every device with its rows; the result is the same on all."""
        if self.mesh is None:
            return step
        specs = (P(), P(ROWS), P())
        # Without check_vma gradients stay a device's own until `total` adds them up, once.
        return jax.shard_map(step, mesh=self.mesh, in_specs=specs, out_specs=P(), check_vma=False)

    def total(self, parts: Tree) -> Tree:
        """Within `on_each`: the sum over devices."""
        return jax.lax.psum(parts, ROWS) if self.mesh else parts

    def first_row(self) -> Int[Array, ""] | int:
        """Within `on_each`: how many rows of the batch earlier devices have."""
        return jax.lax.axis_index(ROWS) * self.rows_each if self.mesh else 0


ALONE: Final = Sharing()


def share_rows(rows: int, devices: Sequence[Any]) -> Sharing:
    """As many of jax's devices as have rows, when each takes the fewest that it can."""
    rows_each = -(-rows // len(devices))
    used = -(-rows // rows_each)
    return Sharing(Mesh(np.array(devices[:used]), (ROWS,)), rows_each) if used > 1 else ALONE
