"""Parameters of the Jansen-Rit model, and the published sets of them."""

import warnings
from types import MappingProxyType
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_quantity, check_choice, check_finite, check_positive, is_concrete
from .quantities import described, unit


class JansenRitParameters(eqx.Module):
    """Parameters of one Jansen-Rit column, or of a batch of columns.

    Units are **seconds and millivolts**. The Virtual Brain and the packages that follow it count in
    *milliseconds* (`a = 0.1 /ms`, `nu_max = 0.0025 /ms`, `mu = 0.22 /ms`) and put the firing threshold at
    `v0 = 5.52 mV`, where the same column is a theta and not an alpha oscillator. Never mix the two: load
    theirs with `JansenRitParameters.preset("tvb")`, which converts.

    Every field is an array leaf of shape `()`, or `(batch,)` to give each column of a batch its own value;
    so every field can be scanned with `jax.vmap`, differentiated, and changed without a recompile: by
    `column.replace(C=200.0)`.

    Source of the standard values: Jansen and Rit (1995), doi 10.1007/BF00199471.

    Warns of values that are hardly in these units, but as they would be in 1/ms or volts.

    **Raises:** `ValueError` if a value is not finite, or if `a` or `b` is not positive.
    """

    A: Float[Array, "*batch"] = eqx.field(default=3.25, converter=as_quantity, metadata=unit("mV"))
    """Maximum amplitude of the excitatory postsynaptic potential, mV."""
    B: Float[Array, "*batch"] = eqx.field(default=22.0, converter=as_quantity, metadata=unit("mV"))
    """Maximum amplitude of the inhibitory postsynaptic potential, mV."""
    a: Float[Array, "*batch"] = eqx.field(default=100.0, converter=as_quantity, metadata=unit("1/s"))
    """Rate constant of the excitatory synapses (inverse of membrane and dendritic delay), 1/s."""
    b: Float[Array, "*batch"] = eqx.field(default=50.0, converter=as_quantity, metadata=unit("1/s"))
    """Rate constant of the inhibitory synapses, 1/s."""
    e0: Float[Array, "*batch"] = eqx.field(default=2.5, converter=as_quantity, metadata=unit("1/s"))
    """Half of the maximum firing rate of a population, 1/s."""
    v0: Float[Array, "*batch"] = eqx.field(default=6.0, converter=as_quantity, metadata=unit("mV"))
    """Potential at which half of the maximum firing rate is reached, mV."""
    r: Float[Array, "*batch"] = eqx.field(default=0.56, converter=as_quantity, metadata=unit("1/mV"))
    """Steepness of the sigmoid, 1/mV."""
    C: Float[Array, "*batch"] = eqx.field(default=135.0, converter=as_quantity, metadata=unit("1"))
    """Average number of synapses between the populations; scales the four connections below."""
    alpha1: Float[Array, "*batch"] = eqx.field(default=1.0, converter=as_quantity, metadata=unit("1"))
    """Pyramidal to excitatory synapses as a fraction of `C`."""
    alpha2: Float[Array, "*batch"] = eqx.field(default=0.8, converter=as_quantity, metadata=unit("1"))
    """Excitatory to pyramidal synapses as a fraction of `C`."""
    alpha3: Float[Array, "*batch"] = eqx.field(default=0.25, converter=as_quantity, metadata=unit("1"))
    """Pyramidal to inhibitory synapses as a fraction of `C`."""
    alpha4: Float[Array, "*batch"] = eqx.field(default=0.25, converter=as_quantity, metadata=unit("1"))
    """Inhibitory to pyramidal synapses as a fraction of `C`."""

    def __check_init__(self):
        check_finite(**vars(self))
        check_positive(a=self.a, b=self.b)
        _warn_of_units(self)

    def __repr__(self) -> str:
        return described(self)

    @property
    def C1(self) -> Array:
        """Synapses from pyramidal cells to excitatory interneurons."""
        return self.alpha1 * self.C

    @property
    def C2(self) -> Array:
        """Synapses from excitatory interneurons to pyramidal cells."""
        return self.alpha2 * self.C

    @property
    def C3(self) -> Array:
        """Synapses from pyramidal cells to inhibitory interneurons."""
        return self.alpha3 * self.C

    @property
    def C4(self) -> Array:
        """Synapses from inhibitory interneurons to pyramidal cells."""
        return self.alpha4 * self.C

    @classmethod
    def preset(cls, name: str) -> "JansenRitParameters":
        """A published parameter set, converted to seconds and millivolts.

        **Arguments:**

        - `name`: one of
            - `"jansen_rit_1995"`: Jansen and Rit (1995), doi 10.1007/BF00199471, the alpha oscillator;
            - `"tvb"`: defaults of The Virtual Brain's `JansenRit` (Sanz Leon et al. 2013,
              doi 10.3389/fninf.2013.00010), given there in milliseconds, with `v0 = 5.52 mV`;
            - `"hnpe"`: the simulator of the HNPE inference task (Rodrigues et al. 2021, arXiv:2102.06477, after
              Ableidinger et al. 2017, doi 10.1186/s13408-017-0046-4). The values are those of 1995, written
              there with `vmax = 2 e0 = 5 /s`; what differs is the input, `mu = 220 /s` and white noise.

        **Returns:** the parameters of one column.

        **Raises:** `ValueError` for a name that is not in the list.
        """
        check_choice(tuple(_PRESETS), name=name)
        return cls(**_PRESETS[name])


class _OtherUnit(NamedTuple):
    symbol: str
    factor: float
    """By which a value in it is multiplied to be in ours."""
    least: float
    most: float
    """Twice as far as values are varied in the literature, in that unit."""


_PER_MILLISECOND = 1000.0  # 1/ms in 1/s

# In The Virtual Brain's ranges a is 50 to 150 /s, b 25 to 75 /s, e0 1.25 to 3.75 /s, A 2.6 to 9.75 mV, B 17.6 to
# 110 mV, v0 3.12 to 6 mV and r 0.28 to 0.84 /mV. What is legal and near none of them is nobody's mistake.
_OTHER_UNITS = MappingProxyType(
    {
        "a": _OtherUnit("1/ms", _PER_MILLISECOND, 0.025, 0.3),
        "b": _OtherUnit("1/ms", _PER_MILLISECOND, 0.0125, 0.15),
        "e0": _OtherUnit("1/ms", _PER_MILLISECOND, 6e-4, 7.5e-3),
        "A": _OtherUnit("V", 1000.0, 1.3e-3, 0.02),
        "B": _OtherUnit("V", 1000.0, 9e-3, 0.22),
        "v0": _OtherUnit("V", 1000.0, 1.5e-3, 0.012),
        "r": _OtherUnit("1/V", 1e-3, 140.0, 1700.0),
    }
)


def _warn_of_units(parameters: JansenRitParameters) -> None:
    for name, other in _OTHER_UNITS.items():
        value = getattr(parameters, name)
        if is_concrete(value):
            values = np.asarray(value)
            if values.size and np.all((other.least <= values) & (values <= other.most)):
                ours, some = JansenRitParameters.__dataclass_fields__[name].metadata["unit"], values.flat[0]
                warnings.warn(
                    f"`{name}` = {some:.4g} {ours} is as if it were in {other.symbol}: that would be "
                    f"{some * other.factor:.4g} {ours}",
                    stacklevel=3,
                )


_PRESETS = MappingProxyType(
    {
        "jansen_rit_1995": dict(A=3.25, B=22.0, a=100.0, b=50.0, e0=2.5, v0=6.0, r=0.56, C=135.0),
        "tvb": dict(
            A=3.25,
            B=22.0,
            a=0.1 * _PER_MILLISECOND,
            b=0.05 * _PER_MILLISECOND,
            e0=0.0025 * _PER_MILLISECOND,
            v0=5.52,
            r=0.56,
            C=135.0,
        ),
        "hnpe": dict(A=3.25, B=22.0, a=100.0, b=50.0, e0=5.0 / 2, v0=6.0, r=0.56, C=135.0),
    }
)

PRESETS = tuple(_PRESETS)
"""Names that `JansenRitParameters.preset` knows."""
