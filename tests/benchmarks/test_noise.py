"""The words that dieharder gets are those of which the noise is made."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import noise
from jrae_jax.column import noise_stream


@pytest.fixture(scope="module")
def streams():
    return noise_stream(jax.random.key(0), jnp.arange(noise.BLOCK))


def normals(radius_bits, angle_bits):
    """By Box and Muller, with NumPy's own functions; three bits say which eighth of the circle."""
    radius = np.sqrt(-2 * np.log(((radius_bits >> 1) + 0.5) * 2.0**-31))
    angle = ((angle_bits >> 3) + 0.5) * np.pi / 4 * 2.0**-29
    x, y = np.where(angle_bits & 1, (np.sin(angle), np.cos(angle)), (np.cos(angle), np.sin(angle)))
    return radius * np.where(angle_bits & 2, -x, x), radius * np.where(angle_bits & 4, -y, y)


def test_words_are_those_of_the_normals(streams):
    steps = np.array([0, 1, 77, 2**31 - 1], np.uint32)[:, None]
    radius_bits, angle_bits = noise.words(streams, steps)
    index = jnp.asarray(steps[:, 0], jnp.int32)
    with jax.enable_x64(True):
        pairs, uniforms = jax.vmap(streams.normal_pair)(index), jax.vmap(streams.uniform)(index)
    np.testing.assert_allclose(normals(radius_bits, angle_bits), pairs, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal((radius_bits >> 8) * 2.0**-24, uniforms)


def test_orders(streams):
    first = {order: list(itertools.islice(noise.ordered(order, 0), 4)) for order in noise.ORDERS}
    one = jax.tree.map(lambda word: word[:1], streams)
    along = noise.words(one, np.arange(2 * noise.BLOCK, dtype=np.uint32))
    np.testing.assert_array_equal(first["steps"], np.reshape(along, (2, 2, -1)).swapaxes(0, 1).reshape(4, -1))
    across = noise.words(streams, np.arange(2, dtype=np.uint32)[:, None])
    np.testing.assert_array_equal(first["columns"], [across[0][0], across[1][0], across[0][1], across[1][1]])
    np.testing.assert_array_equal(first["interleaved"][1][:, 1], across[1][1])
    assert all(block.dtype == np.uint32 for blocks in first.values() for block in blocks)


def test_what_dieharder_wrote_is_read(tmp_path):
    (tmp_path / "steps.log").write_text(
        "   diehard_birthdays|  0|   0|       100|     100|0.39586043|  PASSED  \n"
        "         rgb_bitdist|200|   3|    100000|     100|0.00000001|  FAILED  \n"
        "         rgb_bitdist|200|   4|    100000|     100|0.00200000|   WEAK   \n"
    )
    (tmp_path / "steps-repeats.log").write_text(
        "         rgb_bitdist|200|   3|    100000|     100|0.00000000|  FAILED  \n"
        "         rgb_bitdist|200|   4|    100000|     100|0.50000000|  PASSED  \n"
    )
    found = noise.battery("steps", tmp_path, quick=True, run=False)
    assert (found["passed"], len(found["weak"]), len(found["failed"])) == (1, 1, 1)
    assert found["failed_again"] == ["rgb_bitdist"]
    assert not found["finished"]
    assert found["weak"][0]["repeats"] == [{"p": 0.5, "assessment": "PASSED"}]
