"""How large a latent must be: recovery against its size, of networks that see a window of the recording."""

from collections.abc import Sequence
from types import MappingProxyType

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from .._checks import check_count
from .._progress import Progress
from ..autoencoder.fit_endless import fit_endless
from ..autoencoder.window import Window
from ..autoencoder.windowed import WindowedAutoencoder
from ..column.inputs import UniformNoiseInput
from ..column.parameters import JansenRitParameters
from ..column.simulate import simulate
from ..recording.dataset import make_dataset
from ..recording.mask import FULL, PYRAMIDAL, ObservationMask
from ..recording.simulated import endless_recordings
from .evaluate import evaluate

SEEN = MappingProxyType({"full": FULL, "pyramidal": PYRAMIDAL})
"""What the networks see: all six states, or the pyramidal potential alone."""

SENSOR_NOISE = 0.05
_ALIKE = 0.01  # in r
_DT, _MEMORY, _WIDTHS = 1e-3, 0.16, (128, 64)
_HELD_OUT, _SECONDS, _BURN_IN = 4, 10.0, 1.0


class LatentSizes(eqx.Module):
    """Held-out recovery against the size of the latent."""

    sizes: tuple[int, ...] = eqx.field(static=True)
    r: dict[str, Float[np.ndarray, "size 6"]]
    """By what is seen, Pearson's r of each state."""

    def enough(self, seen: str) -> int:
        """The least size with which every state comes back as well as with any other, to 0.01."""
        r = self.r[seen]
        return self.sizes[int(np.argmax(np.all(r > r.max(axis=0) - _ALIKE, axis=1)))]


def compare_latent_sizes(
    sizes: Sequence[int] = range(1, 9),
    *,
    steps: int = 1000,
    key: PRNGKeyArray,
    progress: Progress | None = None,
) -> LatentSizes:
    """Train a network for each latent size and way of seeing the column, and score it on held-out trajectories.

    Windows reach 0.16 s to either side, sensor noise is 5 %; all networks are trained on the same endless recordings.

    **Arguments:**

    - `sizes`: latent sizes k.
    - `steps`: of the optimiser, for each network.
    - `key`: for recordings and networks.
    - `progress`: called with what is being done and the share of the whole that is done.

    **Raises:** `ValueError` for numbers below 1.
    """
    sizes = tuple(int(size) for size in sizes)
    check_count(1, steps=steps, sizes=min(sizes, default=0))
    found: dict[str, list[np.ndarray]] = {name: [] for name in SEEN}
    for number, (name, mask) in enumerate(SEEN.items()):
        for index, size in enumerate(sizes):
            if progress is not None:
                done = (number + index / len(sizes)) / len(SEEN)
                progress(f"Latent of {size}, seen: {name}", done)
            found[name].append(_recovery(mask, size, steps, key))
    return LatentSizes(sizes, {name: np.stack(rows) for name, rows in found.items()})


def _recovery(mask: ObservationMask, latent_size: int, steps: int, key: PRNGKeyArray) -> Float[np.ndarray, "6"]:
    source_key, network_key, training_key, held_out_key, noise_key = jax.random.split(key, 5)
    parameters, input = JansenRitParameters.preset("jansen_rit_1995"), UniformNoiseInput(120.0, 320.0, hold=_DT)
    source = endless_recordings(parameters, input, observed=[mask], noise=SENSOR_NOISE, dt=_DT, key=source_key)
    network = WindowedAutoencoder(
        window=Window(past=_MEMORY, future=_MEMORY, dt=_DT),
        latent_size=latent_size,
        widths=_WIDTHS,
        inputs=mask.names,
        key=network_key,
    )
    model = fit_endless(network, source, steps=steps, key=training_key).model
    t1, batch = _BURN_IN + _SECONDS, _HELD_OUT + 1
    recordings = simulate(parameters, input, t1=t1, dt=_DT, burn_in=_BURN_IN, batch=batch, key=held_out_key)
    held_out = make_dataset(recordings, observed=mask, held_out=_HELD_OUT, noise=SENSOR_NOISE, key=noise_key)
    return evaluate(model, held_out).r
