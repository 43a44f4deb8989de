from collections.abc import Callable

import pytest

from jrae_jax.scan.layout import Layout


@pytest.fixture(scope="session")
def chunks_of() -> Callable[[int], Callable]:
    """A layout of scans in chunks of so many points, however little work that is."""
    of = Layout.of_scan

    def smaller(points: int) -> Callable:
        return lambda shape, steps: of(shape, steps, work=1.0, smallest=points)

    return smaller
