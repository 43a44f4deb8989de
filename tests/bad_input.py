"""What no verb takes, by the kind of argument, and whether it is refused in one line that names the argument."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jrae_jax as jrae

TRACED = object()
RAGGED = [[1.0], [1.0, 2.0]]
# What is refused, whatever the verb, where an argument is ...
NUMBER = ("text", [1.0, 2.0], np.ones(3), RAGGED, 1j, {"C": 1}, int, TRACED)
ARRAY = ("text", RAGGED, 1j, {"C": 1}, int, np.array(["a"] * 6))
STATIC_ARRAY = (*ARRAY, TRACED)
COUNT = ("text", 0.5, -1, True, np.ones((2, 2)), [1], TRACED)
SIZE = (*COUNT, 10**12)  # of what fits into no memory
NAME = (0, 1.5, np.ones(3), {}, ["y9"])
NAMES = ("text", 0, 1.5, np.ones((2, 2)), [0], int)
KEY = (None, 0, "text", [0, 1], np.ones(2, np.uint32), jax.random.split(jax.random.key(0)))
FLAG = ("text", None, 1, np.ones(3), TRACED)
RECORD = ("text", 0, np.ones(3), ["C"], {"C": 1}, int)
PATH = (0, 1.5, ["x"], np.ones(3))
PROGRESS = ("text", 0, [1])


class Verb(NamedTuple):
    call: Any
    good: dict[str, Any]
    """Arguments that can be taken."""
    wrong: dict[str, tuple[Any, ...]]
    """What cannot, by argument."""


QUIET = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))
NOISY = QUIET.replace(input=jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
K = jax.random.key(0)
YS = np.random.default_rng(0).normal(size=(3, 400, 6))
TRAJECTORIES = jrae.Trajectories(jnp.asarray(YS, float), dt=1e-3)
V = YS[0, :, 1]
RECORDING = jrae.Recording.of(eeg=V, dt=1e-3, noise_std=0.1)
POINTS = np.stack([np.sin(np.arange(600) / 7.3), np.cos(np.arange(600) / 5.1)], axis=1)


def attempt(verb: Verb, argument: str, value: Any):
    """Call a verb with one argument that it does not take."""
    if value is not TRACED:
        return verb.call(**verb.good | {argument: value})
    return jax.jit(lambda traced: verb.call(**verb.good | {argument: traced}) and None)(jnp.ones(()))


def unclear(verb: Verb) -> list[str]:
    """What is taken, or refused without one line that begins with the argument."""
    found = []
    for argument, values in verb.wrong.items():
        for value in values:
            try:
                attempt(verb, argument, value)
            except Exception as error:
                message = str(error)
                clear = isinstance(error, ValueError) and message.startswith(f"`{argument}")
                if not clear or "\n" in message or len(message) > 400:
                    found.append(f"{argument}={value!r:.30}: {type(error).__name__}: {message:.120}")
            else:
                found.append(f"{argument}={value!r:.30}: taken")
    return found
