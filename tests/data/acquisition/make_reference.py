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
    mp.dps = 60 + max(0, int(8 * mp.log10(1 + abs(u))))
    value = mp.log(sigma * (pdf(u) + u * cdf(u)))
    mp.dps = 60
    return value


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
    write({"marginal": marginal()})
