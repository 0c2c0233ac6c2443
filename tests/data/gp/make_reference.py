#!/usr/bin/python3
"""Makes reference.json: Gaussian-process numbers at 50 digits, independent of the C++ code.

Every derivative is a central difference at 50 digits (step 1e-16, so 30 digits are good), not a
formula: a wrong formula cannot be right twice. Needs python3-mpmath. Run from anywhere:

    python3 tests/data/gp/make_reference.py

Conventions are those of src/model/gp.hpp. `condition` is the 1-norm condition number of K.
"""

import json
import pathlib
import random

from mpmath import mp, mpf

mp.dps = 50
STEP = mpf(10) ** -16


def matern52(r2):
    a = mp.sqrt(5 * r2)
    return (1 + a + a * a / 3) * mp.exp(-a)


def covariance(x, y, groups, log_length):
    r2 = mpf(0)
    for k, group in enumerate(groups):
        r2 += ((x[k] - y[k]) / mp.exp(log_length[group])) ** 2
    return matern52(r2)


def gram(points, groups, theta):
    count = max(groups) + 1
    s2, t2 = mp.exp(theta[count]), mp.exp(theta[count + 1])
    n = len(points)
    k = [[mpf(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            k[i][j] = k[j][i] = s2 * covariance(points[i], points[j], groups, theta[:count])
        k[i][i] += t2
    return k


def cholesky(k):
    n = len(k)
    l = [[mpf(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            s = k[i][j] - mp.fdot(zip(l[i][:j], l[j][:j]))
            l[i][j] = mp.sqrt(s) if i == j else s / l[j][j]
    return l


def forward(l, b):
    y = []
    for i, row in enumerate(l):
        y.append((b[i] - mp.fdot(zip(row[:i], y))) / row[i])
    return y


def backward(l, b):
    n = len(l)
    x = [mpf(0)] * n
    for i in reversed(range(n)):
        s = mp.fsum(l[j][i] * x[j] for j in range(i + 1, n))
        x[i] = (b[i] - s) / l[i][i]
    return x


def likelihood(points, groups, targets, theta):
    l = cholesky(gram(points, groups, theta))
    v = forward(l, [t - theta[-1] for t in targets])
    n = len(points)
    return -mp.fdot(v, v) / 2 - mp.fsum(mp.log(l[i][i]) for i in range(n)) - n * mp.log(2 * mp.pi) / 2


def condition(k):
    n = len(k)
    l = cholesky(k)
    norm = max(mp.fsum(abs(e) for e in row) for row in k)
    inverse = 0
    for j in range(n):
        unit = [mpf(1) if i == j else mpf(0) for i in range(n)]
        inverse = max(inverse, mp.fsum(abs(e) for e in backward(l, forward(l, unit))))
    return norm * inverse


def difference(f, x, k):
    up, down = list(x), list(x)
    up[k] += STEP
    down[k] -= STEP
    return [(a - b) / (2 * STEP) for a, b in zip(f(up), f(down))]


def case(name, seed, n, groups, log_length, log_s2, log_t2, mean, candidates=4, duplicates=0, spread=1.0):
    rng = random.Random(seed)
    count = max(groups) + 1
    sizes = [groups.count(g) for g in range(count)]

    def point():
        row = []
        for g in range(count):
            if sizes[g] == 1:
                row.append(rng.random() * spread)
            else:
                chosen = rng.randrange(sizes[g])
                row.extend(1.0 if c == chosen else 0.0 for c in range(sizes[g]))
        return row

    points = [point() for _ in range(n - duplicates)]
    points += [list(points[i % (n - duplicates)]) for i in range(duplicates)]
    targets = [rng.gauss(0, 1) for _ in range(n)]
    theta = [float(v) for v in log_length] + [log_s2, log_t2, mean]
    x = [point() for _ in range(candidates)]

    mtheta = [mpf(t) for t in theta]
    mpoints = [[mpf(v) for v in row] for row in points]
    mtargets = [mpf(t) for t in targets]
    f = lambda t: [likelihood(mpoints, groups, mtargets, t)]
    k = gram(mpoints, groups, mtheta)
    l = cholesky(k)
    alpha = backward(l, forward(l, [t - mtheta[-1] for t in mtargets]))
    s2 = mp.exp(mtheta[count])

    def posterior(z):
        kx = [s2 * covariance(p, z, groups, mtheta[:count]) for p in mpoints]
        v = forward(l, kx)
        return [mtheta[-1] + mp.fdot(kx, alpha), s2 - mp.fdot(v, v)]

    means, variances, mean_gradients, variance_gradients = [], [], [], []
    for row in x:
        z = [mpf(v) for v in row]
        m, v = posterior(z)
        gradient = [difference(posterior, z, d) for d in range(len(z))]
        means.append(float(m))
        variances.append(float(v))
        mean_gradients.append([float(g[0]) for g in gradient])
        variance_gradients.append([float(g[1]) for g in gradient])
    print(name, "done", flush=True)
    return {
        "name": name,
        "n": n,
        "groups": groups,
        "columns": [v for row in points for v in row],
        "targets": targets,
        "theta": theta,
        "condition": float(condition(k)),
        "likelihood": float(f(mtheta)[0]),
        "gradient": [float(difference(f, mtheta, i)[0]) for i in range(len(theta))],
        "candidates": [v for row in x for v in row],
        "mean": means,
        "variance": variances,
        "mean_gradient": [v for g in mean_gradients for v in g],
        "variance_gradient": [v for g in variance_gradients for v in g],
    }


def log_h(u):
    u = mpf(u)
    # Phi by erfc of the positive argument; 50 digits do not survive h's cancellation at u = -1e8
    # (a factor of 1e16 in each of two steps), so many more are carried.
    with mp.workdps(120):
        if u < -1000:
            # Asymptotic: h = phi(u) t (1 - 3t + 15t^2 - ...), t = 1/u^2; exact to 50 digits here.
            t = 1 / (u * u)
            rest, term = mpf(0), t
            for k in range(1, 30):
                rest += term
                term *= -(2 * k + 1) * t
            ratio = (1 - rest) / -u
            log = -u * u / 2 - mp.log(2 * mp.pi) / 2 + mp.log(rest)
            return log, ratio / rest
        phi = mp.exp(-u * u / 2) / mp.sqrt(2 * mp.pi)
        cdf = mp.erfc(-u / mp.sqrt(2)) / 2
        h = phi + u * cdf
        return mp.log(h), cdf / h


def log_h_table():
    points = [-1e150, -1e20, -1e8, -1000001.0, -1e6, -999999.0, -1e5, -1001.0, -500.0, -100.0, -40.0, -38.0]
    points += [-36.0, -35.0, -34.999, -30.0, -20.0, -10.0, -5.0, -2.0, -1.0000000001, -1.0, -0.9999999999]
    points += [-0.5, 0.0, 0.5, 1.0, 3.0, 8.0, 20.0, 1e4]
    table = []
    for u in points:
        value, derivative = log_h(u)
        table.append({"u": u, "value": float(value), "derivative": float(derivative)})
    return table


def log_ei(mean, variance, best):
    sigma = mp.sqrt(variance)
    return [log_h((best - mean) / sigma)[0] + mp.log(sigma)]


def log_ei_table():
    table = []
    for mean, variance, best in [
        (0.3, 1.0, -1.2), (2.0, 0.01, -2.0), (5.0, 1e-4, -3.0), (-1.0, 0.5, 1.0), (0.0, 1e-12, -1.0),
        (1e-3, 1e-6, 0.0), (0.5, 4.0, 0.5), (-4.0, 1e-2, 0.0),
    ]:
        x = [mpf(mean), mpf(variance)]
        # Steps relative to sigma: a fixed one would leave the range where variance is 1e-12.
        h = mp.sqrt(x[1]) * mpf(10) ** -18
        d_mean = (log_ei(x[0] + h, x[1], mpf(best))[0] - log_ei(x[0] - h, x[1], mpf(best))[0]) / (2 * h)
        h = x[1] * mpf(10) ** -18
        d_variance = (log_ei(x[0], x[1] + h, mpf(best))[0] - log_ei(x[0], x[1] - h, mpf(best))[0]) / (2 * h)
        table.append({
            "mean": mean, "variance": variance, "best": best, "value": float(log_ei(*x, mpf(best))[0]),
            "d_mean": float(d_mean), "d_variance": float(d_variance),
        })
    return table


def main():
    cases = [
        case("one point", 1, 1, [0], [-1.0], 0.2, -4.0, 0.3),
        case("two points, two columns", 2, 2, [0, 1], [-0.5, 0.4], -0.3, -6.0, -0.2),
        case("one column", 3, 7, [0], [-1.2], 0.5, -3.0, 0.0),
        case("three columns", 4, 24, [0, 1, 2], [-0.7, 0.1, 0.8], 0.1, -2.0, 0.25),
        case("small noise", 5, 30, [0, 1], [-0.2, 0.3], 0.4, -9.0, -0.1),
        case("eight columns", 6, 45, list(range(8)), [0.1 * k - 0.3 for k in range(8)], -0.2, -4.5, 0.05),
        case("twenty columns", 7, 20, list(range(20)), [0.3 + 0.03 * k for k in range(20)], 0.1, -3.0, 0.2),
        case("one categorical", 8, 26, [0, 1, 1, 1, 2], [-0.4, 0.2, 0.5], 0.3, -3.5, 0.1),
        case("two categoricals", 9, 30, [0, 0, 1, 2, 2, 2, 2], [0.1, -0.3, 0.7], -0.1, -4.0, -0.3),
        case("duplicates", 10, 30, [0, 1], [-0.5, 0.0], 0.0, -8.0, 0.1, duplicates=12),
        case("noise 1e-6, long lengths", 11, 25, [0, 1], [1.5, 1.8], 0.0, -13.8, 0.0),
        case("noise 1e-12", 12, 16, [0, 1], [-0.9, -0.6], 0.2, -27.6, 0.0),
        case("near-singular", 13, 20, [0], [1.0], 0.3, -25.0, 0.0, spread=0.5),
        case("short lengths", 14, 22, [0, 1], [-4.0, -3.5], 0.2, -3.0, 0.0),
        case("several blocks", 15, 180, [0, 1], [-0.6, -0.2], 0.1, -3.5, 0.1, candidates=2),
    ]
    out = {"cases": cases, "log_h": log_h_table(), "log_ei": log_ei_table()}
    path = pathlib.Path(__file__).with_name("reference.json")
    path.write_text(json.dumps(out, indent=1) + "\n")


main()
