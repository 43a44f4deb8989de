"""Training on recordings that are simulated as it goes."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from .._observation.endless import EndlessRecordings
from .._observation.mask import ObservationMask
from .._observation.windows import Surroundings
from .._validation import check_count, check_type
from .architectures import Autoencoder
from .calibration import Calibration, calibration
from .fit import EndlessSettings, Fit, Progress
from .loss import loss_weights
from .reconstructor import Reconstructor, check_sampling
from .training import Data, Examples, Program, examples, train_step
from .windowed import WindowedAutoencoder

_COLUMNS = 128  # drawn at a time
_SAMPLES = 2048  # of each, beside those that fill one window
_STEPS = 32  # of the optimiser, before new columns are drawn
_WARM_UP = 200  # steps
_LEARNING_RATE = 2e-3
_REPORTS = 100
_CALIBRATION_DRAWS, _CALIBRATION_INSTANTS, _AT_ONCE = 16, 8192, 1024


def fit_endless(
    network: Autoencoder | WindowedAutoencoder,
    source: EndlessRecordings,
    *,
    steps: int,
    key: PRNGKeyArray,
    batch_size: int = 1024,
    optimiser: optax.GradientTransformation | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Train one network to reconstruct all six states, on columns that are simulated as training goes.

    No instant is seen twice but by chance, so nothing is overfitted, and the error on new recordings is limited by
    the network and the time given to it.

    **Arguments:**

    - `network`: the initial network.
    - `source`: from `endless_recordings`.
    - `steps`, `batch_size`: of the optimiser, and instants in each; steps are rounded up to whole draws of columns.
    - `key`: for the columns and the instants.
    - `optimiser`: any Optax gradient transformation; if `None`, Adam, its rate warmed up to 2e-3 and lowered to 0
        along a cosine.
    - `progress`: called with the steps done and the last training loss, some hundred times a fit.

    **Returns:** a `Fit`, with a training loss for each draw of columns.

    **Raises:** `ValueError` for arguments that do not fit together; `RuntimeError` if the loss becomes non-finite.
    """
    check_type(EndlessRecordings, source=source)
    check_count(1, steps=steps, batch_size=batch_size)
    _check_inputs(network, source)
    rounds = -(-steps // _STEPS)
    optimiser = _default_optimiser(rounds * _STEPS) if optimiser is None else optimiser
    parameters, skeleton = eqx.partition(network, eqx.is_array)
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("member",))
    program = Program(skeleton, optimiser, int(batch_size), None, mesh)
    carry, history = (parameters, optimiser.init(parameters)), []
    for number in range(rounds):
        carry, loss = _round(program, source, carry, jax.random.fold_in(key, number))
        history.append(loss)
        if number == rounds - 1 or (number + 1) % -(-rounds // _REPORTS) == 0:
            _check_loss(history, number)
            if progress is not None:
                progress((number + 1) * _STEPS, np.asarray([loss]))
    trained = eqx.combine(carry[0], skeleton)
    right = _calibrated(trained, source, jax.random.fold_in(key, rounds))
    model = Reconstructor(trained, ObservationMask(source.masks[0]), source.standardizer, source.masks, right)
    train_loss = np.asarray(jnp.stack(history))
    nothing = np.full_like(train_loss, np.nan)
    return Fit(model, train_loss, nothing, None, None, EndlessSettings(rounds * _STEPS, int(batch_size)))


@eqx.filter_jit
def _round(
    program: Program, source: EndlessRecordings, carry: tuple[Any, Any], key: PRNGKeyArray
) -> tuple[tuple[Any, Any], Float[Array, ""]]:
    """New columns, and some steps on them."""
    draw_key, step_key = jax.random.split(key)
    instants = _drawn(program.skeleton, source, draw_key)
    weights = loss_weights("all", ObservationMask(source.masks[0]))
    data = Data(instants, instants, jnp.asarray(source.masks[0]), weights, source.standardizer)

    def step(carry, key):
        rows_key, loss_key = jax.random.split(key)
        picked = jax.random.randint(rows_key, (program.batch_size,), 0, len(instants.rows))
        return train_step(program, carry, data, picked, loss_key)

    carry, losses = jax.lax.scan(step, carry, jax.random.split(step_key, _STEPS))
    return carry, jnp.mean(losses)


def _calibrated(
    network: Autoencoder | WindowedAutoencoder, source: EndlessRecordings, key: PRNGKeyArray
) -> Calibration | None:
    """What puts the network's standard deviations right on recordings from the source."""
    if not (isinstance(network, WindowedAutoencoder) and network.variational):
        return None
    told = [_told(network, source, key) for key in jax.random.split(key, _CALIBRATION_DRAWS)]
    std, error = (jnp.concatenate(values) for values in zip(*told, strict=True))
    return calibration(std, error)


@eqx.filter_jit
def _told(
    network: WindowedAutoencoder, source: EndlessRecordings, key: PRNGKeyArray
) -> tuple[Float[Array, "instant 6"], Float[Array, "instant 6"]]:
    """Standard deviations that a network tells at some instants of new columns, and how far off its means are."""
    draw_key, picked_key = jax.random.split(key)
    instants = _drawn(network, source, draw_key)
    recording = instants.recording
    assert isinstance(recording, Surroundings)
    picked = jax.random.randint(picked_key, (_CALIBRATION_INSTANTS,), 0, len(instants.rows))

    def of(rows):
        states = jax.vmap(lambda view: network.likelihood(network.encode(view)))(recording.at(rows))
        return states.mean, states.std

    mean, std = jax.lax.map(of, instants.rows[picked].reshape(-1, _AT_ONCE))
    return std.reshape(-1, 6), instants.truth[picked, :6] - mean.reshape(-1, 6)


def _drawn(network: Any, source: EndlessRecordings, key: PRNGKeyArray) -> Examples:
    """Instants of new columns."""
    window = getattr(network, "window", None)
    samples = _SAMPLES + (0 if window is None else window.past + window.future)
    drawn = source.draw(_COLUMNS, samples, key=key)
    return examples(drawn.channels, drawn.seen, drawn.truth, window)


def _default_optimiser(steps: int) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(0.0, _LEARNING_RATE, min(_WARM_UP, steps // 2), steps)
    return optax.adam(schedule)


def _check_inputs(network: Autoencoder | WindowedAutoencoder, source: EndlessRecordings) -> None:
    shown = ObservationMask(np.any(source.masks, axis=0)).names
    read = network.settings["inputs"]
    if not set(shown) <= set(read):
        raise ValueError(f"`network` must read what `source` shows, {', '.join(shown)}, got {', '.join(read)}")
    if isinstance(network, WindowedAutoencoder):
        check_sampling(source.dt, network.window.dt)
    elif len(source.masks) > 1 or source.gaps:
        raise ValueError("`network` must have a window to be trained on several kinds of recordings, or with gaps")


def _check_loss(history: list[Array], number: int) -> None:
    if not np.isfinite(history[-1]):
        raise RuntimeError(
            f"`fit_endless`: the loss became non-finite within {(number + 1) * _STEPS} steps; lower the learning rate"
        )
