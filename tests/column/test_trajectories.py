"""Trajectories: their times, parts, names and units."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import Column, ConstantInput, Trajectories, simulate

YS = np.arange(2 * 5 * 6, dtype=np.float32).reshape(2, 5, 6) ** 2


@pytest.fixture
def batch():
    return Trajectories(jnp.asarray(YS), dt=0.05, every=2, t0=0.1)


def test_times_are_counted_from_the_first_sample(batch):
    assert batch.ts.dtype == np.float64
    np.testing.assert_allclose(batch.ts, [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-15)
    assert batch.interval == 0.1


@pytest.mark.parametrize("t0", [8388.0, 20_000.0, 1e5])
def test_times_are_even_in_double_precision_however_late(t0):
    """Where a float32 counts in steps of 1 to 8 ms."""
    trajectory = Trajectories(jnp.zeros((1000, 6)), dt=1e-3, t0=t0)
    np.testing.assert_allclose(np.diff(trajectory.ts), 1e-3, rtol=0, atol=2 * np.spacing(t0))
    np.testing.assert_array_equal(trajectory.to_dataset().time, trajectory.ts)


def test_given_times_are_stored(batch):
    assert batch.times is None
    given = Trajectories(jnp.asarray(YS), dt=0.05, times=(0.0, 0.1, 0.15, 0.2, 0.7))
    np.testing.assert_array_equal(given.ts, [0.0, 0.1, 0.15, 0.2, 0.7])


def test_parts_of_a_batch(batch):
    results = [diffrax.RESULTS.successful, diffrax.RESULTS.nonfinite]
    result = jax.tree.map(lambda *codes: jnp.stack(codes), *results)
    batch = Trajectories(batch.ys, result, dt=0.05, every=2, t0=0.1)
    assert len(batch) == 2
    for index in (1, -1):
        np.testing.assert_array_equal(batch[index].ys, YS[1])
        np.testing.assert_array_equal(batch[index].ts, batch.ts)
        assert batch[index].result == diffrax.RESULTS.nonfinite
    assert batch[0].result == diffrax.RESULTS.successful
    assert batch[:1].ys.shape == (1, 5, 6)
    assert [each.ys.shape for each in batch] == [(5, 6)] * 2
    with pytest.raises(IndexError):
        batch[2]
    with pytest.raises(TypeError, match="a single trajectory has no length"):
        len(batch[0])


def test_a_batch_becomes_named_states_over_column_and_time(batch):
    dataset = batch.to_dataset()
    assert list(dataset.data_vars) == ["y0", "y1", "y2", "y3", "y4", "y5", "eeg"]
    for i in range(6):
        assert dataset[f"y{i}"].dims == ("column", "time")
        np.testing.assert_array_equal(dataset[f"y{i}"], YS[..., i])
    for eeg in (dataset.eeg, batch.eeg):
        np.testing.assert_array_equal(eeg, YS[..., 1] - YS[..., 2])
    np.testing.assert_array_equal(dataset.time, batch.ts)


def test_units_and_names(batch):
    dataset = batch.to_dataset()
    units = {str(name): values.attrs["units"] for name, values in dataset.variables.items()}
    assert units == dict.fromkeys(("y0", "y1", "y2", "eeg"), "mV") | dict.fromkeys(("y3", "y4", "y5"), "mV/s") | {
        "time": "s"
    }
    assert dataset.eeg.attrs["long_name"] == "y1 - y2"
    assert len({values.attrs["long_name"] for values in dataset.data_vars.values()}) == 7


def test_a_single_trajectory_has_no_column_axis(batch):
    dataset = batch[1].to_dataset()
    assert dataset.y4.dims == ("time",)
    np.testing.assert_array_equal(dataset.y4, YS[1, :, 4])


def test_what_simulate_returns_can_be_selected_by_time():
    columns = Column.preset("jansen_rit_1995", ConstantInput(220)).replace(C=[120, 135])
    found = simulate(columns, t1=0.05, dt=1e-3)
    dataset = found.to_dataset()
    assert dict(dataset.sizes) == {"column": 2, "time": 50}
    np.testing.assert_array_equal(dataset.y1.sel(time=0.02, method="nearest"), found.ys[:, 19, 1])


def test_repr_has_sizes_and_times(batch):
    assert repr(batch) == "Trajectories(2 x 5 samples of 6 states, 0.1 to 0.5 s)"
    assert repr(batch[0]) == "Trajectories(5 samples of 6 states, 0.1 to 0.5 s)"


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((6,), {}, r"`ys` must have shape \(time, 6\) or \(batch, time, 6\), got \(6,\)"),
        ((6, 5), {}, r"`ys` must have shape \(time, 6\) .*, got \(6, 5\): states come last, np.swapaxes"),
        ((1, 2, 3, 6), {}, r"`ys` must have shape \(time, 6\) .*, got \(1, 2, 3, 6\)"),
        ((5, 6), {"dt": 0.0}, "`dt` must be positive, got 0.0"),
        ((5, 6), {"every": 0}, "`every` must be a whole number of at least 1, got 0"),
        ((5, 6), {"t0": np.inf}, "`t0` must be finite, got inf"),
        ((5, 6), {"times": (0.0, 1.0)}, "`times` must be one for each of 5 samples, got shape \\(2,\\)"),
    ],
)
def test_invalid_arguments_are_refused(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        Trajectories(jnp.zeros(shape), **{"dt": 1e-3, **arguments})
