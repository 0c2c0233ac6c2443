#!/usr/bin/env python3
"""Records the learning curves that `scripts/bench scheduling` replays: real trainings at random configurations.

  record.py RECORD CONFIGURATIONS [FOLDER]    with RECORD one of network, boosting, logistic

Configuration i is a function of i alone: a longer record begins with the shorter one. Kept under curves/ are 1,200
networks and 2,000 of each of the others, by scikit-learn 1.2.1 and NumPy 1.24.2.

A record is one line of text, "krigon-curves STEPS LEAST MOST", then a row of STEPS values for each configuration,
each an unsigned 16-bit integer c, little-endian, for LEAST (MOST/LEAST)^(c/65535): values a part in 4,000 apart. What
is above MOST, or has diverged to no number at all, stands as MOST.
"""
import os
import sys
import warnings

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[threads] = "1"

import numpy as np
from sklearn.datasets import load_digits, make_classification, make_friedman1
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

STEPS = 81
LEAST, MOST = 1e-4, 1e3


def log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def log_loss(probabilities, labels):
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, 1e-15)).mean())


def network(rng):
    """Perceptrons on handwritten digits, 600 of them to learn from; an epoch a step, by error and by log loss."""
    x, y = load_digits(return_X_y=True)
    x = x / 16
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:600], order[600:]
    adam = rng.random() < 0.5
    net = MLPClassifier(
        hidden_layer_sizes=(round(log_uniform(rng, 4, 128)),) * int(rng.integers(1, 4)),
        activation=str(rng.choice(["relu", "tanh"])),
        solver="adam" if adam else "sgd",
        learning_rate_init=log_uniform(rng, 1e-5, 1e-1) if adam else log_uniform(rng, 1e-4, 3),
        learning_rate="constant" if adam else str(rng.choice(["constant", "invscaling"])),
        power_t=float(rng.uniform(0.05, 0.5)),
        batch_size=round(log_uniform(rng, 16, 512)),
        alpha=log_uniform(rng, 1e-6, 1),
        momentum=float(1 - log_uniform(rng, 0.01, 1)),
        random_state=int(rng.integers(1 << 31)),
    )
    errors, losses = [], []
    for _ in range(STEPS):
        try:
            net.partial_fit(x[train], y[train], classes=np.arange(10))
        except ValueError as error:
            if "non-finite" not in str(error):
                raise
            break  # diverged
        probabilities = net.predict_proba(x[test])
        if not np.isfinite(probabilities).all():
            break
        errors.append(float((probabilities.argmax(axis=1) != y[test]).mean()))
        losses.append(log_loss(probabilities, y[test]))
    return {"network-error": errors, "network-loss": losses}


def boosting(rng):
    """Gradient boosting of regression trees, Friedman's first problem, 300 noisy points; a tree a step."""
    x, y = make_friedman1(n_samples=1500, n_features=12, noise=2, random_state=0)
    trees = GradientBoostingRegressor(
        n_estimators=STEPS,
        learning_rate=log_uniform(rng, 0.003, 1),
        max_depth=int(rng.integers(1, 9)),
        subsample=float(rng.uniform(0.1, 1)),
        min_samples_leaf=round(log_uniform(rng, 1, 60)),
        max_features=float(rng.uniform(0.1, 1)),
        loss=str(rng.choice(["squared_error", "absolute_error", "huber"])),
        random_state=int(rng.integers(1 << 31)),
    )
    trees.fit(x[:300], y[:300])
    return {"boosting": [float(((p - y[300:]) ** 2).mean()) for p in trees.staged_predict(x[300:])]}


def logistic(rng):
    """Logistic regression by stochastic gradients, two classes of which a tenth is wrong; an epoch a step."""
    x, y = make_classification(n_samples=2400, n_features=60, n_informative=12, n_redundant=20, flip_y=0.1,
                               class_sep=1.5, random_state=0)
    x = x * np.exp(np.random.default_rng(0).uniform(-2, 1, 60))  # units that were left as they came
    model = SGDClassifier(
        loss="log_loss",
        penalty=str(rng.choice(["l2", "l1", "elasticnet"])),
        l1_ratio=float(rng.uniform(0, 1)),
        alpha=log_uniform(rng, 1e-6, 0.3),
        learning_rate=str(rng.choice(["constant", "invscaling"])),
        eta0=log_uniform(rng, 1e-6, 1),
        power_t=float(rng.uniform(0.05, 0.7)),
        average=bool(rng.random() < 0.3),
        random_state=int(rng.integers(1 << 31)),
    )
    losses = []
    for _ in range(STEPS):
        model.partial_fit(x[:400], y[:400], classes=[0, 1])
        probabilities = model.predict_proba(x[400:])
        if not np.isfinite(probabilities).all():
            break
        losses.append(log_loss(probabilities, y[400:]))
    return {"logistic": losses}


def coded(curve):
    values = np.full(STEPS, MOST)
    values[: len(curve)] = np.clip(curve, LEAST, MOST)
    return np.round(np.log(values / LEAST) / np.log(MOST / LEAST) * 65535).astype("<u2").tobytes()


def main():
    records = {"network": network, "boosting": boosting, "logistic": logistic}
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in records or not sys.argv[2].isdigit():
        sys.exit(__doc__)
    folder = sys.argv[3] if len(sys.argv) == 4 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "curves")
    warnings.filterwarnings("ignore")
    np.seterr(all="ignore")
    files = {}
    for number in range(int(sys.argv[2])):
        curves = records[sys.argv[1]](np.random.default_rng([number, 1]))
        for name, curve in curves.items():
            if name not in files:
                files[name] = open(os.path.join(folder, name + ".curves"), "wb")
                files[name].write(f"krigon-curves {STEPS} {LEAST:g} {MOST:g}\n".encode())
            files[name].write(coded(curve))
    for file in files.values():
        file.close()


if __name__ == "__main__":
    main()
