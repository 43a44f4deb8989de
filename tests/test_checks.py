"""Checks of arguments, whatever verb they belong to."""

import jax
import jax.numpy as jnp
import pytest

from jrae_jax._checks import check_key


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (0, "got 0"),
        (None, "got None"),
        (jax.random.key_data(jax.random.key(0)), r"got Array\(\[0, 0\], dtype=uint32\)"),
        (jax.random.split(jax.random.key(0), 3), r"got \(3,\) keys"),
    ],
)
def test_what_is_no_key_is_refused(value, came):
    with pytest.raises(ValueError, match=rf"^`key` must be one key of jax.random.key.*, {came}$"):
        check_key(key=value)


def test_a_key_passes_traced_or_not():
    key = jax.random.key(0)
    check_key(key=key)

    def draw(key):
        check_key(key=key)
        return jax.random.normal(key)

    assert jnp.shape(jax.jit(jax.vmap(draw))(jax.random.split(key, 2))) == (2,)
