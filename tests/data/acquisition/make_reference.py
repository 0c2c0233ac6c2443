#!/usr/bin/python3
"""Makes reference.json: acquisition values at 60 digits, independent of the C++ code.

Values come from definitions (integrals, distribution functions), derivatives from central differences
at 60 digits (step 1e-20, relative for the variance), not from formulas: a wrong formula cannot be right
twice. Needs python3-mpmath. Run from anywhere:

    python3 tests/data/acquisition/make_reference.py

Conventions are those of kernels/acquisition/term.hpp: minimisation, larger is better.
"""

import json
import pathlib

from mpmath import mp, mpf

mp.dps = 60
STEP = mpf(10) ** -20


def cdf(x):
    """Phi; far down by the asymptotic series of Mills' ratio, whose terms are summed while they fall."""
    if x > -30:
        return mp.erfc(-x / mp.sqrt(2)) / 2
    term, total, k = mpf(1), mpf(0), 0
    while abs(term) > mpf(10) ** (-mp.dps - 5):
        total += term
        k += 1
        following = -term * (2 * k - 1) / x**2
        if abs(following) >= abs(term):
            break
        term = following
    return pdf(x) / -x * total


def pdf(x):
    return mp.npdf(x)


def log_ei(mean, variance, best):
    sigma = mp.sqrt(variance)
    u = (best - mean) / sigma
    with mp.workdps(mp.dps + int(8 * mp.log10(1 + abs(u)))):
        return mp.log(sigma * (pdf(u) + u * cdf(u)))


def log_below(mean, variance, threshold, noise):
    return mp.log(cdf((threshold - mean) / mp.sqrt(variance + noise)))


def log_above(mean, variance, threshold, noise):
    return mp.log(cdf((mean - threshold) / mp.sqrt(variance + noise)))


def bound(mean, variance, kappa):
    return kappa * mp.sqrt(variance) - mean


def minus_log_cost(mean, variance, power, unit, centre):
    # E[exp(centre + unit f)] of a normal f.
    return -power * (centre + unit * mean + unit**2 * variance / 2)


def log_gibbon(mean, variance, noise, samples):
    total = mpf(0)
    for sample in samples:
        g = (mean - mpf(sample)) / mp.sqrt(variance)
        mp.dps = 60 + max(0, int(8 * mp.log10(1 + abs(g))))
        r = pdf(g) / cdf(g)
        total += -mp.log1p(-variance / (variance + noise) * r * (g + r)) / 2
    value = mp.log(total / len(samples))
    mp.dps = 60
    return value


def log_variance(mean, variance):
    return mp.log(variance)


KINDS = {
    "log_ei": (log_ei, ["best"]),
    "log_pi": (lambda m, v, best, least: log_below(m, v, best - least, 0), ["best", "least"]),
    "log_probability_below": (log_below, ["threshold", "noise"]),
    "log_probability_above": (log_above, ["threshold", "noise"]),
    "confidence_bound": (bound, ["kappa"]),
    "minus_log_cost": (minus_log_cost, ["power", "unit", "centre"]),
    "log_gibbon": (log_gibbon, ["noise"]),
    "log_variance": (log_variance, []),
}

SETTINGS = {
    "log_ei": [(-0.125,)],
    "log_pi": [(-0.125, 0.0), (0.5, 0.25)],
    "log_probability_below": [(0.5, 0.0), (-0.25, 0.0625)],
    "log_probability_above": [(0.5, 0.0), (-0.25, 0.0625)],
    "confidence_bound": [(1.75,)],
    "minus_log_cost": [(1.0, 1.0, 0.0), (0.5, 2.5, -3.0)],
    "log_gibbon": [(0.0,), (0.0625,), (3.0,)],
    "log_variance": [()],
}

MOMENTS = [(m, v) for m in (-40.0, -3.0, -0.75, -0.125, 0.0, 0.5, 2.0, 12.0, 40.0, 1000.0)
           for v in (1e-6, 0.0078125, 1.0, 6.5)]
SAMPLES = [-1.5, -1.25, -0.9375]


def marginal():
    rows = []
    for kind, (function, _) in KINDS.items():
        for settings in SETTINGS[kind]:
            arguments = [mpf(s) for s in settings]
            if kind == "log_gibbon":
                arguments.append(SAMPLES)
            for mean, variance in MOMENTS:
                m, v = mpf(mean), mpf(variance)
                dm, dv = STEP * max(1, abs(m)), STEP * v
                rows.append({
                    "kind": kind,
                    "settings": settings,
                    "mean": mean,
                    "variance": variance,
                    "value": function(m, v, *arguments),
                    "d_mean": (function(m + dm, v, *arguments) - function(m - dm, v, *arguments)) / (2 * dm),
                    "d_variance": (function(m, v + dv, *arguments) - function(m, v - dv, *arguments)) / (2 * dv),
                })
    return rows


# Two points: mean, mean, variance, variance, correlation.
PAIRS = [(0.0, 0.25, 1.0, 0.5, 0.5), (0.5, -0.25, 0.25, 1.5, -0.75), (1.0, 1.0, 0.5, 0.5, 0.9375),
         (3.0, 2.5, 1.0, 1.0, 0.0), (-1.0, 2.0, 0.0625, 4.0, 0.25)]


def over_first(pair, inner, *breaks):
    """E[inner(x, mean and deviation of the second given x)] over the first value x."""
    m1, m2, v1, v2, rho = (mpf(p) for p in pair)
    s1, s2 = mp.sqrt(v1), mp.sqrt(v2)
    rest = s2 * mp.sqrt(1 - rho**2)

    def integrand(x):
        z = (x - m1) / s1
        return pdf(z) / s1 * inner(x, m2 + rho * s2 * z, rest)

    points = sorted({m1 + k * s1 for k in (-30, -12, -6, -3, -1, 0, 1, 3, 6, 12, 30)} | {mpf(b) for b in breaks})
    return mp.quad(integrand, points)


def improvement(mean, sigma, below):
    u = (below - mean) / sigma
    return sigma * (pdf(u) + u * cdf(u))


def absolute_above(level, mean, sigma, slope, offset):
    """E[max(level, slope |g| - offset)] of a normal g."""
    t = (level + offset) / slope  # |g| beyond t counts
    if t <= 0:
        return slope * (mean * (1 - 2 * cdf(-mean / sigma)) + 2 * sigma * pdf(mean / sigma)) - offset
    beyond = improvement(mean, sigma, -t) + improvement(-mean, sigma, -t)
    return level + slope * beyond


def sampled():
    mp.dps = 25
    rows = []
    best, kappa = mpf("0.125"), mpf("1.5")
    slope = kappa * mp.sqrt(mp.pi / 2)
    for pair in PAIRS:
        ei = over_first(
            pair, lambda x, m, s: max(best - x, 0) + improvement(m, s, min(best, x)), best)
        pi = over_first(pair, lambda x, m, s: 1 if x < best else cdf((best - m) / s), best)
        m1, m2 = mpf(pair[0]), mpf(pair[1])
        centred = (0.0, 0.0) + pair[2:]
        ucb = over_first(
            centred, lambda x, m, s: absolute_above(slope * abs(x) - m1, m, s, slope, m2),
            *([(m1 - m2) / slope, (m2 - m1) / slope] if m1 > m2 else []))
        rows.append({"moments": pair, "best": best, "kappa": kappa, "log_ei": mp.log(ei), "log_pi": mp.log(pi),
                     "bound": ucb})
    mp.dps = 60
    return rows


def ei(level, mean, variance):
    """E[max(level - f, 0)]."""
    if level == -mp.inf:
        return mpf(0)
    return mp.exp(log_ei(mean, variance, level))


def log_length(mean, variance, lower, upper):
    return mp.log(ei(upper, mean, variance) - ei(lower, mean, variance))


def partial(function, arguments, at, step):
    up, down = list(arguments), list(arguments)
    up[at] += step
    down[at] -= step
    return (function(*up) - function(*down)) / (2 * step)


def lengths():
    rows = []
    for mean, variance in MOMENTS:
        for lower, upper in ((-0.5, 0.25), (-0.5, -0.5 + 2.0**-20), (-30.0, 5.0), (0.0, 1000.0)):
            arguments = [mpf(mean), mpf(variance), mpf(lower), mpf(upper)]
            # Ends many deviations out and close together lose digits in the difference.
            mp.dps = 400
            rows.append({"mean": mean, "variance": variance, "lower": lower, "upper": upper,
                         "value": log_length(*arguments),
                         "d_mean": partial(log_length, arguments, 0, mpf(10) ** -30),
                         "d_variance": partial(log_length, arguments, 1, mpf(10) ** -30 * arguments[1])})
            mp.dps = 60
    return rows


def log_ehvi(objectives, points, reference, *moments):
    """By a full grid over all but the last objective: in each cell the front is at one height."""
    mean, variance = moments[:objectives], moments[objectives:]
    axes = []
    for m in range(objectives - 1):
        levels = sorted({p[m] for p in points if p[m] < reference[m]})
        axes.append([(mpf(a), mpf(b)) for a, b in zip([-mp.inf] + levels, levels + [reference[m]])])

    def cells(m, chosen):
        if m == objectives - 1:
            heights = [p[-1] for p in points if all(p[k] <= chosen[k][0] for k in range(m))]
            return ei(mpf(min(heights + [reference[-1]])), mean[-1], variance[-1])
        return sum((ei(b, mean[m], variance[m]) - ei(a, mean[m], variance[m])) * cells(m + 1, chosen + [(a, b)])
                   for a, b in axes[m])

    return mp.log(cells(0, []))


FRONTS = [
    ([1.0, 1.0], []),
    ([1.0, 1.0], [[0.25, 0.5]]),
    ([2.0, 2.0], [[0.0, 1.5], [0.5, 0.75], [0.75, 0.25], [1.5, -0.5]]),
    ([1.0, 1.0, 1.0], [[0.0, 0.5, 0.75], [0.5, 0.0, 0.25], [0.25, 0.25, 0.5], [0.75, 0.5, -0.5]]),
    ([1.0, 1.0, 1.0, 1.0], [[0.0, 0.5, 0.75, 0.25], [0.5, 0.0, 0.25, 0.5], [0.25, 0.25, 0.5, 0.0]]),
]


def ehvi():
    rows = []
    for reference, points in FRONTS:
        count = len(reference)
        for offset, variance in ((0.25, 0.5), (-1.0, 0.0625), (8.0, 1.0), (60.0, 0.25)):
            moments = [mpf(offset) + mpf(m) / 8 for m in range(count)]
            moments += [mpf(variance) * (1 + mpf(m) / 2) for m in range(count)]
            mp.dps = 200
            value = lambda *a: log_ehvi(count, points, reference, *a)
            rows.append({"reference": reference, "points": points, "mean": moments[:count],
                         "variance": moments[count:], "value": value(*moments),
                         "d_mean": [partial(value, moments, m, mpf(10) ** -30) for m in range(count)],
                         "d_variance": [partial(value, moments, count + m, mpf(10) ** -30)
                                        for m in range(count)]})
            mp.dps = 60
    return rows


# Smoothed utilities over given samples: tau of the improvement, of a maximum of logs, of a step.
TAU_RELU, TAU_MAX, TAU_STEP = mpf(10) ** -6, mpf(10) ** -2, mpf(10) ** -3
MEANS = [0.25, -0.125, 0.5]
COVARIANCE = [[1.0, 0.5, -0.25], [0.5, 0.75, 0.125], [-0.25, 0.125, 1.5]]
BASE = [[0.5, -1.25, 0.75], [-0.75, 0.5, 2.0], [1.5, 1.0, -1.0], [-2.0, 0.25, 0.125]]
BASE_2 = [[0.25, 1.5, -0.5], [-1.0, 0.75, -0.25], [0.5, -2.0, 1.0], [1.25, -0.5, 0.0625]]


def fat_log_positive(x):
    x = x / TAU_RELU
    return mp.log(TAU_RELU * (mp.log1p(mp.exp(x)) + 1 / (10 * (1 + x**2))))


def fat_max(values):
    most = max(values)
    gaps = [(most - v) / TAU_MAX for v in values]
    return most + TAU_MAX * mp.log(sum(1 / (1 + d + d * d / 2) for d in gaps))


def fat_min(values):
    return -fat_max([-v for v in values])


def fat_log_step(x):
    x, m = x / TAU_STEP, 1 / mp.sqrt(3)
    return mp.log(mpf(2) / 3 / (1 + (x - m) ** 2) if x < 0 else 1 - mpf(2) / 3 / (1 + (x + m) ** 2))


def joint(moments, z):
    q = len(z)
    cov = mp.matrix(q, q)
    for i in range(q):
        for j in range(q):
            cov[i, j] = moments[q + i * q + j]
    f = mp.cholesky(cov) * mp.matrix(z)
    return [moments[i] + f[i] for i in range(q)]


def log_mean_exp(values):
    return mp.log(sum(mp.exp(v) for v in values) / len(values))


def smooth_ei(*moments):
    return log_mean_exp([fat_max([fat_log_positive(mpf(-1) / 8 - f) for f in joint(moments, z)]) for z in BASE])


def smooth_pi(*moments):
    return log_mean_exp([fat_max([fat_log_step(mpf(-1) / 8 - f) for f in joint(moments, z)]) for z in BASE])


def smooth_ehvi(*moments):
    """Two objectives, reference (1, 1), the front {(0, 1/2), (1/2, 0)}: three boxes, cut along the first."""
    boxes = [((-mp.inf, 0), (-mp.inf, 1)), ((0, mpf(1) / 2), (-mp.inf, mpf(1) / 2)), ((mpf(1) / 2, 1), (-mp.inf, 0))]
    half = len(moments) // 2
    utilities = []
    for z1, z2 in zip(BASE, BASE_2):
        f = list(zip(joint(moments[:half], z1), joint(moments[half:], z2)))
        total = mpf(0)
        for box in boxes:
            for subset in range(1, 2 ** len(f)):
                members = [p for i, p in enumerate(f) if subset >> i & 1]
                side = [fat_min([fat_log_positive(box[m][1] - p[m]) for p in members] +
                                ([mp.log(box[m][1] - box[m][0])] if box[m][0] > -mp.inf else []))
                        for m in range(2)]
                total += (-1) ** (len(members) + 1) * mp.exp(sum(side))
        utilities.append(mp.log(total))
    return log_mean_exp(utilities)


def smoothed():
    block = [mpf(m) for m in MEANS] + [mpf(c) for row in COVARIANCE for c in row]
    rows = []
    for name, function, moments in (("q_log_ei", smooth_ei, block), ("q_log_pi", smooth_pi, block),
                                    ("q_log_ehvi", smooth_ehvi, block + block)):
        gradient = []
        for at in range(len(moments)):
            i = at % len(block) - 3
            other = at + (i % 3) * 3 + i // 3 - i if i >= 0 else at  # the entry across the diagonal

            def moved(by):
                m = list(moments)
                m[at] += by
                if other != at:
                    m[other] += by
                return function(*m)

            step = mpf(10) ** -25
            slope = (moved(step) - moved(-step)) / (2 * step)
            gradient.append(slope / 2 if other != at else slope)
        rows.append({"name": name, "moments": moments, "base": BASE, "base_2": BASE_2,
                     "value": function(*moments), "adjoint": gradient})
    return rows


def plain(value):
    if isinstance(value, mpf):
        return float(value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def write(data):
    lines = [f' "{name}": [\n' + ",\n".join("  " + json.dumps(plain(row)) for row in rows) + "\n ]"
             for name, rows in data.items()]
    path = pathlib.Path(__file__).with_name("reference.json")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write({"marginal": marginal(), "sampled": sampled(), "length": lengths(), "ehvi": ehvi(), "smoothed": smoothed()})
