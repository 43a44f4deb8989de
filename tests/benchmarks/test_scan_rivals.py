"""Rivals that need no package of their own do the work of the scans, as the program in C does it."""

import jax
import numpy as np
import pytest

from benchmarks.scan.in_c import c_library, c_summaries
from benchmarks.scan.in_jax import with_diffrax, with_diffrax_tree, with_plain_jax

COLUMNS, STEPS = 256, 2500
MIDDLE = slice(COLUMNS // 2 - 32, COLUMNS // 2 + 32)


@pytest.mark.slow
@pytest.mark.skipif(c_library() is None, reason="there is no C compiler")
@pytest.mark.parametrize("build", [with_plain_jax, with_diffrax, with_diffrax_tree])
def test_they_have_the_mean_and_the_spread_of_the_work(build):
    expected = c_summaries(COLUMNS, STEPS, "Heun", 1)()[MIDDLE].mean(0)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        found = [np.asarray(rival.summaries())[MIDDLE].mean(0) for rival in build(COLUMNS, STEPS)]
    assert len(found) == (2 if build is with_plain_jax else 1)
    for one in found:
        np.testing.assert_allclose(one[:2], expected[:2], rtol=0.03)
        assert not one[4]
