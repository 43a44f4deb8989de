"""How scans are divided into chunks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jrae_jax.scan.layout import Layout


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 12), max_size=4).map(tuple), st.integers(1, 40), st.integers(1, 60), st.integers(1, 10_000)
)
def test_chunks_cover_every_point_once_and_are_of_a_size(shape, least, most, steps):
    most = max(least, most)
    layout = Layout.of_scan(shape, steps, work=1e4, smallest=least, largest=most)
    points = [layout.points(number) for number in range(layout.chunks)]
    np.testing.assert_array_equal(np.sort(np.concatenate(points)), np.arange(math.prod(shape)))
    aim = min(max(1e4 / steps, least), most)
    assert layout.largest == max(map(len, points)) <= aim
    assert layout.largest >= min(math.prod(shape), int(aim) / 4)
    for number, chunk in enumerate(points):
        block = np.zeros(shape, bool)
        block[layout.region(number)] = True
        np.testing.assert_array_equal(np.flatnonzero(block), chunk)


def test_chunks_are_of_a_thousand_million_column_steps():
    assert Layout.of_scan((200, 200, 25), 10_000) == Layout((200, 200, 25), (20, 200, 25))
    assert Layout.of_scan((1_000_000,), 10**7).largest == pytest.approx(1024, rel=0.01)
    assert Layout.of_scan((1_000_000,), 10).largest == pytest.approx(2**17, rel=0.05)
