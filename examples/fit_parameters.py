"""Parameters of a column from its EEG: from a trace whose input is known, and from a spectrum under unknown noise.

python examples/fit_parameters.py [figure.png]
"""

import sys

import jax
from matplotlib.figure import Figure

import jrae_jax as jrae

TRUE = {"A": 3.6, "B": 20.0, "C": 150.0}
BOUNDS = {"A": (2.3, 4.2), "B": (15.4, 28.6), "C": (94.5, 175.5)}  # 30 % to either side of the standard values


def main(
    path: str = "fit_parameters.png", *, duration: float = 60.0, starts: int = 8, bounds=BOUNDS, seed: int = 0
) -> None:
    """Simulate two recordings of one column, fit both, and draw recordings and fits."""
    input_key, trace_key, spectrum_key = jax.random.split(jax.random.key(seed), 3)

    known = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))
    trajectory = jrae.simulate(known.replace(**TRUE), t1=4.0, dt=1e-3)
    trace = jrae.fit_parameters(
        known,
        jrae.observe(trajectory, observed="eeg"),
        bounds=bounds,
        method=jrae.inference.MatchTrace(starts=4 * starts),
        key=trace_key,
    )

    noisy = known.replace(input=jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    trajectory = jrae.simulate(noisy.replace(**TRUE), t1=1.0 + duration, dt=1e-3, burn_in=1.0, key=input_key)
    spectrum = jrae.fit_parameters(
        noisy,
        jrae.observe(trajectory, observed="eeg"),
        bounds=bounds,
        method=jrae.inference.MatchSpectrum(starts=starts),
        key=spectrum_key,
    )

    figure = Figure(figsize=(8, 7), layout="constrained")
    axes = figure.subplots(2, 1)
    titles = ("4 s, input known", f"{duration:g} s under unknown noise")
    for ax, fit, title in zip(axes, (trace, spectrum), titles, strict=True):
        print(f"{title}\n{fit}\n")
        ax.plot(fit.axis, fit.recorded, color="#333333", lw=1.2, label="recorded")
        ax.plot(fit.axis, fit.simulated, color="#2a6f97", lw=1.2, ls="--", label="column found")
        found = zip(fit.names, fit.values, fit.std, strict=True)
        values = ", ".join(f"{name} = {value:.4g} ± {std:.1g} ({TRUE[name]:g})" for name, value, std in found)
        ax.set_title(f"{title}: {values}", loc="left", fontsize=9)
        ax.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
        ax.margins(y=0.15)
    axes[0].set(xlabel="time (s)", ylabel="y1 - y2 (mV)")
    axes[1].set(xlabel="frequency (Hz)", ylabel="power (mV²/Hz)", yscale="log")
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
