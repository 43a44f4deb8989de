"""`python -m jrae_jax` is `jrae`."""

import sys

from .cli.main import main

sys.exit(main())
