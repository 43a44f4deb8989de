import jaxtyping
import pytest


@pytest.fixture
def unchecked_types():
    """Without the type hints that these tests enforce: they refuse a wrong type before the function does."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
