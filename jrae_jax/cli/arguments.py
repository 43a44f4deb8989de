"""What the options of the command line mean: columns, axes, solvers, keys and paths; commands import it when they run.

Every message names the option that was written.
"""

import argparse
import contextlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import diffrax
import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from .._checks import check_choice, check_memory, check_names
from .._files import check_output
from ..column.column import Column
from ..column.inputs import (
    AbstractExternalInput,
    ConstantInput,
    OrnsteinUhlenbeckInput,
    UniformNoiseInput,
    WhiteNoiseInput,
)
from ..column.parameters import PRESETS
from ..column.solvers import RK4, FixedStepHeun, StrangSplitting
from ..recording.files import read_recording
from ..recording.recording import Recording
from ..recording.suspect import SuspectValuesWarning
from ..scan.axes import (
    INITIAL_STATES,
    Axis,
    check_range,
    independent_uniform,
    latin_hypercube,
    sampled,
    scannable,
    zipped,
)
from ..scan.regime import Regime
from ..scan.spectrum import Spectrum
from ..scan.summaries import AbstractSummary, Moments, Samples
from .options import SEPARATORS
from .runtime import print_error

INPUTS: Mapping[str, Callable[[float], AbstractExternalInput]] = {
    # sigma = 2000 mV s^-3/2 on y4, as in the inference literature; see `WhiteNoiseInput`
    "white": lambda hold: WhiteNoiseInput(220.0, 2000 / 325),
    "uniform": lambda hold: UniformNoiseInput(120.0, 320.0, hold=hold),
    # mean and standard deviation of the uniform noise
    "ou": lambda hold: OrnsteinUhlenbeckInput(220.0, 200 / 12**0.5, 0.01, hold=hold),
    "constant": lambda hold: ConstantInput(220.0),
}
"""The external inputs of `--input`, for the seconds that a value is held."""

SOLVERS: Mapping[str, Callable[[], diffrax.AbstractSolver]] = {
    "strang": StrangSplitting,
    "heun": FixedStepHeun,
    "rk4": RK4,
    "euler": diffrax.Euler,
}
"""The solvers of `--solver`."""

_DESIGNS = {"latin_hypercube": latin_hypercube, "random": independent_uniform}

_LARGEST_SEED = 2**63 - 1  # what NumPy and JAX both take


class ColumnAndStart(NamedTuple):
    """A column, and its states at t = 0 in mV and mV/s."""

    column: Column
    y0: Float[np.ndarray, "6"]


@contextlib.contextmanager
def options_named(options: Mapping[str, str]) -> Iterator[None]:
    """Let the message of an error or a warning of the library name options where it names arguments.

    Of `ValueError` and `OSError`; a warning becomes one line on standard error.

    **Arguments:**

    - `options`: by the name of the argument, such as `{"burn_in": "--burn-in"}`.
    """

    def renamed(message: str) -> str:
        for argument, option in options.items():
            message = message.replace(f"`{argument}`", f"`{option}`")
        return message

    def show(message, category, filename, lineno, file=None, line=None):
        del category, filename, lineno, file, line
        print_error(f"jrae: warning: {renamed(str(message))}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            yield
        except ValueError as error:
            raise ValueError(renamed(str(error))) from error
        except OSError as error:
            if error.strerror is None:
                raise OSError(renamed(str(error))) from error
            raise OSError(error.errno, renamed(error.strerror), error.filename) from error


def column_from(preset: str, input: str, settings: Sequence[str], hold: float = 1e-3) -> Column:
    """The column that `--preset`, `--input`, `--set` and `--hold` describe.

    **Raises:** `ValueError` naming the option that cannot be taken.
    """
    column = _preset_column(preset, input, hold)
    return _with_settings(column, _parsed_settings(settings, column.quantities))


def column_and_start_from(preset: str, input: str, settings: Sequence[str], hold: float = 1e-3) -> ColumnAndStart:
    """The same where `--set` may also give states at t = 0, `initial_y0` to `initial_y5`."""
    column = _preset_column(preset, input, hold)
    values = _parsed_settings(settings, scannable(column))
    y0 = np.array([values.pop(name, 0.0) for name in INITIAL_STATES])
    return ColumnAndStart(_with_settings(column, values), y0)


def _preset_column(preset: str, input: str, hold: float) -> Column:
    check_choice(PRESETS, **{"--preset": preset})
    with options_named({"hold": "--hold"}):
        return Column.preset(preset, INPUTS[input](hold))


def _parsed_settings(settings: Sequence[str], known: Mapping[str, str]) -> dict[str, float]:
    pairs = [text.partition("=") for text in settings]
    check_names(known, **{"--set": [name for name, _, _ in pairs]})
    return {name: parsed_number("--set", name, text) for name, _, text in pairs}


def _with_settings(column: Column, values: Mapping[str, float]) -> Column:
    with options_named({name: f"--set {name}" for name in values}):
        return column.replace(**values)


def axes_from(texts: Sequence[str], column: Column, settings: Sequence[str] = ()) -> list[Axis]:
    """The axes that `--axis` describes, each `NAME=start:stop:count`, `NAME=start:stop:count:log` or `NAME=a,b,c`.

    **Arguments:**

    - `settings`: those of `--set`, which must not name what changes along an axis.

    **Raises:** `ValueError` for what is none of these, or a quantity that does not exist or is named twice.
    """
    axes = [parsed_axis(text) for text in texts]
    _check_axis_names(texts, column, settings)
    return axes


def _check_axis_names(texts: Sequence[str], column: Column, settings: Sequence[str]) -> None:
    names = [part.partition("=")[0] for text in texts for part in _quantities_of(text)]
    check_names(scannable(column), **{"--axis": names})
    for text in settings:
        if text.partition("=")[0] in names:
            raise ValueError(f"`--set` must not name what changes along an `--axis`, got {text}")


def parsed_axis(text: str) -> Axis:
    """One axis, along which one quantity changes or several together: `C=100,135+p=200,220`."""
    values = {}
    for part in _quantities_of(text):
        name, equals, numbers = part.partition("=")
        if not equals or not name:
            raise ValueError(f"`--axis` must be NAME=start:stop:count or NAME=a,b,c, got {text}")
        values[name] = _axis_values(name, numbers)
    with options_named({"values": "--axis", **{name: f"--axis {name}" for name in values}}):
        return zipped("+".join(values), **values)


def _quantities_of(text: str) -> list[str]:
    """The parts of an axis, `C=100,135` and `p=1e+2,200` of `C=100,135+p=1e+2,200`."""
    return re.split(r"\+(?=[A-Za-z_][\w.]*=)", text)


def _axis_values(name: str, text: str) -> np.ndarray:
    if ":" not in text:
        return np.array([parsed_number("--axis", name, number) for number in text.split(",") if number])
    parts = text.split(":")
    log = parts[3:] == ["log"]
    if len(parts) != 3 + log or not parts[2].isdigit() or int(parts[2]) < 2:
        raise ValueError(
            f"`--axis {name}` must be start:stop:count or start:stop:count:log with a count from 2 on, got {text}"
        )
    check_memory("their values", 8 * int(parts[2]), **{f"--axis {name}": text})
    start, stop = (parsed_number("--axis", name, part) for part in parts[:2])
    check_range(f"--axis {name}", start, stop, log=log)
    return (np.geomspace if log else np.linspace)(start, stop, int(parts[2]))


def sampled_axis_from(
    texts: Sequence[str], column: Column, settings: Sequence[str], points: int, *, method: str, key: PRNGKeyArray
) -> Axis:
    """The points of `--sample` over the ranges of `--axis`, each `NAME=start:stop` or `NAME=start:stop:log`.

    **Raises:** `ValueError` as `axes_from`.
    """
    ranges, log = {}, []
    for text in texts:
        name, _, values = text.partition("=")
        start, *rest = values.split(":")
        if rest[1:] == ["log"]:
            log.append(name)
        elif len(rest) != 1:
            raise ValueError(f"`--axis {text}` must be NAME=start:stop or NAME=start:stop:log with --sample")
        ranges[name] = (parsed_number("--axis", name, start), parsed_number("--axis", name, rest[0]))
    _check_axis_names(texts, column, settings)
    named = {"points": "--sample", "ranges": "--axis", **{name: f"--axis {name}" for name in ranges}}
    with options_named(named):
        return sampled(points, key=key, design=_DESIGNS[method], log=log, **ranges)


def summaries_from(names: str, channels: str, every: int) -> list[AbstractSummary]:
    """The summaries that `--summaries`, `--channels` and `--every` describe."""
    makers: dict[str, Callable[[], AbstractSummary]] = {
        "moments": lambda: Moments(tuple(channels.split(","))),
        "spectrum": Spectrum,
        "regime": Regime,
        "samples": lambda: Samples(every, tuple(channels.split(","))),
    }
    for name in names.split(","):
        check_choice(tuple(makers), **{"--summaries": name})
    with options_named({"channels": "--channels", "every": "--every"}):
        return [makers[name]() for name in names.split(",")]


def recording_from(options: argparse.Namespace, path: Path) -> Recording:
    """The recording in a file of a command, read as its options say; prints how it was read, and what is suspect.

    **Raises:** `ValueError` naming the option that cannot be taken, or that is needed.
    """
    named = {name: f"--{name}" for name in ("unit", "sfreq", "missing", "separator", "decimal", "encoding", "header")}
    named |= {"source": "recording", "picks": "--pick"}
    with options_named(named), warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", SuspectValuesWarning)
        recording = read_recording(
            path,
            picks=options.pick[0] if isinstance(options.pick, list) and len(options.pick) == 1 else options.pick,
            unit=options.unit,
            sfreq=options.sfreq,
            missing=options.missing,
            separator=None if options.separator is None else SEPARATORS[options.separator],
            decimal=options.decimal,
            encoding=options.encoding,
            header=options.header,
        )
        print(recording.info.read_as if recording.info else "")
    for warning in found:
        print(f"note: {warning.message}")
    return recording


def key_from_seed(seed: int) -> PRNGKeyArray:
    """The key of `--seed`."""
    if not 0 <= seed <= _LARGEST_SEED:
        raise ValueError(f"`--seed` must be from 0 to 2^63 - 1, got {seed}")
    return jax.random.key(seed)


def parsed_number(option: str, name: str, text: str) -> float:
    """A number, or an error that names the option."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"`{option} {name}` must be a number, got {text!r}") from None


def check_figure_file(option: str, path: Path) -> None:
    """Raise if a figure cannot be written to `path`; one that is there will be written over."""
    from matplotlib.backend_bases import FigureCanvasBase  # slow to import, and needed for pictures only

    formats = [name for name in FigureCanvasBase.get_supported_filetypes() if name != "pgf"]  # which takes LaTeX
    check_output(option, path, suffixes=[f".{name}" for name in formats])
