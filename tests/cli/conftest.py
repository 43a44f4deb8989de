import pytest

from jrae_jax.cli import runtime


@pytest.fixture
def here(tmp_path, monkeypatch):
    """In a folder of its own, with JAX as the tests have it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runtime, "configure_jax", lambda device, cores: None)
    return tmp_path
