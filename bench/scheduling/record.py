#!/usr/bin/env python3
"""Records the learning curves that `scripts/bench scheduling` replays: real trainings at random configurations.

  record.py RECORD CONFIGURATIONS [FOLDER]                 with RECORD one of network, boosting, logistic
  record.py --parameters RECORD CONFIGURATIONS [FOLDER]    their parameters alone, without training
  record.py --check RECORD COUNT [FOLDER]                  trains so many of those in FOLDER again, and compares

Configuration i is a function of i alone: a longer record begins with the shorter one. Kept under curves/ are 1,200
networks and 2,000 of each of the others, by scikit-learn 1.2.1 and NumPy 1.24.2.

A record's curves are one line of text, "krigon-curves STEPS LEAST MOST", then a row of STEPS values for each
configuration, each an unsigned 16-bit integer c, little-endian, for LEAST (MOST/LEAST)^(c/65535): values a part in
4,000 apart. What is above MOST, or has diverged to no number at all, stands as MOST.

Its parameters are lines of JSON: the search space, in Krigon's own form, then the values of each configuration in the
space's order, null for one that is inactive there. A training's random state is luck, no parameter.

--check trains with the parameters as they are written. Done so for 40 of each record, it found what is kept, bit by bit.
"""
import json
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


def span(name, kind, low, high, **more):
    return {"name": name, "type": kind, "min": low, "max": high, **more}


def choice(name, values, **more):
    return {"name": name, "values": values, **more}


class Network:
    """Perceptrons on handwritten digits, 600 of them to learn from; an epoch a step, by error and by log loss."""

    space = [
        choice("solver", ["adam", "sgd"]),
        span("width", "log-int", 4, 128),
        span("layers", "int", 1, 3),
        choice("activation", ["relu", "tanh"]),
        span("adam_rate", "log", 1e-5, 1e-1, when={"solver": ["adam"]}),
        span("sgd_rate", "log", 1e-4, 3, when={"solver": ["sgd"]}),
        choice("schedule", ["constant", "invscaling"], when={"solver": ["sgd"]}),
        span("power_t", "linear", 0.05, 0.5, when={"schedule": ["invscaling"]}),
        span("batch_size", "log-int", 16, 512),
        span("alpha", "log", 1e-6, 1),
        span("one_minus_momentum", "log", 0.01, 1, when={"solver": ["sgd"]}),
    ]

    @staticmethod
    def draw(rng):
        adam = rng.random() < 0.5
        p = {"solver": "adam" if adam else "sgd"}
        p["width"] = round(log_uniform(rng, 4, 128))
        p["layers"] = int(rng.integers(1, 4))
        p["activation"] = str(rng.choice(["relu", "tanh"]))
        if adam:
            p["adam_rate"] = log_uniform(rng, 1e-5, 1e-1)
        else:
            p["sgd_rate"] = log_uniform(rng, 1e-4, 3)
            p["schedule"] = str(rng.choice(["constant", "invscaling"]))
        power_t = float(rng.uniform(0.05, 0.5))
        if p.get("schedule") == "invscaling":
            p["power_t"] = power_t
        p["batch_size"] = round(log_uniform(rng, 16, 512))
        p["alpha"] = log_uniform(rng, 1e-6, 1)
        gap = log_uniform(rng, 0.01, 1)
        if not adam:
            p["one_minus_momentum"] = gap
        return p, int(rng.integers(1 << 31))

    @staticmethod
    def train(p, random_state):
        x, y = load_digits(return_X_y=True)
        x = x / 16
        order = np.random.default_rng(0).permutation(len(y))
        train, test = order[:600], order[600:]
        net = MLPClassifier(
            hidden_layer_sizes=(p["width"],) * p["layers"],
            activation=p["activation"],
            solver=p["solver"],
            learning_rate_init=p["adam_rate"] if p["solver"] == "adam" else p["sgd_rate"],
            learning_rate=p.get("schedule", "constant"),
            power_t=p.get("power_t", 0.5),
            batch_size=p["batch_size"],
            alpha=p["alpha"],
            momentum=1 - p.get("one_minus_momentum", 0.1),
            random_state=random_state,
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


class Boosting:
    """Gradient boosting of regression trees, Friedman's first problem, 300 noisy points; a tree a step."""

    space = [
        span("learning_rate", "log", 0.003, 1),
        span("max_depth", "int", 1, 8),
        span("subsample", "linear", 0.1, 1),
        span("min_samples_leaf", "log-int", 1, 60),
        span("max_features", "linear", 0.1, 1),
        choice("loss", ["squared_error", "absolute_error", "huber"]),
    ]

    @staticmethod
    def draw(rng):
        p = {
            "learning_rate": log_uniform(rng, 0.003, 1),
            "max_depth": int(rng.integers(1, 9)),
            "subsample": float(rng.uniform(0.1, 1)),
            "min_samples_leaf": round(log_uniform(rng, 1, 60)),
            "max_features": float(rng.uniform(0.1, 1)),
            "loss": str(rng.choice(["squared_error", "absolute_error", "huber"])),
        }
        return p, int(rng.integers(1 << 31))

    @staticmethod
    def train(p, random_state):
        x, y = make_friedman1(n_samples=1500, n_features=12, noise=2, random_state=0)
        trees = GradientBoostingRegressor(n_estimators=STEPS, random_state=random_state, **p)
        trees.fit(x[:300], y[:300])
        return {"boosting": [float(((q - y[300:]) ** 2).mean()) for q in trees.staged_predict(x[300:])]}


class Logistic:
    """Logistic regression by stochastic gradients, two classes of which a tenth is wrong; an epoch a step."""

    space = [
        choice("penalty", ["l2", "l1", "elasticnet"]),
        span("l1_ratio", "linear", 0, 1, when={"penalty": ["elasticnet"]}),
        span("alpha", "log", 1e-6, 0.3),
        choice("learning_rate", ["constant", "invscaling"]),
        span("eta0", "log", 1e-6, 1),
        span("power_t", "linear", 0.05, 0.7, when={"learning_rate": ["invscaling"]}),
        choice("average", [True, False]),
    ]

    @staticmethod
    def draw(rng):
        p = {"penalty": str(rng.choice(["l2", "l1", "elasticnet"]))}
        l1_ratio = float(rng.uniform(0, 1))
        if p["penalty"] == "elasticnet":
            p["l1_ratio"] = l1_ratio
        p["alpha"] = log_uniform(rng, 1e-6, 0.3)
        p["learning_rate"] = str(rng.choice(["constant", "invscaling"]))
        p["eta0"] = log_uniform(rng, 1e-6, 1)
        power_t = float(rng.uniform(0.05, 0.7))
        if p["learning_rate"] == "invscaling":
            p["power_t"] = power_t
        p["average"] = bool(rng.random() < 0.3)
        return p, int(rng.integers(1 << 31))

    @staticmethod
    def train(p, random_state):
        x, y = make_classification(n_samples=2400, n_features=60, n_informative=12, n_redundant=20, flip_y=0.1,
                                   class_sep=1.5, random_state=0)
        x = x * np.exp(np.random.default_rng(0).uniform(-2, 1, 60))  # units that were left as they came
        model = SGDClassifier(loss="log_loss", random_state=random_state, **p)
        losses = []
        for _ in range(STEPS):
            model.partial_fit(x[:400], y[:400], classes=[0, 1])
            probabilities = model.predict_proba(x[400:])
            if not np.isfinite(probabilities).all():
                break
            losses.append(log_loss(probabilities, y[400:]))
        return {"logistic": losses}


RECORDS = {"network": Network, "boosting": Boosting, "logistic": Logistic}


def draw(record, number):
    return RECORDS[record].draw(np.random.default_rng([number, 1]))


def coded(curve):
    values = np.full(STEPS, MOST)
    values[: len(curve)] = np.clip(curve, LEAST, MOST)
    return np.round(np.log(values / LEAST) / np.log(MOST / LEAST) * 65535).astype("<u2").tobytes()


def write_parameters(record, count, folder):
    space = RECORDS[record].space
    with open(os.path.join(folder, record + ".parameters"), "w") as file:
        print(json.dumps({"parameters": space, "constraints": []}), file=file)
        for number in range(count):
            p, _ = draw(record, number)
            print(json.dumps([p.get(each["name"]) for each in space], separators=(",", ":")), file=file)


def write_curves(record, count, folder):
    files = {}
    for number in range(count):
        for name, curve in RECORDS[record].train(*draw(record, number)).items():
            if name not in files:
                files[name] = open(os.path.join(folder, name + ".curves"), "wb")
                files[name].write(f"krigon-curves {STEPS} {LEAST:g} {MOST:g}\n".encode())
            files[name].write(coded(curve))
    for file in files.values():
        file.close()


def check(record, count, folder):
    """Fails where a training's curve is more than a part in 1,000 from what is kept, at any step."""
    with open(os.path.join(folder, record + ".parameters")) as file:
        names = [each["name"] for each in json.loads(file.readline())["parameters"]]
        rows = [json.loads(line) for line in file]
    worst = {}
    for number in range(0, len(rows), max(1, len(rows) // count))[:count]:
        p = {name: value for name, value in zip(names, rows[number]) if value is not None}
        for name, curve in RECORDS[record].train(p, draw(record, number)[1]).items():
            with open(os.path.join(folder, name + ".curves"), "rb") as file:
                kept = file.read().split(b"\n", 1)[1][2 * STEPS * number : 2 * STEPS * (number + 1)]
            codes = [np.frombuffer(each, "<u2").astype(int) for each in (kept, coded(curve))]
            worst[name] = max(worst.get(name, 0), int(np.abs(codes[0] - codes[1]).max()))
    for name, difference in worst.items():
        apart = (MOST / LEAST) ** (difference / 65535) - 1
        print(f"{name}: {count} of {len(rows)} trained again, at most {apart:.1e} apart")
        if apart > 1e-3:
            sys.exit(f"{name}: the parameters do not belong to the curves")


def main():
    modes = {"--parameters": write_parameters, "--check": check}
    words = sys.argv[1:]
    mode = modes[words.pop(0)] if words and words[0] in modes else write_curves
    if len(words) not in (2, 3) or words[0] not in RECORDS or not words[1].isdigit():
        sys.exit(__doc__)
    folder = words[2] if len(words) == 3 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "curves")
    warnings.filterwarnings("ignore")
    np.seterr(all="ignore")
    mode(words[0], int(words[1]), folder)


if __name__ == "__main__":
    main()
