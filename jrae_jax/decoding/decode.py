"""A real recording in, hidden states with intervals and a verdict out."""

import functools
from collections.abc import Callable, Sequence
from typing import overload

import jax
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import Progress, check_choice, check_key, check_progress, check_type
from ..column.states import STATES
from ..recording.info import RecordingInfo
from ..recording.recording import Recording
from .decoded import Decoded
from .decoder import Decoder, load_decoder
from .outcome import by_window, outcomes, quantities
from .prepare import Prepared, prepare
from .rows import Rows, columns_drawn, columns_of_one_gain, in_parts, row_keys, rows_of
from .states import AT_ONCE, hidden_states

_SMOOTHED = 32  # draws of a window whose states are estimated


@overload
def decode(
    recording: Recording,
    *,
    key: PRNGKeyArray,
    share: str | None = None,
    decoder: Decoder | None = None,
    progress: Progress | None = None,
) -> Decoded: ...
@overload
def decode(
    recording: Sequence[Recording],
    *,
    key: PRNGKeyArray,
    share: str | None = None,
    decoder: Decoder | None = None,
    progress: Progress | None = None,
) -> list[Decoded]: ...
def decode(recording, *, key, share=None, decoder=None, progress=None):
    """The hidden states of a column behind a real EEG, which columns could have made it, and if one did.

    Each channel is taken for the potential of one column that nobody knows, times an unknown gain, less its mean,
    beside a background of power `1/f^exponent` and white noise; it is cut into windows of 10 to 20 s. Which columns,
    backgrounds and gains could have made a window is read from its spectrum, waveform and envelope by a flow that has
    learned it from simulations; its states are an average over Kalman smoothers, one for each of 32 such draws.
    Samples are used at the rate that they came in. The gain is positive: what is recorded rises with `y1 - y2`; where
    the electrode has the other polarity, decode the recording with its sign changed.

    ```python
    decoded = jrae.decode(jrae.read_recording("rest.edf", picks="O1"), key=jax.random.key(0))
    ```

    **Arguments:**

    - `recording`: of an EEG, one channel or a batch of them; or several recordings.
    - `share`: `"gain"`: each channel has one gain in all windows and in all recordings, by name of the channel.
    - `decoder`: another than that which comes with the package, from `train_decoder`.

    **Returns:** a `Decoded`, or a list of them.

    **Raises:** `ValueError` for a recording that is shorter than 10 s, slower than 100 Hz, filtered to less than 3 to
        30 Hz, or whose unit cannot be right.
    """
    several = isinstance(recording, Sequence) and not isinstance(recording, str)
    recordings: list[Recording] = list(recording) if several else [recording]  # pyright: ignore[reportAssignmentType]
    if not recordings:
        raise ValueError("`recording` must be at least one recording, got none")
    check_key(key=key)
    check_progress(progress)
    if share is not None:
        check_choice(("gain",), share=share)
    decoder = load_decoder() if decoder is None else decoder
    check_type(Decoder, decoder=decoder)
    named = [f"recording[{i}]" if several else "recording" for i in range(len(recordings))]
    prepared = [prepare(each, name) for each, name in zip(recordings, named, strict=True)]
    rows = [rows_of(decoder.posterior, each) for each in prepared]
    keys = [row_keys(each, jax.random.fold_in(key, i)) for i, each in enumerate(rows)]
    drawn, compared_with = [own[:, 0] for own in keys], [own[:, 1] for own in keys]
    if share is None:
        latents = [columns_drawn(decoder.posterior, each, own) for each, own in zip(rows, drawn, strict=True)]
    else:
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        latents = columns_of_one_gain(decoder.posterior, prepared, rows, drawn, rng)
    found = []
    for of_one in zip(recordings, prepared, rows, latents, compared_with, strict=True):
        found.append(_decoded(decoder, *of_one, progress))
    return found if several else found[0]


def _decoded(
    decoder: Decoder,
    recording: Recording,
    prepared: Prepared,
    rows: Rows,
    latents: Float[np.ndarray, "row draw latent"],
    keys: Key[Array, " row"],
    progress: Progress | None,
) -> Decoded:
    """The states of each window, and how it compares with what its draws predict."""

    def counted(message: str) -> Callable[[int, int], None] | None:
        if progress is None:
            return None
        report = progress
        return lambda done, total: report(done, total, message)

    outcome, check = outcomes(decoder, prepared, rows, latents, keys, counted=counted("windows compared"))
    smoothed = jax.tree.map(lambda leaf: leaf[:, :_SMOOTHED], (outcome.draws, outcome.eeg_mean, outcome.eeg_std))
    familiar = check.familiar[rows.channel, rows.window]
    shape = (len(prepared.values), prepared.samples, len(STATES))
    mean, std, shape_mean, shape_std = (np.full(shape, np.nan, np.float32) for _ in range(4))
    length = rows.values.shape[-1]
    for part, found in in_parts(
        functools.partial(hidden_states, decoder.posterior.prior, dt=prepared.dt),
        max(1, AT_ONCE // (_SMOOTHED * length)),
        *smoothed,
        rows.values,
        rows.measured,
        counted=counted("windows estimated"),
    ):
        # Of what is unlike anything that was learned from, nobody knows how wrong an interval is.
        unknown = ~familiar[part, None, None]
        promised = found._replace(
            std=np.where(unknown, np.nan, found.std), shape_std=np.where(unknown, np.nan, found.shape_std)
        )
        for over_time, by_row in zip((mean, std, shape_mean, shape_std), promised, strict=True):
            for channel, window, values in zip(rows.channel[part], rows.window[part], by_row, strict=True):
                if prepared.windows.used[channel, window]:
                    over_time[channel, window * length : (window + 1) * length] = values
    return Decoded(
        mean,
        std,
        shape_mean,
        shape_std,
        {name: by_window(prepared, rows, values) for name, values in quantities(rows, outcome.draws).items()},
        check,
        np.atleast_2d(recording.with_missing_as_nan("eeg")).astype(np.float32),
        prepared.windows.start,
        prepared.windows.refused,
        names=prepared.names,
        seconds=prepared.seconds,
        band=prepared.band,
        dt=prepared.dt,
        info=recording.info or RecordingInfo(),
    )
