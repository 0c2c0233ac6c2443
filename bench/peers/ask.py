"""One proposal by Optuna's GPSampler or by BoTorch, after the trials that krigon-bench-peers wrote down; one JSON line
for each line on stdin.

Usage: python ask.py THREADS; each line of stdin names a file with n, d, columns, y (smaller is better), peer and seed.
The answer: seconds.
"""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import optuna  # noqa: E402
import torch  # noqa: E402
from botorch.acquisition.analytic import LogExpectedImprovement  # noqa: E402
from botorch.fit import fit_gpytorch_mll  # noqa: E402
from botorch.models import SingleTaskGP  # noqa: E402
from botorch.optim import optimize_acqf  # noqa: E402
from gpytorch.mlls import ExactMarginalLogLikelihood  # noqa: E402

torch.set_num_threads(int(sys.argv[1]))
optuna.logging.set_verbosity(optuna.logging.ERROR)


def ask_optuna(task):
    spread = {f"x{k}": optuna.distributions.FloatDistribution(0, 1) for k in range(task["d"])}
    study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=task["seed"], n_startup_trials=5))
    d = task["d"]
    study.add_trials([
        optuna.trial.create_trial(params={f"x{k}": task["columns"][i * d + k] for k in range(d)},
                                  distributions=spread, value=task["y"][i]) for i in range(task["n"])])
    start = time.perf_counter()
    study.ask(spread)
    return time.perf_counter() - start


def ask_botorch(task):
    torch.manual_seed(task["seed"])
    x = torch.tensor(task["columns"], dtype=torch.float64).reshape(task["n"], task["d"])
    y = -torch.tensor(task["y"], dtype=torch.float64)[:, None]
    start = time.perf_counter()
    model = SingleTaskGP(x, y)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    acquisition = LogExpectedImprovement(model, best_f=y.max())
    bounds = torch.stack([torch.zeros(task["d"]), torch.ones(task["d"])]).double()
    optimize_acqf(acquisition, bounds=bounds, q=1, num_restarts=20, raw_samples=1024)
    return time.perf_counter() - start


for line in sys.stdin:
    with open(line.strip()) as file:
        task = json.load(file)
    seconds = ask_optuna(task) if task["peer"] == "optuna" else ask_botorch(task)
    print(json.dumps({"seconds": seconds}), flush=True)
