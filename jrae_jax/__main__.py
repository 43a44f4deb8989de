"""`python -m jrae_jax` is `jrae`."""

from .cli.main import run

run()
