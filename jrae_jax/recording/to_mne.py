"""Signals as MNE has them: into `RawArray`."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from .formats import import_mne
from .info import RecordingInfo

if TYPE_CHECKING:
    import mne


def as_raw(
    values: Float[np.ndarray, "channel time"], names: Sequence[str], *, kind: str, dt: float, info: RecordingInfo
) -> "mne.io.RawArray":
    """Signals as MNE has them, with the time, the date, the filters and the annotations of a recording.

    **Arguments:**

    - `values`: mV, or mV/s; V and V/s in MNE. NaN where there are none.
    - `names`: of the channels.
    - `kind`: their type, such as eeg, or misc for what is no recording.
    - `dt`: seconds between samples.
    - `info`: of the recording that they are of or were made from.
    """
    mne = import_mne("`to_mne` is done")
    of_mne = mne.create_info(list(names), 1 / dt, kind)
    with of_mne._unlock():
        of_mne["line_freq"] = info.line_freq
        if info.band is not None:
            of_mne["highpass"], of_mne["lowpass"] = info.band
    raw = mne.io.RawArray(1e-3 * values, of_mne, first_samp=round(info.start / dt), verbose="ERROR")
    if info.measured_on is not None:
        raw.set_meas_date(datetime.datetime.fromisoformat(info.measured_on))
    about = [tuple(name for name in annotation.names if name in names) for annotation in info.annotations]
    raw.set_annotations(
        mne.Annotations(
            # Without a date of their own, from the first sample on.
            [annotation.onset - info.start for annotation in info.annotations],
            [annotation.duration for annotation in info.annotations],
            [annotation.description for annotation in info.annotations],
            ch_names=about,
        ),
        verbose="ERROR",
    )
    return raw
