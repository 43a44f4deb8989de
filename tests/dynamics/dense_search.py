"""Saddle-nodes and Hopf points by a dense search in NumPy and by eigenvalues, which shares the equations alone with the
package."""

import numpy as np

RANGES = dict(A=(2.6, 9.75), B=(17.6, 110), a=(50, 150), b=(25, 75), v0=(3.12, 6), e0=(1.25, 3.75), r=(0.28, 0.84))
RANGES |= dict(C=(65, 1350))
FRACTIONS = dict(alpha1=1.0, alpha2=0.8, alpha3=0.25, alpha4=0.25)
STANDARD = dict(A=3.25, B=22.0, a=100.0, b=50.0, v0=6.0, e0=2.5, r=0.56, C=135.0)


def random_columns(count, seed, near_standard=None):
    """Over all ranges, or within a fraction of the standard column."""
    random = np.random.default_rng(seed)
    if near_standard is None:
        return [{name: random.uniform(*bounds) for name, bounds in RANGES.items()} for _ in range(count)]
    factors = 1 + near_standard * random.uniform(-1, 1, (count, len(STANDARD)))
    return [{n: v * f for (n, v), f in zip(STANDARD.items(), row, strict=True)} for row in factors]


def input_at(v, q):
    """The p that holds the pyramidal cells at v, 1/s."""
    q = FRACTIONS | q

    def rate(x):
        return 2 * q["e0"] / (1 + np.exp(-q["r"] * (x - q["v0"])))

    y0 = q["A"] / q["a"] * rate(v)
    y2 = q["B"] / q["b"] * q["C"] * q["alpha4"] * rate(q["C"] * q["alpha3"] * y0)
    return q["a"] / q["A"] * (v + y2) - q["C"] * q["alpha2"] * rate(q["C"] * q["alpha1"] * y0)


def _gains(v, q):
    """Of the pyramidal cells, and of the two loops through interneurons: slopes of their sigmoids, 1/s per mV, times
    numbers of synapses."""
    q = FRACTIONS | q
    excitatory, inhibitory = (q["C"] * q[fraction] for fraction in ("alpha1", "alpha3"))

    def rate(x):
        return 2 * q["e0"] / (1 + np.exp(-q["r"] * (x - q["v0"])))

    def slope(x):
        return q["r"] * rate(x) * (1 - rate(x) / (2 * q["e0"]))

    y0 = q["A"] / q["a"] * rate(v)
    excitation = excitatory * slope(excitatory * y0) * q["C"] * q["alpha2"]
    return slope(v), excitation, inhibitory * slope(inhibitory * y0) * q["C"] * q["alpha4"]


def input_slope(v, q):
    """dp/dv along the curve of equilibria, 1/s per mV: 0 at a saddle-node."""
    pyramidal, excitatory, inhibitory = _gains(v, q)
    dy0 = q["A"] / q["a"] * pyramidal
    return q["a"] / q["A"] * (1 + q["B"] / q["b"] * inhibitory * dy0) - excitatory * dy0


def hurwitz(v, q):
    """The Hurwitz determinant of order five: 0 where two eigenvalues are opposite."""
    pyramidal, excitatory, inhibitory = _gains(v, q)
    unit = np.sqrt(q["a"] * q["b"])
    a, b = q["a"] / unit, q["b"] / unit
    loop = q["A"] * q["a"] * pyramidal / unit**2
    e = loop * q["A"] * q["a"] * excitatory / unit**2
    i = loop * q["B"] * q["b"] * inhibitory / unit**2
    free = np.polymul(np.polymul([1, 2 * a, a * a], [1, 2 * a, a * a]), [1, 2 * b, b * b])
    c = [np.full_like(v, x) for x in free]
    c[4], c[5], c[6] = c[4] - (e - i), c[5] - 2 * (b * e - a * i), c[6] - (b * b * e - a * a * i)
    matrix = np.zeros((*np.shape(v), 5, 5))
    for row in range(5):
        for column in range(5):
            index = 2 * (column + 1) - (row + 1)
            if 0 <= index <= 6:
                matrix[..., row, column] = c[index]
    return np.linalg.det(matrix)


def dense_roots(function, q, points=8001, reach=20.0):
    """All roots of a function of v, those between neighbours included that an extremum separates."""
    v = q["v0"] + np.linspace(-reach, reach, points) / q["r"]
    values = function(v, q)
    side, sizes = np.sign(values), np.abs(values)
    low = (sizes[1:-1] <= sizes[:-2]) & (sizes[1:-1] <= sizes[2:])
    low = 1 + np.flatnonzero(low & (side[1:-1] == side[:-2]) & (side[1:-1] == side[2:]))
    first, last = v[low - 1], v[low + 1]
    for _ in range(60):  # thirds
        inner, outer = first + (last - first) / 3, last - (last - first) / 3
        left = side[low] * function(inner, q) < side[low] * function(outer, q)
        first, last = np.where(left, first, inner), np.where(left, outer, last)
    edges = np.sort(np.concatenate([v, first]))
    values = function(edges, q)
    crossed = np.flatnonzero((values[1:] > 0) != (values[:-1] > 0))
    first, last = edges[crossed], edges[crossed + 1]
    for _ in range(60):
        middle = (first + last) / 2
        beyond = (function(middle, q) > 0) == (values[crossed + 1] > 0)
        first, last = np.where(beyond, first, middle), np.where(beyond, middle, last)
    return (first + last) / 2


def unstable_eigenvalues(jacobians):
    """How many eigenvalues have a positive real part."""
    return np.sum(np.linalg.eigvals(jacobians).real > 0, axis=-1)


def jacobian(v, q):
    """Of the equations at the equilibrium with this y1 - y2."""
    pyramidal, excitatory, inhibitory = _gains(np.asarray(v), q)
    a, b = q["a"], q["b"]
    matrix = np.zeros((*np.shape(v), 6, 6))
    for row, k in ((0, a), (1, a), (2, b)):
        matrix[..., row, row + 3] = 1
        matrix[..., row + 3, row] = -(k**2)
        matrix[..., row + 3, row + 3] = -2 * k
    matrix[..., 3, 1] = q["A"] * a * pyramidal
    matrix[..., 3, 2] = -q["A"] * a * pyramidal
    matrix[..., 4, 0] = q["A"] * a * excitatory
    matrix[..., 5, 0] = q["B"] * b * inhibitory
    return matrix


def oscillating(v, values):
    """Whether a pair of complex eigenvalues is on the imaginary axis."""
    eigenvalues = np.linalg.eigvals(jacobian(v, values))
    return np.any((eigenvalues.imag > 0) & (np.abs(eigenvalues.real) < 0.02 * eigenvalues.imag))


def points_in_plane(condition, q, name, values, potentials, p):
    """Where a condition holds of equilibria at an input p as a parameter changes: r (v - v0) and the value, in order of
    that; by Newton's method from each cell of a grid near which both functions have a zero."""

    def both(place):
        column = q | {name: place[1]}
        v = column["v0"] + place[0] / column["r"]
        return np.array([input_at(v, column) - p, condition(v, column)])

    grid = np.stack([both((potentials, value)) for value in values], axis=1)
    corners = np.stack([grid[:, i : len(values) - 1 + i, j : len(potentials) - 1 + j] for i in (0, 1) for j in (0, 1)])
    least, most = np.min(corners, axis=0), np.max(corners, axis=0)
    near = np.all((2 * least < most) & (2 * most > least), axis=0)
    step = np.array([potentials[1] - potentials[0], values[1] - values[0]])
    low, high = (np.array([potentials[end], values[end]]) for end in (0, -1))
    found = []
    for row, column in np.argwhere(near):
        place, moved = np.array([potentials[column], values[row]]) + step / 2, np.inf
        for _ in range(40):
            sides = [(both(place + part) - both(place - part)) / 2e-4 for part in 1e-4 * np.diag(step)]
            change = np.linalg.lstsq(np.stack(sides, axis=1), both(place), rcond=None)[0]
            moved = np.max(np.abs(change))
            place = place - change / max(1, moved / 2) * step
            if moved < 1e-9 or np.any((place < low - 5 * step) | (place > high + 5 * step)):
                break
        new = not any(np.all(np.abs(place - other) < 1e-5 * step) for other in found)
        if moved < 1e-9 and new and np.all((low <= place) & (place <= high)):
            found.append(place)
    return np.array(sorted(found, key=lambda place: place[1])).reshape(-1, 2)
