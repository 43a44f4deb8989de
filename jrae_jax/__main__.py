"""`python -m jrae_jax` is `jrae`."""

import sys

from ._cli import main

sys.exit(main())
