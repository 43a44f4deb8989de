# %% [markdown]
"""
# A scan of two parameters

What does the noisy column do for each number of synapses C and each mean input p? A scan simulates all of
them at once and keeps summaries instead of signals, so that a million columns fit in memory. One of the
summaries is made here.

`python examples/parameter_scan.py [figure.png]`
"""

# %%
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jrae_jax as jrae

# %% [markdown]
# A summary is fed with blocks of samples as the simulation goes on, and holds no more than it needs for its
# result: here one count for each column. `variables` says what comes out, and in which unit (`"1"` for a
# plain number).


# %%
class TimeAbove(jrae.scan.AbstractSummary):
    """The fraction of time that `y1 - y2` spends above a threshold."""

    threshold: float = eqx.field(static=True)
    """mV"""

    @property
    def channels(self):
        """What it is made of."""
        return ("eeg",)

    def blocks(self, dt):
        """All samples, in blocks of any length."""
        return jrae.scan.Blocks()

    def variables(self, info):
        """One number a column."""
        return {"time_above": jrae.scan.Variable("1", f"fraction of time above {self.threshold} mV")}

    def init(self, info):
        """Samples above so far."""
        return jnp.zeros(info.batch)

    def update(self, info, state, samples):
        """`samples` are time, channels, columns."""
        return state + jnp.sum(samples[:, 0] > self.threshold, axis=0, dtype=state.dtype)

    def result(self, info, state):
        """As described."""
        return {"time_above": state / info.samples}


# %% [markdown]
# White noise around the mean p drives the columns. Each point is simulated with several noises, so that
# chance can be told from effect. The result is an `xarray.Dataset` with names and units; `store="scan.zarr"`
# would put it on disk, where a scan that was interrupted resumes.


# %%
def main(
    path: str = "parameter_scan.png",
    *,
    points: int = 24,
    repeats: int = 4,
    duration: float = 10.0,
    burn_in: float = 1.0,
    seed: int = 0,
) -> None:
    """Scan `points` times `points` columns, each with `repeats` noises, and draw the maps."""
    # sigma = 2000 mV s^-3/2 on y4
    column = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(220.0, 2000 / 325))
    solver = jrae.column.StrangSplitting()
    scan = jrae.parameter_scan(
        column,
        {"C": np.linspace(68.0, 270.0, points), "p": np.linspace(50.0, 350.0, points)},
        repeats=repeats,
        t1=duration,
        dt=jrae.suggest_dt(column, 0.01, solver=solver),
        solver=solver,
        burn_in=burn_in,
        summaries=(*jrae.scan.DEFAULT_SUMMARIES, TimeAbove(10.0)),
        key=jax.random.key(seed),
    )
    alpha = scan.band_power.sel(band="alpha").mean("repeat")
    best = alpha.where(alpha == alpha.max(), drop=True)
    print(f"most alpha power, {best.item():.1f} mV², at C = {best.C.item():.0f}, p = {best.p.item():.0f} /s")
    print(f"above 10 mV for {scan.time_above.mean().item():.0%} of the time, over all points")
    jrae.plot.scan(scan).savefig(path)
    print(f"{scan.attrs['points']} columns; wrote {path}")


# %%
if __name__ == "__main__":
    main(*sys.argv[1:2])
