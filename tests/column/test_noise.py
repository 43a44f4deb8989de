"""Quality of the random numbers, at fixed keys; bounds are about five standard errors of what chance leaves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jrae_jax.column import NoiseStream, noise, noise_stream

MANY = 2**21
WEYL = 0x9E3779B9


streams_of = jax.jit(noise_stream)


@jax.jit
def uniform_numbers(stream, indices):
    return jax.vmap(stream.uniform, out_axes=-1)(indices)


@jax.jit
def normal_numbers(stream, indices):
    return jax.vmap(stream.normal_pair, out_axes=-1)(indices)


@jax.jit
def numbers_of_each(streams, indices):
    """Row by row the uniform numbers of several streams, each at indices of its own."""
    return jax.vmap(lambda stream, indices: jax.vmap(stream.uniform)(indices))(streams, indices)


def uniform_bits(stream, indices):
    """The 24 bits that a uniform number is made of."""
    numbers = np.asarray(uniform_numbers(stream, jnp.asarray(indices)), dtype=float)
    return np.asarray(numbers * 2**24, dtype=np.int64)


def stream_of(first, second):
    return NoiseStream(jnp.asarray(first, jnp.uint32), jnp.asarray(second, jnp.uint32))


def standardized(uniform):
    return (np.asarray(uniform, dtype=float) + 2**-25 - 0.5) * np.sqrt(12)


def assert_like_chance(counts):
    """Chi-squared of counts that are expected to be equal, neither too large nor too small."""
    p = stats.chisquare(np.asarray(counts).ravel()).pvalue
    assert 1e-6 < p < 1 - 1e-6


def standard_errors(one, other=None):
    """By how many standard errors the mean of a product of numbers of mean 0 and variance 1 is off zero."""
    mean = np.mean(one, dtype=float) if other is None else np.einsum("i,i", one, other, dtype=float) / len(one)
    return mean * np.sqrt(len(one))


@pytest.fixture(scope="module")
def bits():
    return uniform_bits(streams_of(jax.random.key(0), jnp.asarray(0)), np.arange(MANY))


@pytest.fixture(scope="module")
def normals():
    streams = streams_of(jax.random.key(0), jnp.arange(2))
    first, second = normal_numbers(streams, jnp.arange(MANY))
    return np.asarray(first).ravel(), np.asarray(second).ravel()


# Uniform numbers


def test_uniform_numbers_fill_their_bins_evenly(bits):
    assert_like_chance(np.bincount(bits >> 12, minlength=2**12))
    assert_like_chance(np.bincount(bits & 0xFFF, minlength=2**12))


def test_each_bit_of_a_uniform_number_is_set_half_of_the_time(bits):
    ones = np.array([np.sum(bits >> bit & 1) for bit in range(24)])
    assert np.all(abs(ones / MANY - 0.5) < 5 * 0.5 / np.sqrt(MANY))
    assert bits.min() >= 0
    assert bits.max() < 2**24


def test_uniform_numbers_have_the_mean_and_variance_of_their_distribution(bits):
    numbers = standardized(bits * 2.0**-24)
    assert abs(standard_errors(numbers)) < 5
    assert abs(standard_errors(numbers**2 - 1) / np.sqrt(4 / 5)) < 5


def test_uniform_numbers_do_not_remember_those_before(bits):
    numbers = standardized(bits * 2.0**-24)
    squares = (numbers**2 - 1) / np.sqrt(4 / 5)
    for lag in range(1, 21):
        assert abs(standard_errors(numbers[lag:], numbers[:-lag])) < 5, lag
        assert abs(standard_errors(squares[lag:], squares[:-lag])) < 5, lag


@pytest.mark.parametrize("shift", [17, 0])
def test_pairs_and_triples_of_uniform_numbers_fill_their_bins_evenly(bits, shift):
    """By the highest bits and by the lowest."""
    digits = bits >> shift & 0x7F
    assert_like_chance(np.bincount(digits[:-1] * 128 + digits[1:], minlength=128**2))
    digits = digits >> 2
    assert_like_chance(np.bincount((digits[:-2] * 32 + digits[1:-1]) * 32 + digits[2:], minlength=32**3))


def test_uniform_numbers_run_up_as_often_as_chance_has_it(bits):
    """The lengths of runs above and below the middle."""
    above = bits >= 2**23
    ends = np.flatnonzero(np.diff(above))
    lengths = np.diff(ends)
    expected = len(lengths) * 0.5 ** np.arange(1, 11)
    counts = np.bincount(lengths, minlength=11)[1:11]
    assert np.all(abs(counts - expected) < 5 * np.sqrt(expected))


# Independence of streams


def largest_correlation(one, other):
    """Of two streams at any lag whatever, in standard errors."""
    spectra = np.fft.rfft(standardized(one)), np.fft.rfft(standardized(other))
    return np.max(abs(np.fft.irfft(spectra[0] * np.conj(spectra[1])))) / np.sqrt(np.size(one))


@pytest.fixture(scope="module")
def neighbours():
    """Streams of neighbouring trajectories and keys."""
    key = jax.random.key(0)
    keys = [key, jax.random.key(1), jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)]
    pairs = [(key, 1), (key, 2), (key, 2**16), *((key, 0) for key in keys)]
    streams = [streams_of(key, jnp.asarray(trajectory)) for key, trajectory in pairs]
    swapped = NoiseStream(streams[3].second, streams[3].first)
    return np.stack([uniform_numbers(stream, jnp.arange(2**17)) for stream in [*streams, swapped]])


def test_neighbouring_streams_are_independent_at_any_lag(neighbours):
    """Of 2^17 lags the largest correlation is some 5 standard errors by chance, of a shared stream hundreds."""
    for row, one in enumerate(neighbours):
        for other in neighbours[:row]:
            assert largest_correlation(one, other) < 7


def test_the_largest_correlation_finds_a_shared_and_shifted_stream(neighbours):
    assert largest_correlation(neighbours[0], np.roll(neighbours[0], 4321)) > 300
    half = np.concatenate([neighbours[0][2**16 :], neighbours[1][2**16 :]])
    assert largest_correlation(neighbours[0], half) > 100


def test_streams_whose_counters_overlap_are_independent():
    """The first word is where the counter starts, so that among many streams some meet; the second sets them apart."""
    n, lag = 2**17, 1000
    first, second = (int(word[0]) for word in vars(streams_of(jax.random.key(0), jnp.arange(2))).values())
    later = (first + lag * WEYL) % 2**32
    seconds = [second, *(second ^ 1 << bit for bit in range(32))]
    rows = standardized(
        numbers_of_each(
            stream_of([later] + [first] * 32, seconds),
            jnp.stack([jnp.arange(n)] + [jnp.arange(lag, n + lag)] * 32),
        )
    )
    errors = rows[1:] @ rows[0] / np.sqrt(n)
    assert np.all(abs(errors) < 5)
    same = numbers_of_each(stream_of([later, first], [second] * 2), jnp.stack([jnp.arange(9), lag + jnp.arange(9)]))
    np.testing.assert_array_equal(same[0], same[1])


def test_trajectories_side_by_side_are_independent_at_one_instant():
    numbers = standardized(uniform_numbers(streams_of(jax.random.key(0), jnp.arange(2**17)), jnp.asarray([5]))[:, 0])
    for lag in range(1, 6):
        assert abs(standard_errors(numbers[lag:], numbers[:-lag])) < 5, lag


def test_no_two_trajectories_have_one_stream():
    last = np.uint32(2**32 - 1)
    trajectories = np.concatenate([np.arange(2**17), last - np.arange(2**10)]).astype(np.uint32)
    streams = streams_of(jax.random.key(0), jnp.asarray(trajectories))
    words = np.asarray(streams.first, dtype=np.uint64) << 32 | np.asarray(streams.second, dtype=np.uint64)
    assert len(np.unique(words)) == len(trajectories)


# Avalanche


def assert_half_of_the_bits_flip(one, other):
    """For each bit, the fraction of the cases in which `one` and `other` differ."""
    flipped = np.array([np.mean((one ^ other) >> bit & 1, axis=-1) for bit in range(24)])
    assert np.all(abs(flipped - 0.5) < 5.5 * 0.5 / np.sqrt(np.shape(one)[-1]))


def test_any_bit_of_the_index_flips_half_of_the_bits_of_the_number():
    indices = (np.arange(2**13) * 7919 % 2**23).astype(np.uint32)
    flips = np.array([0, *(1 << bit for bit in range(32))], dtype=np.uint32)
    stream = streams_of(jax.random.key(0), jnp.asarray(0))
    numbers = uniform_bits(stream, (indices ^ flips[:, None]).ravel().astype(np.int32)).reshape(33, -1)
    for flipped in numbers[1:]:
        assert_half_of_the_bits_flip(numbers[0], flipped)


def test_any_bit_of_the_index_flips_signs_and_order_of_the_normal_numbers_half_of_the_time():
    """They are made of the lowest bits of the hash, which are its weakest."""
    indices = (np.arange(2**13) * 7919 % 2**23).astype(np.uint32)
    flips = np.array([0, *(1 << bit for bit in range(32))], dtype=np.uint32)
    stream = streams_of(jax.random.key(0), jnp.asarray(0))
    first, second = np.asarray(normal_numbers(stream, (indices ^ flips[:, None]).ravel().astype(np.int32)))
    for property in (first < 0, second < 0, abs(first) < abs(second)):
        property = property.reshape(33, -1)
        flipped = np.mean(property[1:] != property[0], axis=1)
        assert np.all(abs(flipped - 0.5) < 5 * 0.5 / np.sqrt(2**13))


def test_any_bit_of_the_trajectory_flips_half_of_the_bits_of_the_number():
    trajectories = np.arange(2**13, dtype=np.uint32)
    index = jnp.asarray([3], jnp.int32)
    numbers = [
        uniform_bits(streams_of(jax.random.key(0), jnp.asarray(trajectories ^ np.uint32(flip))), index)[:, 0]
        for flip in (0, *(1 << bit for bit in range(0, 32, 3)))
    ]
    for flipped in numbers[1:]:
        assert_half_of_the_bits_flip(numbers[0], flipped)


# Normal numbers


def test_normal_numbers_have_the_moments_of_their_distribution(normals):
    for numbers in normals:
        square = numbers * numbers
        for moment, expected, variance in ((numbers, 0, 1), (square, 1, 2), (square * numbers, 0, 15)):
            assert abs(np.mean(moment, dtype=float) - expected) < 5 * np.sqrt(variance / numbers.size)
        assert abs(np.mean(square * square, dtype=float) - 3) < 5 * np.sqrt(96 / numbers.size)


def test_normal_numbers_have_the_distribution_of_scipy(normals):
    for numbers in normals:
        assert stats.kstest(numbers[: 2**17], "norm").pvalue > 1e-5
        edges = stats.norm.ppf(np.arange(1, 256) / 256)
        assert_like_chance(np.bincount(np.searchsorted(edges, numbers[: 2**19]), minlength=256))


def test_normal_numbers_lie_in_the_tails_as_often_as_they_should(normals):
    numbers = abs(np.concatenate(normals))
    for sd in (3, 4, 4.5):
        expected = 2 * stats.norm.sf(sd) * numbers.size
        assert abs(np.sum(numbers > sd) - expected) < 5 * np.sqrt(expected), sd
    assert numbers.max() > 4.9


def test_the_two_normal_numbers_are_independent(normals):
    first, second = normals
    squares = [(numbers * numbers - 1) / np.sqrt(2) for numbers in normals]
    assert abs(standard_errors(first, second)) < 5
    assert abs(standard_errors(*squares)) < 5
    assert abs(standard_errors(first, squares[1])) < 5
    assert abs(standard_errors(second, squares[0])) < 5


def test_radius_and_angle_of_the_two_normal_numbers_are_independent(normals):
    first, second = (numbers[: 2**19] for numbers in normals)
    sectors = np.int64((np.arctan2(first, second) / np.pi + 1) * 8) % 16
    rings = np.int64(np.exp(-(first**2 + second**2) / 2) * 32).clip(0, 31)
    assert_like_chance(np.bincount(rings * 16 + sectors, minlength=512))


def test_normal_numbers_do_not_remember_those_before(normals):
    for lag in range(1, 21):
        for one in normals:
            for other in normals:
                assert abs(standard_errors(one[lag:MANY], other[: MANY - lag])) < 5, lag


@pytest.mark.parametrize("x64", [False, True])
def test_normal_numbers_of_any_bits_are_finite_and_reach_6_66_sd(monkeypatch, x64):
    monkeypatch.setattr(noise, "_mix", lambda x: x)
    ends = np.concatenate([np.arange(300), 2**31 + np.arange(-300, 300), 2**32 - np.arange(1, 300)])
    with jax.enable_x64(x64):
        stream = stream_of(0 * ends, ends)
        zero = jnp.asarray(0)
        uniform, first, second = jax.jit(lambda stream: (stream.uniform(zero), *stream.normal_pair(zero)))(stream)
        radius = np.hypot(first, second)
        assert np.all(np.isfinite(radius))
        assert radius.max() == pytest.approx(np.sqrt(2 * np.log(2.0**32)), rel=1e-6)
        assert radius.min() < 1e-3
        assert first.dtype == jnp.result_type(float)
        assert uniform.min() == 0
        assert uniform.max() == 1 - 2.0**-24


def test_single_and_double_precision_agree_but_for_rounding():
    indices = np.arange(2**16)
    values = []
    for x64 in (False, True):
        with jax.enable_x64(x64):
            stream = streams_of(jax.random.key(0), jnp.asarray(3))
            numbers = uniform_numbers(stream, jnp.asarray(indices)), *normal_numbers(stream, jnp.asarray(indices))
            values.append([np.asarray(number, dtype=float) for number in numbers])
            assert all(number.dtype == jnp.result_type(float) for number in numbers)
    single, double = values
    np.testing.assert_array_equal(single[0], double[0])
    square = double[1] ** 2 + double[2] ** 2
    for i in (1, 2):
        # The radius is the root of a logarithm that loses what is below 2^-24 near zero.
        assert np.all(abs(single[i] - double[i]) * np.sqrt(square) < 3e-7 * (1 + square))


@pytest.mark.parametrize(("x64", "tolerance"), [(False, 3e-7), (True, 4e-15)])
def test_points_lie_on_the_unit_circle_all_around(x64, tolerance):

    def on_unit_circle(bits):
        return noise._on_circle(jnp.ones(bits.shape), *noise._in_an_eighth(bits), bits)

    bits = np.concatenate([np.arange(8), 2**32 - np.arange(1, 9), np.arange(2**16) * WEYL % 2**32]).astype(np.uint32)
    with jax.enable_x64(x64):
        x, y = jax.jit(on_unit_circle)(jnp.asarray(bits))
        assert np.max(abs(np.hypot(x, y) - 1)) < tolerance
        turns = (np.arctan2(y, x) / (2 * np.pi)) % 1
        angle = np.pi / 4 * (bits >> np.uint32(3)) * 2.0**-29
        quarter = np.where(bits & 1, np.pi / 2 - angle, angle)
        np.testing.assert_allclose(np.arctan2(abs(y), abs(x)), quarter, atol=1e-6)
        assert np.all((x < 0) == (bits & 2 > 0))
        assert np.all((y < 0) == (bits & 4 > 0))
    assert stats.kstest(turns, "uniform").statistic < 1e-3


# A pure function


def test_numbers_do_not_depend_on_how_they_are_computed():
    key = jax.random.key(7)
    streams = streams_of(key, jnp.arange(5))
    table = np.asarray(uniform_numbers(streams, jnp.arange(64)))
    pairs = np.asarray(normal_numbers(streams, jnp.arange(64)))
    np.testing.assert_array_equal(uniform_numbers(streams_of(key, jnp.arange(3)), jnp.arange(9)), table[:3, :9])
    alone = noise_stream(key, 4)
    assert alone.uniform(jnp.asarray(63)) == table[4, 63]
    np.testing.assert_allclose(normal_numbers(alone, jnp.arange(64)), pairs[:, 4], rtol=1e-5, atol=1e-6)
    rows = numbers_of_each(streams, jnp.broadcast_to(jnp.arange(64), (5, 64)))
    np.testing.assert_array_equal(rows, table)


def test_numbers_depend_on_key_trajectory_and_index():
    def first_numbers(seed, trajectory):
        return np.asarray(uniform_numbers(streams_of(jax.random.key(seed), jnp.asarray(trajectory)), jnp.arange(1000)))

    numbers = first_numbers(0, 0)
    assert len(np.unique(numbers)) > 990
    assert np.mean(first_numbers(0, 1) == numbers) < 0.01
    assert np.mean(first_numbers(1, 0) == numbers) < 0.01
    np.testing.assert_array_equal(first_numbers(0, 0), numbers)
