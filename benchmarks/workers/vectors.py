"""The vectors that every top-k worker searches: the same for all of them."""

import numpy as np
from numpy.typing import NDArray

DIM = 64
USERS = 8192


def make_users() -> NDArray[np.float32]:
    """The users, (USERS, DIM)."""
    return np.random.default_rng(1).standard_normal((USERS, DIM), np.float32)


def make_items(count: int) -> NDArray[np.float32]:
    """A catalogue, (count, DIM)."""
    return np.random.default_rng(2).standard_normal((count, DIM), np.float32)
