"""A real recording in, hidden states with intervals and a verdict out."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import Progress, check_choice, check_key, check_progress, check_type
from .._files import as_path, check_output
from ..column.states import STATES
from ..recording.info import RecordingInfo
from ..recording.recording import Recording
from .decoded import Decoded
from .decoder import Decoder, load_decoder
from .outcome import by_window, check_of, outcome_of, quantities
from .prepare import Prepared, prepare
from .rows import Rows, columns_drawn, columns_of_one_gain, row_keys, rows_of
from .states import States, hidden_states
from .window_store import Window, WindowStore, settings_of

_SMOOTHED = 32  # draws of a window whose states are estimated


@overload
def decode(
    recording: Recording,
    *,
    key: PRNGKeyArray,
    share: str | None = None,
    decoder: Decoder | None = None,
    store: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> Decoded: ...
@overload
def decode(
    recording: Sequence[Recording],
    *,
    key: PRNGKeyArray,
    share: str | None = None,
    decoder: Decoder | None = None,
    store: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> list[Decoded]: ...
def decode(recording, *, key, share=None, decoder=None, store=None, progress=None):
    """The hidden states of a column behind a real EEG, which columns could have made it, and if one did.

    Each channel is taken for the potential of one column that nobody knows, times an unknown gain, less its mean,
    beside a background of power `1/f^exponent` and white noise; it is cut into windows of 10 to 20 s. Which columns,
    backgrounds and gains could have made a window is read from its spectrum, waveform and envelope by a flow that has
    learned it from simulations; its states are an average over Kalman smoothers, one for each of 32 such draws. What is
    drawn for a window depends on `key`, on the name of its channel and on its time alone, so that a channel comes out
    the same whatever else is decoded. Samples are used at the rate that they came in. The gain is positive: what is
    recorded rises with `y1 - y2`; where the electrode has the other polarity, decode the recording with its sign
    changed.

    ```python
    decoded = jrae.decode(jrae.read_recording("rest.edf", picks="O1"), key=jax.random.key(0))
    ```

    **Arguments:**

    - `recording`: of an EEG, one channel or a batch of them; or several recordings.
    - `share`: `"gain"`: each channel has one gain in all windows and in all recordings, by name of the channel.
    - `decoder`: another than that which comes with the package, from `train_decoder`.
    - `store`: a folder that does not exist yet, or holds windows of this very call, to which each is written once it is
        decoded: called again with the same arguments after it was killed, `decode` resumes there. `None`: in memory.
    - `progress`: called after each window, with how many there are done and how many there are.

    **Returns:** a `Decoded`, or a list of them.

    **Raises:** `ValueError` for a recording that is shorter than 10 s, slower than 100 Hz, filtered to less than 3 to
        30 Hz, or whose unit cannot be right, and a store that was made with other arguments; `OSError` if the store
        cannot be written.
    """
    several = isinstance(recording, Sequence) and not isinstance(recording, str)
    recordings: list[Recording] = list(recording) if several else [recording]  # pyright: ignore[reportAssignmentType]
    if not recordings:
        raise ValueError("`recording` must be at least one recording, got none")
    check_key(key=key)
    check_progress(progress)
    if share is not None:
        check_choice(("gain",), share=share)
    path = None if store is None else as_path("store", store)
    if path is not None:
        check_output("store", path, folder=True)
    decoder = load_decoder() if decoder is None else decoder
    check_type(Decoder, decoder=decoder)
    named = {f"recording[{i}]" if several else "recording": each for i, each in enumerate(recordings)}
    prepared = [prepare(each, name) for name, each in named.items()]
    rows = [rows_of(decoder.posterior, each) for each in prepared]
    keys = [row_keys(each, own, key) for each, own in zip(prepared, rows, strict=True)]
    kept = None if path is None else WindowStore(path, prepared, rows, settings_of(named, key, share, decoder))
    latents = [None] * len(rows)
    if share is not None:
        latents = columns_of_one_gain(decoder.posterior, prepared, rows, [own[:, 0] for own in keys], key)
    first = np.cumsum([0, *(len(each.channel) for each in rows)]).tolist()
    parts = [_Part(*of_one) for of_one in zip(recordings, prepared, rows, keys, latents, first[:-1], strict=True)]
    found = [_decoded(decoder, part, _windows(decoder, part, kept, first[-1], progress)) for part in parts]
    return found if several else found[0]


class _Part(NamedTuple):
    """One of the recordings that are decoded."""

    recording: Recording
    prepared: Prepared
    rows: Rows
    keys: Key[Array, "row 2"]
    latents: Float[np.ndarray, "row draw latent"] | None
    """`None`: drawn for each window alone."""
    first: int
    """The number of its first window among those of all recordings."""


def _windows(
    decoder: Decoder, part: _Part, kept: WindowStore | None, total: int, progress: Progress | None
) -> Iterator[Window]:
    """What there is of each window, from the store where it is there, which else gets it."""
    for row in range(len(part.rows.channel)):
        number = part.first + row
        if kept is not None and kept.holds(number):
            window = kept.read(number, part.rows.values.shape[-1])
        else:
            window = _window(decoder, part, slice(row, row + 1))
            if kept is not None:
                kept.write(number, window)
        if progress is not None:
            progress(number + 1, total, "windows decoded")
        yield window


def _window(decoder: Decoder, part: _Part, row: slice) -> Window:
    """The states of one window, and how it compares with what its draws predict."""
    prepared, posterior = part.prepared, decoder.posterior
    rows, keys = jax.tree.map(lambda leaf: leaf[row], (part.rows, part.keys))
    latents = columns_drawn(posterior, rows, keys[:, 0]) if part.latents is None else part.latents[row]
    outcome = outcome_of(decoder, prepared, rows, latents, keys[:, 1])
    predictions = (outcome.draws, outcome.eeg_mean, outcome.eeg_std)
    draws, eeg_mean, eeg_std = jax.tree.map(lambda leaf: jnp.asarray(leaf[:, :_SMOOTHED]), predictions)
    values, measured = jnp.asarray(rows.values), jnp.asarray(rows.measured)
    states = hidden_states(posterior.prior, draws, eeg_mean, eeg_std, values, measured, prepared.dt)
    # Of what is unlike anything that was learned from, nobody knows how wrong an interval is.
    if not outcome.comparison.familiar[0]:
        states = states._replace(**{name: jnp.full_like(states.std, jnp.nan) for name in ("std", "shape_std")})
    window = Window(quantities(rows, outcome.draws), outcome.comparison, states)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[0], window)


def _decoded(decoder: Decoder, part: _Part, windows: Iterator[Window]) -> Decoded:
    """All windows of a recording."""
    recording, prepared, rows = part.recording, part.prepared, part.rows
    length, shape = rows.values.shape[-1], (len(prepared.values), prepared.samples, len(STATES))
    mean, std, shape_mean, shape_std = over_time = [np.full(shape, np.nan, np.float32) for _ in States._fields]
    others = []
    for channel, place, window in zip(rows.channel, rows.window, windows, strict=True):
        if prepared.windows.used[channel, place]:
            for whole, values in zip(over_time, window.states, strict=True):
                whole[channel, place * length : (place + 1) * length] = values
        others.append((window.draws, window.comparison))
    draws, comparison = jax.tree.map(lambda *leaves: np.stack(leaves), *others)
    return Decoded(
        mean,
        std,
        shape_mean,
        shape_std,
        {name: by_window(prepared, rows, values) for name, values in draws.items()},
        check_of(decoder, prepared, rows, comparison, draws["column_fraction"]),
        np.atleast_2d(recording.with_missing_as_nan("eeg")).astype(np.float32),
        prepared.windows.start,
        prepared.windows.refused,
        names=prepared.names,
        seconds=prepared.seconds,
        band=prepared.band,
        dt=prepared.dt,
        info=recording.info or RecordingInfo(),
    )
