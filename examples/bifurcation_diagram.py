# %% [markdown]
"""
# Where rest and rhythms begin and end

A bifurcation diagram shows all that a column can do as one quantity changes: at which it rests, and between
which values it swings. What is stable is drawn in full lines: that is where the column goes. What is not is
drawn in broken ones: it divides the states that lead to one behaviour from those that lead to another.

`python examples/bifurcation_diagram.py [figure.png]`
"""

# %%
import sys

import jax

import jrae_jax as jrae

# %% [markdown]
# The constant input `p` changes from -60 to 400 spikes a second. In the standard column, rest at low `p` ends
# in a saddle-node at 113.6 /s, where slow spikes begin; the alpha rhythm lives between two Hopf points at
# 89.8 and 315.7 /s. Between 113.6 and 137.4 /s both rhythms are stable, and the past decides which one there
# is.
#
# Other columns differ: `changed={"b": 45.0}` has inhibition that is a tenth slower.
#
# Nothing is simulated. Equilibria are followed in closed form and cycles by Newton's method, which near folds
# needs double precision.


# %%
def main(
    path: str = "bifurcation_diagram.png",
    *,
    changed: dict[str, float] | None = None,
    low: float = -60.0,
    high: float = 400.0,
) -> None:
    """Find all equilibria, cycles and bifurcations along p, print and draw them."""
    with jax.enable_x64(True):
        column = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0)).replace(**(changed or {}))
        diagram = jrae.dynamics.bifurcation_diagram(column, low=low, high=high)
        print(diagram)
        jrae.plot.bifurcation_diagram(diagram).savefig(path)
    print(f"wrote {path}")


# %%
if __name__ == "__main__":
    main(*sys.argv[1:2])
