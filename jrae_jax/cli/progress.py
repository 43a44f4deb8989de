"""Progress on standard error."""

import sys
import time

_CELLS = 30


class ProgressBar:
    """A `Progress`: one line that is rewritten on a terminal, elsewhere a line whenever the message begins anew."""

    def __init__(self):
        """From now on."""
        self.start = time.perf_counter()
        self.last = ""

    def __call__(self, done: int | float, total: int | float, message: str) -> None:
        """`done` of `total` is done; the message up to its first comma says what is being done."""
        fraction, elapsed = done / total, time.perf_counter() - self.start
        if sys.stderr.isatty():
            filled = round(_CELLS * fraction)
            bar = "#" * filled + "." * (_CELLS - filled)
            print(f"\r[{bar}] {fraction:4.0%} {elapsed:4.0f} s  {message:<70.70}", end="", file=sys.stderr, flush=True)
            if fraction >= 1:
                print(file=sys.stderr)
        elif message.split(",")[0] != self.last:
            self.last = message.split(",")[0]
            print(f"{fraction:4.0%} {elapsed:4.0f} s  {self.last}", file=sys.stderr, flush=True)
