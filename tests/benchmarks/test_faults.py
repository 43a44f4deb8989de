"""Work that is killed once and resumed is what it would have been."""

import pytest

from benchmarks import faults


@pytest.mark.slow
@pytest.mark.parametrize("name", faults.KILLED)
def test_what_is_killed_and_resumed_ends_with_the_same_bytes(name):
    found = faults.kills(name, 1)
    assert (found["kills"], found["errors"]) == (1, [])
    assert found["of_them_identical"] == found["runs_resumed_to_the_end"] > 0
