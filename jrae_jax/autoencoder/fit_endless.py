"""Training on recordings that are simulated as it goes."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._checks import check_count, check_type
from ..recording.mask import ObservationMask
from ..recording.simulated import EndlessRecordings
from .autoencoder import Autoencoder
from .calibration import Calibration, calibration
from .features import Surroundings
from .loss import UnlabelledLoss, loss_weights
from .reconstructor import Reconstructor, check_sampling
from .train import EndlessSettings, Fit, Progress
from .train_step import Data, Examples, Program, examples, train_step
from .whitening import Whitener
from .window import Window
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
    loss: UnlabelledLoss | None = None,
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
    - `loss`: a `PhysicsLoss`, to learn from what is measured alone; if `None`, the errors of the true states.
    - `progress`: called with the steps done and the last training loss, some hundred times a fit.

    **Returns:** a `Fit`, with a training loss for each draw of columns.

    **Raises:** `ValueError` for arguments that do not fit together; `RuntimeError` if the loss becomes non-finite.
    """
    check_type(EndlessRecordings, source=source)
    check_count(1, steps=steps, batch_size=batch_size)
    _check_inputs(network, source, loss)
    rounds = -(-steps // _STEPS)
    optimiser = _default_optimiser(rounds * _STEPS) if optimiser is None else optimiser
    parameters, skeleton = eqx.partition(network, eqx.is_array)
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("member",))
    program = Program(skeleton, optimiser, int(batch_size), None, mesh, loss)
    whitener = _whitener(network, source, jax.random.fold_in(key, rounds + 1))
    carry, history = (parameters, optimiser.init(parameters)), []
    for number in range(rounds):
        carry, last = _round(program, source, whitener, carry, jax.random.fold_in(key, number))
        history.append(last)
        if number == rounds - 1 or (number + 1) % -(-rounds // _REPORTS) == 0:
            _check_loss(history, number)
            if progress is not None:
                progress((number + 1) * _STEPS, np.asarray([last]))
    trained = eqx.combine(carry[0], skeleton)
    right = _calibrated(trained, source, whitener, jax.random.fold_in(key, rounds))
    model = Reconstructor(trained, ObservationMask(source.masks[0]), source.standardizer, source.masks, right, whitener)
    train_loss = np.asarray(jnp.stack(history))
    nothing = np.full_like(train_loss, np.nan)
    return Fit(model, train_loss, nothing, None, None, EndlessSettings(rounds * _STEPS, int(batch_size)))


@eqx.filter_jit
def _round(
    program: Program, source: EndlessRecordings, whitener: Whitener | None, carry: tuple[Any, Any], key: PRNGKeyArray
) -> tuple[tuple[Any, Any], Float[Array, ""]]:
    """New columns, and some steps on them."""
    draw_key, step_key = jax.random.split(key)
    instants = _drawn(program.skeleton, source, whitener, draw_key)
    weights = loss_weights("all", ObservationMask(source.masks[0]))
    data = Data(instants, instants, jnp.asarray(source.masks[0]), weights, source.standardizer)

    def step(carry, key):
        rows_key, loss_key = jax.random.split(key)
        picked = jax.random.randint(rows_key, (program.batch_size,), 0, len(instants.rows))
        return train_step(program, carry, data, picked, loss_key)

    carry, losses = jax.lax.scan(step, carry, jax.random.split(step_key, _STEPS))
    return carry, jnp.mean(losses)


def _calibrated(
    network: Autoencoder | WindowedAutoencoder,
    source: EndlessRecordings,
    whitener: Whitener | None,
    key: PRNGKeyArray,
) -> Calibration | None:
    """What puts the network's standard deviations right on recordings from the source."""
    if not (isinstance(network, WindowedAutoencoder) and network.variational):
        return None

    def of_kind(mask: Bool[np.ndarray, "7"], key: PRNGKeyArray) -> Calibration:
        recorded = dataclasses.replace(source, masks=mask[None])
        keys = jax.random.split(key, -(-_CALIBRATION_DRAWS // len(source.masks)))
        told = [_told(network, recorded, whitener, key) for key in keys]
        return calibration(*(jnp.concatenate(values) for values in zip(*told, strict=True)))

    kinds = [
        of_kind(mask, key) for mask, key in zip(source.masks, jax.random.split(key, len(source.masks)), strict=True)
    ]
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *kinds)


@eqx.filter_jit
def _told(
    network: WindowedAutoencoder, source: EndlessRecordings, whitener: Whitener | None, key: PRNGKeyArray
) -> tuple[Float[Array, "instant 6"], Float[Array, "instant 6"]]:
    """Standard deviations that a network tells at some instants of new columns, and how far off its means are."""
    draw_key, picked_key = jax.random.split(key)
    instants = _drawn(network, source, whitener, draw_key)
    recording = instants.recording
    assert isinstance(recording, Surroundings)
    picked = jax.random.randint(picked_key, (_CALIBRATION_INSTANTS,), 0, len(instants.rows))

    def of(rows):
        states = jax.vmap(lambda view: network.likelihood(network.encode(view)))(recording.at(rows))
        return states.mean, states.std

    mean, std = jax.lax.map(of, instants.rows[picked].reshape(-1, _AT_ONCE))
    return std.reshape(-1, 6), instants.truth[picked, :6] - mean.reshape(-1, 6)


def _drawn(network: Any, source: EndlessRecordings, whitener: Whitener | None, key: PRNGKeyArray) -> Examples:
    """Instants of new columns."""
    window = getattr(network, "window", None)
    drawn = source.draw(_COLUMNS, _samples(window), key=key)
    return examples(drawn.channels, drawn.seen, drawn.truth, window, whitener)


def _whitener(network: Any, source: EndlessRecordings, key: PRNGKeyArray) -> Whitener | None:
    """That of new columns, without sensor noise."""
    window = getattr(network, "window", None)
    if window is None:
        return None
    draw = eqx.filter_jit(lambda source, key: source.draw(_COLUMNS, _samples(window), key=key).truth)
    return Whitener.fitted_to(window, np.asarray(draw(source, key)))


def _samples(window: Window | None) -> int:
    return _SAMPLES + (0 if window is None else window.past + window.future)


def _default_optimiser(steps: int) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(0.0, _LEARNING_RATE, min(_WARM_UP, steps // 2), steps)
    return optax.adam(schedule)


def _check_inputs(
    network: Autoencoder | WindowedAutoencoder, source: EndlessRecordings, loss: UnlabelledLoss | None
) -> None:
    shown = ObservationMask(np.any(source.masks, axis=0)).names
    read = network.settings["inputs"]
    if not set(shown) <= set(read):
        raise ValueError(f"`network` must read what `source` shows, {', '.join(shown)}, got {', '.join(read)}")
    if isinstance(network, WindowedAutoencoder):
        check_sampling(source.dt, network.window.dt)
    elif len(source.masks) > 1 or source.gaps:
        raise ValueError("`network` must have a window to be trained on several kinds of recordings, or with gaps")
    if loss is not None:
        _check_unlabelled(network, source, loss)


def _check_unlabelled(
    network: Autoencoder | WindowedAutoencoder, source: EndlessRecordings, loss: UnlabelledLoss
) -> None:
    if not isinstance(network, WindowedAutoencoder) or network.variational:
        raise ValueError("`network` must have a window and not be variational to be trained without labels")
    dt, noise = loss.sampling
    if abs(dt - source.dt) > 1e-6 * source.dt:
        raise ValueError(f"`loss` must be for the {source.dt:g} s between samples of `source`, got {dt:g} s")
    if source.noise != (noise, noise):
        own = " to ".join(f"{level:g}" for level in dict.fromkeys(source.noise))
        raise ValueError(f"`loss` must be for the noise of `source`, {own}, got {noise:g}")


def _check_loss(history: list[Array], number: int) -> None:
    if not np.isfinite(history[-1]):
        raise RuntimeError(
            f"`fit_endless`: the loss became non-finite within {(number + 1) * _STEPS} steps; lower the learning rate"
        )
