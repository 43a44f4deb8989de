"""How large a latent must be: recovery against its size, of autoencoders with a window."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from .._checks import Progress, check_count, check_key, check_memory, check_progress, check_type, of_numbers
from ..autoencoder.base import zero_padded
from ..autoencoder.train import train_ensemble
from ..autoencoder.windowed import WindowedAutoencoder
from ..column.column import Column
from ..column.inputs import UniformNoiseInput
from ..column.simulate import simulate
from ..column.states import STATES
from ..recording.dataset import make_dataset
from ..recording.evaluate import evaluate
from ..recording.mask import FULL, PYRAMIDAL, ObservationMask
from ..recording.simulated import SimulatedRecordings

if TYPE_CHECKING:
    import pandas as pd

COMPARED = MappingProxyType({"full": FULL, "pyramidal": PYRAMIDAL})
"""What is observed: all six states, or the pyramidal potential alone."""

SENSOR_NOISE = 0.05
_AS_GOOD = 0.01  # in r
_DT, _MEMORY, _WIDTHS = 1e-3, 0.16, (128, 64)
_HELD_OUT, _SECONDS, _BURN_IN = 4, 10.0, 1.0


class LatentSizes(eqx.Module):
    """Held-out recovery against the size of the latent."""

    sizes: tuple[int, ...] = eqx.field(static=True)
    r: dict[str, Float[np.ndarray, "size 6"]]
    """Pearson's r of each state, by what is observed."""

    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each kind of recording and size: what is `observed`, `size`, and r of each state."""
        import pandas as pd  # here, as importing it is slow

        parts = [
            pd.DataFrame({"observed": name, "size": self.sizes} | dict(zip(STATES, r.T, strict=True)))
            for name, r in self.r.items()
        ]
        return pd.concat(parts, ignore_index=True)

    @of_numbers
    def __repr__(self) -> str:
        lines = ["LatentSizes(", f"  {'r of':<20}" + "".join(f"{state:>8}" for state in STATES)]
        for name, r in self.r.items():
            for size, row in zip(self.sizes, np.asarray(r), strict=True):
                lines.append(f"  {name + ', ' + str(size):<20}" + "".join(f"{each:8.3f}" for each in row))
        return "\n".join(lines) + ")"

    def enough(self, observed: str) -> int:
        """The least size with which every state comes back as well as with any other, to 0.01."""
        r = self.r[observed]
        return self.sizes[int(np.argmax(np.all(r > np.nanmax(r, axis=0) - _AS_GOOD, axis=1)))]


def compare_latent_sizes(
    sizes: Sequence[int] = range(1, 9),
    *,
    steps: int = 1024,
    columns: int = 128,
    samples: int = 2048,
    key: PRNGKeyArray,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> LatentSizes:
    """Train an autoencoder for each latent size and kind of recording, and score it on held-out trajectories.

    Windows reach 0.16 s to either side, sensor noise is 5 %; all are trained on the same simulated recordings, those of
    one kind by one program.

    **Arguments:**

    - `sizes`: latent sizes k.
    - `steps`: of the optimiser, for each autoencoder.
    - `columns`, `samples`: of each draw of simulated recordings, as in `SimulatedRecordings`.
    - `key`: for recordings and autoencoders.
    - `checkpoints`: a folder for a file of each training, by which the same call resumes where it was interrupted.
    - `progress`: called with the draws done, how many there are, and the loss.

    **Raises:** `ValueError` for numbers below 1.
    """
    check_type(Sequence, sizes=sizes)
    check_count(1, steps=steps, **{"len(sizes)": len(sizes)})
    check_memory("autoencoders of all sizes", 1000 * len(sizes), sizes=f"{len(sizes)} sizes")
    for size in sizes:
        check_count(1, sizes=size)
    check_memory("weights of its layers", 4 * sum(_WIDTHS) * max(sizes), sizes=max(sizes))
    check_key(key=key)
    check_progress(progress)
    sizes = tuple(map(int, sizes))
    column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=_DT))
    # Every autoencoder has the same key, so that they differ in nothing else than size and recording.
    source_key, autoencoder_key, training_key, held_out_key, noise_key = jax.random.split(key, 5)
    t1, batch = _BURN_IN + _SECONDS, _HELD_OUT + 1
    trajectories = simulate(column, t1=t1, dt=_DT, burn_in=_BURN_IN, batch=batch, key=held_out_key)
    # As many at once as there are devices: more would take gigabytes and no less time.
    groups = [
        sizes[start : start + jax.local_device_count()] for start in range(0, len(sizes), jax.local_device_count())
    ]
    if progress is not None:
        progress(0, 1, "compiling")
    found: dict[str, np.ndarray] = {}
    for number, (name, mask) in enumerate(COMPARED.items()):
        source = SimulatedRecordings(
            column, kinds=[mask], noise=SENSOR_NOISE, dt=_DT, columns=columns, samples=samples, key=source_key
        )
        largest = _autoencoder(max(sizes), mask, autoencoder_key)
        data = make_dataset(trajectories, observed=mask, held_out=_HELD_OUT, noise=SENSOR_NOISE, key=noise_key)
        assert data.held_out is not None
        rows = []
        for place, group in enumerate(groups):
            before, label = number * len(groups) + place, f"{name} observed, {' and '.join(map(str, group))} latents"

            def report(
                done: int | float, total: int | float, message: str, before: int = before, label: str = label
            ) -> None:
                if progress is not None:
                    progress(before * total + done, len(COMPARED) * len(groups) * total, f"{label}: {message}")

            trainings = train_ensemble(
                [zero_padded(_autoencoder(size, mask, autoencoder_key), largest) for size in group],
                source,
                steps=steps,
                keys=jnp.stack([training_key] * len(group)),
                checkpoint=None if checkpoints is None else checkpoints / f"{name}-{'-'.join(map(str, group))}",
                progress=report,
            )
            rows += [evaluate(training.reconstructor(data.held_out.recording), data).r for training in trainings]
        found[name] = np.stack(rows)
    return LatentSizes(sizes, found)


def _autoencoder(latent_size: int, mask: ObservationMask, key: PRNGKeyArray) -> WindowedAutoencoder:
    return WindowedAutoencoder(
        past=_MEMORY,
        future=_MEMORY,
        dt=_DT,
        latent_size=latent_size,
        widths=_WIDTHS,
        inputs=mask.names,
        key=key,
    )
