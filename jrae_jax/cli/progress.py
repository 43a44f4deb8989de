"""Progress on standard error."""

import contextlib
import shutil
import sys
import time

_CELLS = 24
_QUIET = 10.0  # s, at least, from one line to the next where there is no terminal
_REDRAWN = 0.1  # s, at least, from one state of the line on a terminal to the next
_KNOWN = 1.0  # s, after which a rate is more than chance


class ProgressBar:
    """A `Progress`: one line that is rewritten on a terminal; elsewhere a line now and then.

    It says what fraction of how much is done, how much a second, the time that is left, and what is being done. Without
    standard error, or once that is closed, it is silent.

    **Arguments:**

    - `silent`: whether to print nothing.
    """

    def __init__(self, *, silent: bool = False):
        """See the class."""
        self.silent = silent or sys.stderr is None
        self.begun: tuple[float, int | float] | None = None
        """When the first report came, and how much was done by then: a scan that is resumed does not begin at 0."""
        self.latest: tuple[int | float, int | float] = 0, 0
        self.printed = -float("inf")
        self.width = 0

    def __call__(self, done: int | float, total: int | float, message: str) -> None:
        """`done` of `total` is done; `message` says what is being done."""
        now = time.monotonic()
        before, of = self.latest
        if self.begun is None or total != of or done < before:  # another piece of work, at a speed of its own
            self.begun = now, done
        self.latest = done, total
        if self.silent:
            return
        with contextlib.suppress(OSError, ValueError):  # where standard error is closed
            self._print(done, total, message, now)

    def _print(self, done: int | float, total: int | float, message: str, now: int | float) -> None:
        terminal, finished = sys.stderr.isatty(), done >= total
        if not finished and now - self.printed < (_REDRAWN if terminal else _QUIET):
            return
        self.printed = now
        line = f"{done / total:4.0%} of {total:,.10g}{self._speed(done, total, now)}  {message}"
        if terminal:
            filled = int(_CELLS * done / total)
            line = f"[{'#' * filled}{'.' * (_CELLS - filled)}] {line}"[: shutil.get_terminal_size().columns - 1]
            print(f"\r{line:<{self.width}}", end="\n" if finished else "", file=sys.stderr, flush=True)
            self.width = len(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def _speed(self, done: int | float, total: int | float, now: int | float) -> str:
        assert self.begun is not None
        start, before = self.begun
        elapsed, progressed = now - start, done - before
        if done >= total:
            return f", {elapsed:.0f} s"
        if elapsed < _KNOWN or progressed <= 0:
            return ""
        rate = progressed / elapsed
        each = f"{rate:.3g}/s" if rate >= 1 else f"{1 / rate:.3g} s each"
        return f", {each}, {_clock((total - done) / rate)} left"


def _clock(seconds: int | float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
