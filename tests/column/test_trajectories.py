"""Trajectories with names and units."""

import jax.numpy as jnp
import numpy as np

from jrae_jax import ConstantInput, JansenRitParameters, Trajectories, simulate, to_dataset

YS = np.arange(2 * 5 * 6, dtype=np.float32).reshape(2, 5, 6) ** 2
TS = np.linspace(0.1, 0.5, 5, dtype=np.float32)


def test_a_batch_becomes_named_states_over_column_and_time():
    dataset = to_dataset(Trajectories(jnp.asarray(TS), jnp.asarray(YS)))
    assert list(dataset.data_vars) == ["y0", "y1", "y2", "y3", "y4", "y5", "eeg"]
    for i in range(6):
        assert dataset[f"y{i}"].dims == ("column", "time")
        np.testing.assert_array_equal(dataset[f"y{i}"], YS[..., i])
    np.testing.assert_array_equal(dataset.eeg, YS[..., 1] - YS[..., 2])
    np.testing.assert_array_equal(dataset.time, TS)


def test_units_and_names():
    dataset = to_dataset(Trajectories(jnp.asarray(TS), jnp.asarray(YS)))
    units = {str(name): values.attrs["units"] for name, values in dataset.variables.items()}
    assert units == dict.fromkeys(("y0", "y1", "y2", "eeg"), "mV") | dict.fromkeys(("y3", "y4", "y5"), "mV/s") | {
        "time": "s"
    }
    assert dataset.eeg.attrs["long_name"] == "y1 - y2"
    assert len({values.attrs["long_name"] for values in dataset.data_vars.values()}) == 7


def test_a_single_column_has_no_column_axis():
    dataset = to_dataset(Trajectories(jnp.asarray(TS), jnp.asarray(YS[1])))
    assert dataset.y4.dims == ("time",)
    np.testing.assert_array_equal(dataset.y4, YS[1, :, 4])


def test_what_simulate_returns_can_be_selected_by_time():
    found = simulate(JansenRitParameters(C=[120, 135]), ConstantInput(220), t1=0.05, dt=1e-3)
    dataset = to_dataset(found)
    assert dict(dataset.sizes) == {"column": 2, "time": 50}
    np.testing.assert_array_equal(dataset.y1.sel(time=0.02, method="nearest"), found.ys[:, 19, 1])
