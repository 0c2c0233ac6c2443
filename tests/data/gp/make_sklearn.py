"""Values of scikit-learn's GaussianProcessRegressor for covariances of several factors.

Writes sklearn.json beside this file. theta is in Krigon's order: ln lengthscales, ln periods, ln signal
variances, ln noise variance, mean (0: scikit-learn has none); its gradient too.
    python3 make_sklearn.py
"""

import json
import os

import numpy as np
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, ExpSineSquared, Matern, WhiteKernel

random = np.random.default_rng(20)
MATERN52, MATERN32, RBF_KIND, PERIODIC, LINEAR = range(5)


def factor(kind, columns, groups, term=0, periods=()):
    return {"kind": kind, "columns": columns, "groups": groups, "periods": list(periods), "term": term}


def case(name, n, d, factors, kernel, noise, theta, order, known=False):
    """`order`: for each entry of Krigon's gradient but the mean's, the entry of scikit-learn's theta and the
    factor that turns the one into the other."""
    x = random.uniform(size=(n, d))
    y = np.sin(5 * x).sum(axis=1) + 0.3 * random.normal(size=n)
    y = (y - y.mean()) / y.std()
    known_noise = random.uniform(0.01, 0.2, size=n) if known else np.zeros(n)
    whole = kernel + WhiteKernel(noise)
    process = GaussianProcessRegressor(whole, alpha=known_noise + 0.0, optimizer=None).fit(x, y)
    value, gradient = process.log_marginal_likelihood(process.kernel_.theta, eval_gradient=True)
    at = random.uniform(size=(6, d))
    # Without the noise of new observations.
    latent = GaussianProcessRegressor(kernel, alpha=known_noise + noise, optimizer=None).fit(x, y)
    mean, covariance = latent.predict(at, return_cov=True)
    k = whole(x) + np.diag(known_noise)
    return {
        "name": name, "n": n, "columns": x.ravel().tolist(), "targets": y.tolist(),
        "noise": known_noise.tolist() if known else [], "factors": factors,
        "theta": [float(np.log(v)) for v in theta] + [float(np.log(noise)), 0.0],
        "condition": float(np.linalg.cond(k)),
        "likelihood": float(value),
        "gradient": [float(scale * gradient[index]) for index, scale in order + [(len(gradient) - 1, 1.0)]],
        "candidates": at.ravel().tolist(), "mean": mean.tolist(), "covariance": covariance.ravel().tolist(),
    }


def main():
    cases = [
        case("Matern-3/2", 25, 3, [factor(MATERN32, [0, 1, 2], [0, 1, 2])],
             ConstantKernel(1.4) * Matern([0.4, 0.9, 2.0], nu=1.5), 0.02, [0.4, 0.9, 2.0, 1.4],
             [(1, 1.0), (2, 1.0), (3, 1.0), (0, 1.0)]),
        case("rbf, known noise", 25, 3, [factor(RBF_KIND, [0, 1, 2], [0, 1, 2])],
             ConstantKernel(0.8) * RBF([0.4, 0.9, 2.0]), 0.02, [0.4, 0.9, 2.0, 0.8],
             [(1, 1.0), (2, 1.0), (3, 1.0), (0, 1.0)], known=True),
        case("periodic", 25, 1, [factor(PERIODIC, [0], [0], periods=[0])],
             ConstantKernel(0.8) * ExpSineSquared(0.7, 0.3), 0.02, [0.7, 0.3, 0.8], [(1, 1.0), (2, 1.0), (0, 1.0)]),
        # A linear covariance has its lengthscale in its signal variance: s2 / l^2.
        case("linear", 25, 2, [factor(LINEAR, [0, 1], [0, 0])],
             ConstantKernel(0.8 / 0.49) * DotProduct(0.0, "fixed"), 0.05, [0.7, 0.8], [(0, -2.0), (0, 1.0)]),
        case("sum", 25, 2, [factor(MATERN52, [0, 1], [0, 1], 0), factor(LINEAR, [0, 1], [2, 2], 1)],
             ConstantKernel(1.3) * Matern([0.5, 0.8], nu=2.5) + ConstantKernel(0.6) * DotProduct(0.0, "fixed"), 0.02,
             [0.5, 0.8, 1.0, 1.3, 0.6], [(1, 1.0), (2, 1.0), (3, -2.0), (0, 1.0), (3, 1.0)]),
        case("product", 25, 2, [factor(MATERN32, [0, 1], [0, 1]), factor(RBF_KIND, [0, 1], [2, 3])],
             ConstantKernel(1.3) * Matern([0.5, 0.8], nu=1.5) * RBF([0.9, 1.5]), 0.02, [0.5, 0.8, 0.9, 1.5, 1.3],
             [(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0), (0, 1.0)]),
        case("decaying periodic", 30, 1, [factor(MATERN52, [0], [0]), factor(PERIODIC, [0], [1], periods=[0])],
             ConstantKernel(1.3) * Matern(0.8, nu=2.5) * ExpSineSquared(0.7, 0.3), 0.02, [0.8, 0.7, 0.3, 1.3],
             [(1, 1.0), (2, 1.0), (3, 1.0), (0, 1.0)], known=True),
    ]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "sklearn.json"), "w") as file:
        json.dump({"package": f"scikit-learn {sklearn.__version__}", "cases": cases}, file, indent=1)
        file.write("\n")


main()
