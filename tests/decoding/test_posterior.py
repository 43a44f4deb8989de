"""The posterior over columns: its density and draws, what has an influence on it, and how a decoder is kept."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jrae_jax.decoding import FREQUENCIES, STANDARD, ColumnPosterior, load_decoder, save_decoder
from jrae_jax.decoding.posterior import Draws


@pytest.fixture(scope="module")
def condition(decoder):
    """Of 8 windows whose features are 0.3 standard deviations from the mean, in all directions."""
    standardized = 0.3 * jax.random.normal(jax.random.key(1), (8, len(FREQUENCIES) + 10))
    return decoder.posterior.condition(standardized, jnp.full(8, 12.0), jnp.tile(jnp.array([[2.0, 44.0]]), (8, 1)))


def some_keys(seed):
    return jax.random.split(jax.random.key(seed), 8)


def same(*decoders):
    """In all numbers; functions are others after each start."""
    return bool(eqx.tree_equal(*(eqx.filter(decoder, eqx.is_array) for decoder in decoders)))


def test_one_window_has_the_same_draws_alone_and_with_one_key(decoder, condition):
    draws = [decoder.posterior.draw(condition, 64, keys=some_keys(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.any(np.asarray(draws[0] == draws[2]))
    keys = some_keys(0)
    other = decoder.posterior.draw(condition[::-1], 64, keys=keys[::-1])
    np.testing.assert_array_equal(other[::-1], draws[0])


def test_densities_are_those_of_draws(decoder, condition):
    """What was drawn given a window is, on average, less probable given another; by what is the distance of both."""
    own = decoder.posterior.draw(condition, 16, keys=some_keys(0)).reshape(-1, 9)
    given = [decoder.posterior.log_density(own, jnp.repeat(jnp.roll(condition, i, 0), 16, axis=0)) for i in range(3)]
    own, *others = (np.asarray(log_density, float).reshape(8, 16).mean(axis=1) for log_density in given)
    assert (own > others).all()


def test_a_density_is_one_in_all_and_means_are_those_of_draws(decoder, condition):
    small = ColumnPosterior(decoder.posterior.prior, width=4, layers=1, knots=3, key=jax.random.key(5))
    draws = np.asarray(small.draw(condition, 2000, keys=some_keys(0))[0], float)
    mean, std = draws.mean(axis=0), 1.2 * draws.std(axis=0)
    points = mean + std * np.random.default_rng(0).normal(size=(2000, 9))
    log_density = small.log_density(jnp.asarray(points, "float32"), jnp.tile(condition[:1], (2000, 1)))
    weights = np.exp(np.asarray(log_density, float) - stats.norm.logpdf(points, mean, std).sum(axis=1))
    np.testing.assert_allclose(weights.mean(), 1, atol=0.15)
    np.testing.assert_allclose(weights @ points / weights.sum(), mean, atol=0.15)


@pytest.mark.parametrize("band", [(2.0, 45.0), (4.5, 24.0)])
def test_what_is_outside_the_band_has_no_influence(decoder, band):
    posterior, low_high = decoder.posterior, jnp.array([band])
    standardized = jnp.zeros((1, len(FREQUENCIES) + 10))
    known = posterior.condition(standardized, jnp.array([12.0]), low_high)
    for feature, inside in ((0, band[0] < 4), (len(FREQUENCIES) - 1, band[1] > 40), (20, True), (-1, True)):
        other = posterior.condition(standardized.at[0, feature].set(2.0), jnp.array([12.0]), low_high)
        assert bool(np.any(np.asarray(other != known))) == inside, feature


def test_length_and_band_of_a_window_have_an_influence(decoder):
    posterior, zeros = decoder.posterior, jnp.zeros((1, len(FREQUENCIES) + 10))
    about = [
        posterior.condition(zeros, jnp.array([seconds]), jnp.array([[low, high]]))
        for seconds, low, high in ((12.0, 0.0, 60.0), (20.0, 0.0, 60.0), (12.0, 3.0, 60.0), (12.0, 0.0, 30.0))
    ]
    found = posterior.log_density(jnp.zeros((4, 9)), jnp.concatenate(about))
    assert len(set(np.round(np.asarray(found), 3).tolist())) == 4


def test_draws_are_of_the_prior_and_of_the_power_of_the_recording(decoder, condition):
    latent = decoder.posterior.draw(condition, 64, keys=some_keys(0))
    log_std = jnp.linspace(-8, 0, 8)[:, None]
    draws = decoder.posterior.interpret(latent, log_std)
    assert isinstance(draws, Draws)
    for name, quantity in STANDARD.items():
        assert np.all(draws.values[name] >= quantity.low * (1 - 1e-5)), name
        assert np.all(draws.values[name] <= quantity.high * (1 + 1e-5)), name
    model = draws.model
    whole = model.gain * np.sqrt(draws.column_std**2 + model.background_std**2 + model.white_std**2)
    np.testing.assert_allclose(np.log(whole), np.broadcast_to(log_std, whole.shape), atol=1e-4)
    np.testing.assert_allclose(model.background_std, draws.values["background"] * draws.column_std, rtol=1e-5)
    np.testing.assert_allclose(model.white_std, draws.values["white"] * model.background_std, rtol=1e-5)
    # What a recording says of the size of a column is taken with its logarithm.
    normal = latent[0, :, :-1]
    np.testing.assert_allclose(
        decoder.posterior.latent(normal, jnp.log(draws.column_std[0])), latent[0], rtol=1e-3, atol=1e-3
    )


def test_a_decoder_is_read_back_as_it_was(decoder, tmp_path):
    save_decoder(tmp_path / "x.jrae", decoder)
    read, again = (load_decoder(tmp_path / "x.jrae") for _ in range(2))
    # All that is no array is the same, functions too, so that nothing is compiled anew for the second.
    known, other = (jax.tree.flatten(eqx.filter(tree, eqx.is_array, inverse=True)) for tree in (read, again))
    assert known == other
    assert same(read, decoder)
    assert repr(read).startswith("Decoder(ColumnPosterior(Prior(C 60 to 300, B 14 to 40, ")
    assert (tmp_path / "x.jrae").stat().st_size < 3e6


def test_what_is_no_decoder(decoder, tmp_path):
    path = tmp_path / "x.jrae"
    save_decoder(path, decoder)
    data = path.read_bytes()
    damaged = bytearray(data)
    damaged[-100] ^= 1
    for wrong, message in (
        (data[:-10], "`path` is a damaged or truncated decoder: "),
        (bytes(damaged), "`path` is a damaged or truncated decoder: "),
        (b"time,O1\n1,2\n", "`path` must be a file written by jrae_jax.decoding.save_decoder, got "),
        (b"", "`path` must be a file written by jrae_jax.decoding.save_decoder, got "),
    ):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=f"^{message}.*x.jrae$"):
            load_decoder(path)
    with pytest.raises(FileNotFoundError):
        load_decoder(tmp_path / "y.jrae")


def test_a_file_whose_header_describes_another_decoder(decoder, tmp_path):
    from jrae_jax.autoencoder.container import write_container

    header = {"format": "jrae_jax decoder", "version": 1, "flow": decoder.posterior.sizes, "windows": 3}
    quantities = dict(decoder.posterior.prior.quantities)
    for wrong in ({"quantities": quantities}, {"quantities": {"C": quantities["C"]}}, {}):
        write_container(tmp_path / "x.jrae", header | wrong, decoder)
        with pytest.raises(ValueError, match=r"^`path` holds no decoder that its header describes: "):
            load_decoder(tmp_path / "x.jrae")
    write_container(tmp_path / "x.jrae", header | {"version": 2}, decoder)
    with pytest.raises(ValueError, match=r"^`path` must be a file written by"):
        load_decoder(tmp_path / "x.jrae")


def test_a_posterior_of_one_key_is_one(decoder):
    prior, sizes = decoder.posterior.prior, {"width": 4, "layers": 1, "knots": 3}
    made = [ColumnPosterior(prior, **sizes, key=jax.random.key(seed)) for seed in (0, 0, 1)]
    assert same(made[0], made[1])
    assert not same(made[0], made[2])


def test_a_decoder_is_kept_in_single_precision_and_read_in_that_which_is_used(decoder, tmp_path):
    with jax.enable_x64(True):
        double = load_decoder()
        assert double.yardstick.statistics.dtype == np.float64
        save_decoder(tmp_path / "x.jrae", double)
    assert same(load_decoder(tmp_path / "x.jrae"), decoder)
