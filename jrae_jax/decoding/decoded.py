"""What was decoded from a recording."""

from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from .._checks import of_numbers
from ..column.states import STATE_UNITS, STATES
from ..recording.info import RecordingInfo
from ..recording.to_mne import as_raw
from ..recording.windows import REASONS
from .check import Check
from .prior import STANDARD

if TYPE_CHECKING:
    import mne
    import xarray as xr

QUANTITIES = {name: (quantity.unit or "1", quantity.long_name) for name, quantity in STANDARD.items()} | {
    "gain": ("mV/mV", "gain of the recording"),
    "column_std": ("mV", "standard deviation of the column from 4.5 to 24 Hz"),
    "column_fraction": ("1", "fraction of the variance from 4.5 to 24 Hz that is the column's"),
}
"""Units and descriptions of what there are draws of, by name."""

MEASURES = {
    "mean": ("mV or mV/s", "mean of the state"),
    "std": ("mV or mV/s", "standard deviation of the error of the mean, with column and gain unknown"),
    "shape_mean": ("1", "mean of the state, centred and in standard deviations of itself"),
    "shape_std": ("1", "standard deviation of the error of the shape"),
}
"""Those of what there is of each state."""

_LISTED = 4  # channels in words


class Decoded(eqx.Module):
    """States, columns and a verdict for each channel of a recording.

    NaN stands in windows that were refused, in the few samples behind the last one, and, of `std` and `shape_std`,
    where the recording is unlike anything that intervals can be promised for.
    """

    mean: Float[np.ndarray, "channel time 6"]
    """mV and mV/s of the column."""
    std: Float[np.ndarray, "channel time 6"]
    shape_mean: Float[np.ndarray, "channel time 6"]
    """Centred, in standard deviations of the state within a window: what does not depend on the gain."""
    shape_std: Float[np.ndarray, "channel time 6"]
    draws: dict[str, Float[np.ndarray, "channel window draw"]]
    """Of columns, backgrounds and gains, in their units."""
    check: Check
    eeg: Float[np.ndarray, "channel time"]
    """What was recorded, mV; NaN where nothing was."""
    start: Float[np.ndarray, " window"]
    """Time of the first sample of each window, s."""
    refused: Bool[np.ndarray, "reason channel window"]
    """Whether there is this reason of `jrae_jax.recording.REASONS` against a window."""
    names: tuple[str, ...] = eqx.field(static=True)
    seconds: float = eqx.field(static=True)
    """Of a window."""
    band: tuple[float, float] = eqx.field(static=True)
    """The frequencies that the decoder relied on, Hz."""
    dt: float = eqx.field(static=True)
    info: RecordingInfo = eqx.field(static=True)

    @property
    def used(self) -> Bool[np.ndarray, "channel window"]:
        """Which windows there was nothing against."""
        return np.logical_not(self.refused.any(axis=0))

    @property
    def ts(self) -> Float[np.ndarray, " time"]:
        """Time of each sample, s."""
        return self.info.start + self.dt * np.arange(self.eeg.shape[-1])

    @property
    def states(self) -> "xr.Dataset":
        """`mean`, `std`, `shape_mean` and `shape_std` over channel, time and state."""
        import xarray as xr

        dims = ("channel", "time", "state")
        variables = {
            name: (dims, getattr(self, name), {"units": unit, "long_name": text})
            for name, (unit, text) in MEASURES.items()
        }
        units = ("state", list(STATE_UNITS), {"long_name": "unit of mean and std"})
        coordinates = {
            "channel": list(self.names),
            "time": ("time", self.ts, {"units": "s"}),
            "state": list(STATES),
            "unit": units,
        }
        return xr.Dataset(variables, coordinates)

    @property
    def posterior(self) -> "xr.Dataset":
        """Draws of columns, backgrounds and gains over channel, window and draw."""
        import xarray as xr

        variables = {
            name: (("channel", "window", "draw"), values, {"units": unit, "long_name": long_name})
            for name, values in self.draws.items()
            for unit, long_name in (QUANTITIES[name],)
        }
        return xr.Dataset(variables, self._by_window())

    def _by_window(self) -> dict:
        start = ("window", self.start, {"units": "s", "long_name": "time of the first sample"})
        return {"channel": list(self.names), "start": start}

    def to_datatree(self) -> "xr.DataTree":
        """The states at the root, with the groups `posterior` and `check`: for `to_zarr`."""
        import xarray as xr

        check = self.check.to_dataset().assign_coords(self._by_window())
        check["refused"] = (("reason", "channel", "window"), self.refused)
        check = check.assign_coords(reason=list(REASONS))
        return xr.DataTree.from_dict({"/": self.states, "posterior": self.posterior, "check": check})

    def to_dataset(self) -> "xr.Dataset":
        """All of it in one, for files without groups such as netCDF 3: with `posterior_` and `check_` before names."""
        tree = self.to_datatree()
        found = tree.to_dataset()
        for group in ("posterior", "check"):
            variables = tree.children[group].to_dataset()
            found = found.merge(variables.rename({str(name): f"{group}_{name}" for name in variables.data_vars}))
        return found

    def to_mne(self) -> "mne.io.RawArray":
        """Mean and standard deviation of each state of each channel, such as "O1/y0" and "O1/y0/std", as misc channels.

        In V and V/s, on the clock of the recording, with its date and annotations; windows that were refused are
        annotated as BAD_refused.
        """
        names = {
            channel: [f"{channel}/{state}{what}" for state in STATES for what in ("", "/std")] for channel in self.names
        }
        values = np.stack([self.mean, self.std], axis=-1).swapaxes(1, 2)  # channel, state, time, of which
        values = values.swapaxes(2, 3).reshape(-1, self.eeg.shape[-1])
        about = [
            note._replace(names=tuple(name for channel in note.names for name in names.get(channel, ())))
            for note in self.info.annotations
            if not note.names or not names.keys().isdisjoint(note.names)
        ]
        info = self.info._replace(band=None, annotations=tuple(about))
        raw = as_raw(values, [name for of in names.values() for name in of], kind="misc", dt=self.dt, info=info)
        for window, channel in np.argwhere(~self.used.T):
            raw.annotations.append(
                self.start[window] - (0 if raw.info["meas_date"] is not None else self.info.start),
                self.seconds,
                "BAD_refused",
                ch_names=[names[self.names[channel]]],
            )
        return raw

    @of_numbers
    def __repr__(self) -> str:
        channels, windows = self.used.shape
        what = ", ".join(self.names) if channels <= _LISTED else f"{channels} channels"
        used = self.used.sum(axis=1)
        of = f"{used[0]}" if (used == used[0]).all() else f"{used.min()} to {used.max()}"
        lines = [
            f"Decoded({what}: {self.eeg.shape[-1]:,} samples at {1 / self.dt:.6g} Hz, {self.band[0]:g} to "
            f"{self.band[1]:.4g} Hz relied on, {of} of {windows} windows of {self.seconds:.4g} s used"
        ]
        for i, name in enumerate(self.names[:_LISTED]):
            if used[i]:
                lines.append(f"  {name}: {self._column_in_words(i)}")
            lines.append(f"  {name}: {self.check.words[i]}")
        if channels > _LISTED:
            explained = self.check.explained[_LISTED:].sum()
            lines.append(f"  and {channels - _LISTED} more channels, of which one column explains {explained}")
        return "\n".join(lines) + ")"

    def _column_in_words(self, channel: int) -> str:
        def between(name: str) -> str:
            values = self.draws[name][channel][self.used[channel]]
            low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
            return f"{name} {middle:.3g} ({low:.3g} to {high:.3g})"

        return ", ".join(map(between, ("C", "B", "time_scale", "p", "sigma", "column_fraction")))
