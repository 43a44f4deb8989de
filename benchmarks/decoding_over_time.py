"""Whether `decode` finds the same column in every window of a recording, and where a column that changes does so.

    python -m benchmarks.decoding_over_time [--out benchmarks/results/decoding_over_time.json] [--quick]

Test and retest: recordings of 60 s of columns of the prior, by the correlation between windows of posterior medians.
Transitions: the mean input of a standard column rises through a Hopf point (200 to 400 /s, where the alpha cycle is
lost at 315.7 /s) or through a fold (60 to 160 /s, where the state of rest is lost at 113.6 /s) in 200 s; it is located
at the one change that is most probable, between columns that rest and columns that oscillate without noise.
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

import jrae_jax as jrae
from jrae_jax.decoding import Prior, load_decoder
from jrae_jax.decoding.outcome import Outcome, by_window, outcome_of, quantities
from jrae_jax.decoding.prepare import Prepared, prepare
from jrae_jax.decoding.rows import Rows, columns_drawn, row_keys, rows_of

from .timing import arguments_parser, environment, write
from .unlike import RATE, recordings_of_the_model

QUANTITIES = ("C", "B", "time_scale", "p", "sigma", "background", "exponent", "column_fraction")
RAMPS = {"Hopf point": (200.0, 400.0, 315.7, False), "fold": (60.0, 160.0, 113.6, True)}
"""Mean input at the start and at the end, that of the transition, /s, and whether the column oscillates behind it."""

_RAMP_SECONDS, _STEP = 200.0, 1.0
_SIGMA, _BACKGROUND = 1.8, 0.3
_STILL = 0.05  # mV
_LEAST = 0.01  # probability of a regime, as 64 draws cannot give less
_OF_DRAWS = 64  # of each window, whose regime is computed


def read(values: np.ndarray, key: jax.Array) -> tuple[Prepared, Rows, Outcome]:
    """The posterior of each window."""
    decoder = load_decoder()
    prepared = prepare(jrae.Recording.of(eeg=values, dt=1 / RATE, unit="column"))
    rows = rows_of(decoder.posterior, prepared)
    keys = row_keys(prepared, rows, key)
    outcome = outcome_of(decoder, prepared, rows, columns_drawn(decoder.posterior, rows, keys[:, 0]), keys[:, 1])
    return prepared, rows, outcome


def retested(number: int) -> dict[str, float]:
    """Correlation between windows, over recordings, of posterior medians."""
    prepared, rows, outcome = read(recordings_of_the_model(number, 60.0, 61), jax.random.key(0))
    found = {}
    for name, values in quantities(rows, outcome.draws).items():
        if name in QUANTITIES:
            medians = by_window(prepared, rows, np.median(values, axis=1))
            pairs = [(0, 1), (0, 2), (1, 2)]
            found[name] = float(np.mean([np.corrcoef(medians[:, i], medians[:, j])[0, 1] for i, j in pairs]))
    return found


def ramped(low: float, high: float, number: int, seed: int) -> np.ndarray:
    """Recordings of standard columns whose mean input rises."""
    steps = round(_RAMP_SECONDS / _STEP)
    y0, parts = None, []
    for i, p in enumerate(np.linspace(low, high, steps)):
        column = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(float(p), _SIGMA))
        trajectories = jrae.simulate(
            column,
            y0=y0,
            t1=_STEP + (5.0 if i == 0 else 0.0),
            burn_in=5.0 if i == 0 else 0.0,
            dt=1e-3,
            batch=number,
            solver=jrae.column.StrangSplitting(),
            saveat=diffrax.SaveAt(steps=round(1e3 / RATE)),
            key=jax.random.fold_in(jax.random.key(seed), i),
        )
        y0 = trajectories.ys[:, -1]
        parts.append(np.asarray(trajectories.eeg)[:, -round(_STEP * RATE) :])
    eeg = np.concatenate(parts, axis=1)
    rng = np.random.default_rng(seed)
    frequencies = np.maximum(np.fft.rfftfreq(eeg.shape[1], 1 / RATE), 0.5)
    noise = rng.normal(size=(2, number, len(frequencies)))
    background = np.fft.irfft((noise[0] + 1j * noise[1]) * frequencies**-0.5, eeg.shape[1])
    return eeg + _BACKGROUND * eeg.std() * background / background.std()


def oscillates(prior: Prior, values: dict[str, np.ndarray]) -> np.ndarray:
    """Whether columns do without noise."""
    shape = values["p"].shape
    flat = {name: jnp.ravel(jnp.asarray(array)) for name, array in values.items()}
    quiet = prior.columns(flat).replace(input=jrae.ConstantInput(flat["p"]))
    eeg = jrae.simulate(quiet, t1=8.0, dt=1e-3, burn_in=6.0, saveat=diffrax.SaveAt(steps=5), throw=False).eeg
    return (np.asarray(eeg).std(axis=1) > _STILL).reshape(shape)


def located(kind: str, number: int) -> dict[str, float]:
    """How many windows off a transition is found."""
    low, high, at, behind = RAMPS[kind]
    prepared, rows, outcome = read(ramped(low, high, number, 62), jax.random.key(1))
    values = {name: np.asarray(draws)[:, :_OF_DRAWS] for name, draws in outcome.draws.values.items()}
    behind_it = by_window(prepared, rows, (oscillates(Prior(), values) == behind).mean(axis=1))
    windows = behind_it.shape[1]
    # One change, and where it is most probable: before it nothing is behind it, and after it all.
    log_after, log_before = (np.log(np.clip(x, _LEAST, 1)) for x in (behind_it, 1 - behind_it))
    scores = [log_before[:, :k].sum(axis=1) + log_after[:, k:].sum(axis=1) for k in range(windows + 1)]
    true = int((at - low) / (high - low) * windows)
    off = np.argmax(scores, axis=0) - true
    return {
        "windows": windows,
        "true_window": true,
        "within_one": float((np.abs(off) <= 1).mean()),
        "within_two": float((np.abs(off) <= 2).mean()),
        "median_off": float(np.median(off)),
    }


def main() -> None:
    """Measure, and write the results."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--recordings", type=int, default=50, help="of each kind (50)")
    options = parser.parse_args()
    number = 4 if options.quick else options.recordings
    found = {"test_retest": retested(number), "transitions": {kind: located(kind, number) for kind in RAMPS}}
    print(found)
    write({"environment": environment(), "recordings": number, **found}, options.out)


if __name__ == "__main__":
    main()
