"""SIGINT and SIGTERM: work stops where it can, what is on disk stays whole, and one line says how to resume."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

_NOTICE = 1.0  # s, after which it is said that the work has not stopped yet
_PATIENCE = 20.0  # s, after which it is left behind: a compiled program may run for minutes
_AGAIN = 0.05  # s, after which an exception that was dropped is raised once more
_END = 0  # no signal, but the end of the command


class Interrupts:
    """What becomes of signals while a command runs.

    The first one raises `KeyboardInterrupt` in the main thread, as soon as that runs Python and not a compiled program.
    A second one, or a while without success, ends the process at once; what is on disk is whole at any moment.
    """

    def __init__(self):
        """See the class."""
        self.number: int | None = None
        """The signal that came."""
        self.kept: Path | None = None
        """What resumes the work, once it is there."""
        self.command = "the same command"
        """By which it is resumed."""
        self._raised = False

    @property
    def code(self) -> int:
        """The exit code, as of a shell."""
        return 128 + (signal.SIGINT if self.number is None else self.number)

    def __str__(self) -> str:
        kept = self.kept is not None and self.kept.exists()
        return "jrae: interrupted" + (f"; {self.kept} holds what is done, and {self.command} resumes" if kept else "")

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Where signals are taken care of; in the main thread only, as Python gives them to no other."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        import socket

        hears, wakes = socket.socketpair()
        wakes.setblocking(False)
        before = {number: signal.signal(number, self._raise) for number in (signal.SIGINT, signal.SIGTERM)}
        wakeup, hook = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False), sys.unraisablehook
        sys.unraisablehook = lambda dropped: self._raise_again() if self._is_own(dropped.exc_value) else hook(dropped)
        watch = threading.Thread(target=self._watch, args=(hears,), daemon=True)
        watch.start()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)
            sys.unraisablehook = hook
            wakes.close()  # which ends the watch
            watch.join()
            hears.close()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        if not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    def _is_own(self, dropped: BaseException | None) -> bool:
        """Whether Python had to drop it, as in a callback of the garbage collector, of which JAX has one."""
        return self._raised and isinstance(dropped, KeyboardInterrupt)

    def _raise_again(self) -> None:
        import ctypes

        main = ctypes.c_ulong(threading.main_thread().ident or 0)
        arguments = [main, ctypes.py_object(KeyboardInterrupt)]
        threading.Timer(_AGAIN, ctypes.pythonapi.PyThreadState_SetAsyncExc, arguments).start()

    def _watch(self, hears: "socket.socket") -> None:
        """In a thread of its own, that learns of signals also while the main one runs a compiled program."""
        number = _next_signal(hears, None)
        if number == _END:
            return
        self.number = self.number or number
        number = _next_signal(hears, _NOTICE)
        if number is None:
            print_error("jrae: stopping; once more to leave at once")
            number = _next_signal(hears, _PATIENCE)
        if number != _END:
            print_error(str(self))
            os._exit(self.code)


def _next_signal(hears: "socket.socket", seconds: float | None) -> int | None:
    """The next of the two signals, the end, or `None` if neither comes for so long."""
    import select

    while select.select([hears], [], [], seconds)[0]:
        (number,) = hears.recv(1) or (_END,)
        if number in (_END, signal.SIGINT, signal.SIGTERM):
            return number
    return None


def print_error(line: str) -> None:
    """One line on standard error, if there is one."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # closed
            print(line, file=sys.stderr, flush=True)
