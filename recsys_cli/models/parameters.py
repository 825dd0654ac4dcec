"""A model without values, and values for it: NumPy draws the first weights, so that nothing is compiled."""

from typing import Any, Final

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from recsys_cli.config.settings import ModelSettings
from recsys_cli.models.embeddings import EMBEDDING_SCALE
from recsys_cli.models.recommender import ModelSize, Recommender

Params = Any  # a pure dictionary of arrays, nested as the model's modules nest

CUT: Final = 2.0  # a kernel's normal distribution ends at this many standard deviations
STD_OF_CUT: Final = 0.87962566103423978  # of the standard normal distribution, cut there


def structure(settings: ModelSettings, size: ModelSize) -> Recommender:
    """The model with shapes in place of values."""
    return nnx.eval_shape(lambda: Recommender(settings, size, rngs=nnx.Rngs(0)))


def with_params(model: Recommender, params: Params) -> Recommender:
    """The model's structure around these parameters; works on traced arrays."""
    graph, state = nnx.split(model)
    nnx.replace_by_pure_dict(state, params)
    return nnx.merge(graph, state)


def fresh_params(model: Recommender, seed: int) -> Params:
    """First weights, distributed as the modules' own initialisers have them.

    Each array has a random stream of its own, named by its place in the model.
    """
    shapes = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    return jax.tree.map_with_path(lambda path, leaf: _fresh(path, leaf.shape, seed), shapes)


def _fresh(path: tuple[Any, ...], shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    draw = np.random.default_rng([seed, *jax.tree_util.keystr(path).encode()])
    match path[-1].key:
        case "kernel":
            return _cut_normal(draw, shape) * np.float32(shape[0] ** -0.5 / STD_OF_CUT)
        case "items" | "attributes" | "positions" | "ratings":
            return draw.standard_normal(shape, np.float32) * np.float32(EMBEDDING_SCALE)
        case "bias" | "distance_bias":
            return np.zeros(shape, np.float32)
        case "scale":
            return np.ones(shape, np.float32)
        case name:
            raise AssertionError(f"no rule for a fresh {name}")


def _cut_normal(draw: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal values, drawn again while they are beyond `CUT`."""
    values = draw.standard_normal(shape, np.float32)
    while (beyond := np.abs(values) > CUT).any():
        values[beyond] = draw.standard_normal(int(beyond.sum()), np.float32)
    return values
