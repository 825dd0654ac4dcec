"""First weights: as the modules' own initialisers have them, and every array with a stream of its own."""

import jax
import numpy as np
import pytest
from flax import nnx

from recsys_cli.config.settings import ModelSettings
from recsys_cli.models.parameters import fresh_params, structure, with_params
from recsys_cli.models.recommender import ModelSize, Recommender

SETTINGS = ModelSettings(embedding_dim=48, num_heads=3, num_blocks=2, max_length=70, head_dim=40)
SIZE = ModelSize(1100, 500, 300)


@pytest.fixture(scope="module")
def params():
    return fresh_params(structure(SETTINGS, SIZE), 0)


def test_they_are_distributed_as_the_modules_own_initialisers_have_them(params):
    own = nnx.to_pure_dict(nnx.state(Recommender(SETTINGS, SIZE, rngs=nnx.Rngs(0)), nnx.Param))

    def compare(path, fresh, reference):
        assert (fresh.shape, fresh.dtype) == (reference.shape, reference.dtype), path
        scale = reference.std()
        np.testing.assert_allclose(fresh.mean(), reference.mean(), atol=0.1 * scale + 1e-7)
        np.testing.assert_allclose(fresh.std(), scale, rtol=0.06)
        np.testing.assert_allclose(np.abs(fresh).max(), np.abs(reference).max(), rtol=0.3)

    jax.tree.map_with_path(compare, params, own)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(params):
    jax.tree.map(np.testing.assert_array_equal, params, fresh_params(structure(SETTINGS, SIZE), 0))
    other = fresh_params(structure(SETTINGS, SIZE), 1)
    assert not np.allclose(params["embeddings"]["items"], other["embeddings"]["items"])


def test_no_two_arrays_share_a_stream(params):
    blocks = params["encoder"]["blocks"]
    first, second = (blocks[number]["attention"]["project"]["kernel"] for number in (0, 1))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_a_structure_has_no_values_and_takes_any(params):
    model = structure(SETTINGS, SIZE)
    assert isinstance(model.embeddings.items.get_value(), jax.ShapeDtypeStruct)
    filled = with_params(model, params)
    np.testing.assert_array_equal(filled.embeddings.items[...], params["embeddings"]["items"])
