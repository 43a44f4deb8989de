# %% [markdown]
"""
# Parameters of a column from its EEG

Which gains A and B and how many synapses C does the column have that made a recording? Here the truth is
known, so that what is found can be compared with it. First the input of the column is known, and its trace is
followed; then it is unknown noise, and only the spectrum can be matched.

`python examples/fit_parameters.py [figure.png]`
"""

# %%
import sys

import jax
from matplotlib.figure import Figure

import jrae_jax as jrae

TRUE = {"A": 3.6, "B": 20.0, "C": 150.0}
BOUNDS = {"A": (2.3, 4.2), "B": (15.4, 28.6), "C": (94.5, 175.5)}  # 30 % to either side of the standard values

# %% [markdown]
# `observe` makes a recording of what an electrode sees, `y1 - y2`. `fit_parameters` searches from several
# starts, each by least squares with exact gradients, and says how far the values can be trusted: the standard
# deviation after the sign ± comes from how sharply the recording depends on each parameter.


# %%
def fit(column: jrae.Column, t1: float, burn_in: float, method, bounds, key) -> jrae.inference.ParameterFit:
    """Record a column that has the true parameters, and find them with those of `column` for a start."""
    input_key, fit_key = jax.random.split(key)
    trajectory = jrae.simulate(column.replace(**TRUE), t1=t1, dt=1e-3, burn_in=burn_in, key=input_key)
    recording = jrae.observe(trajectory, observed="eeg")
    return jrae.fit_parameters(column, recording, bounds=bounds, method=method, key=fit_key)


@jrae.plot.styled
def draw(trace: jrae.inference.ParameterFit, spectrum: jrae.inference.ParameterFit) -> Figure:
    """Each recording with that of the column found; `jrae.plot.fit` draws one of them."""
    figure = jrae.plot.StyledFigure(figsize=(7.0, 5.6), layout="constrained")
    axes = figure.subplots(2, 1)
    for ax, found in zip(axes, (trace, spectrum), strict=True):
        ax.plot(found.axis, found.recorded, color="black", label="recorded")
        ax.plot(found.axis, found.simulated, ls="--", label="column found")
        values = zip(found.names, found.values, found.std, strict=True)
        ax.set_title(",  ".join(f"{n} = {value:.4g} ± {std:.1g} (true {TRUE[n]:g})" for n, value, std in values))
        ax.legend(loc="upper right", ncols=2)
        ax.margins(y=0.15)
    axes[0].set(xlabel="time (s)", ylabel="y1 - y2 (mV)")
    axes[1].set(xlabel="frequency (Hz)", ylabel="power (mV²/Hz)", yscale="log")
    return figure


# %% [markdown]
# A trace of four seconds gives the parameters to three digits, if the input is known. From half a minute
# under unknown noise they are known to some percent, and not independently: `found.correlation` says which
# combinations are known well.


# %%
def main(
    path: str = "fit_parameters.png", *, duration: float = 30.0, starts: int = 4, bounds=BOUNDS, seed: int = 0
) -> None:
    """Fit a trace and a spectrum, and draw recordings and fits."""
    trace_key, spectrum_key = jax.random.split(jax.random.key(seed))
    known = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))
    noisy = known.replace(input=jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    trace = fit(known, 4.0, 0.0, jrae.inference.MatchTrace(starts=4 * starts), bounds, trace_key)
    spectrum = fit(noisy, 1.0 + duration, 1.0, jrae.inference.MatchSpectrum(starts=starts), bounds, spectrum_key)
    for title, found in (("trace, input known", trace), ("spectrum, input unknown", spectrum)):
        print(f"{title}\n{found}\n")
    draw(trace, spectrum).savefig(path)
    print(f"wrote {path}")


# %%
if __name__ == "__main__":
    main(*sys.argv[1:2])
