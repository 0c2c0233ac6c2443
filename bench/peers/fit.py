"""BoTorch's fit of the process that krigon-bench-peers wrote down; one JSON line for each line on stdin.

Usage: python fit.py THREADS [DEVICE]; each line of stdin names a file with n, d, columns, z (in model units) and the
priors' numbers. The answer: seconds, evaluations, and theta in Krigon's order.
"""

import json
import math
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import torch  # noqa: E402
from botorch.fit import fit_gpytorch_mll  # noqa: E402
from botorch.models import SingleTaskGP  # noqa: E402
from gpytorch.constraints import Interval  # noqa: E402
from gpytorch.kernels import MaternKernel, ScaleKernel  # noqa: E402
from gpytorch.likelihoods import GaussianLikelihood  # noqa: E402
from gpytorch.mlls import ExactMarginalLogLikelihood  # noqa: E402
from gpytorch.priors import NormalPrior  # noqa: E402

torch.set_default_dtype(torch.float64)
torch.set_num_threads(int(sys.argv[1]))
if len(sys.argv) > 2:
    torch.set_default_device(sys.argv[2])


def on_log(module, raw, name, prior):
    """Krigon's prior: a normal density of the parameter's logarithm, cut off at bounds."""
    module.register_prior(f"{raw}_log_prior", NormalPrior(prior["location"], prior["scale"]),
                          lambda m, name=name: torch.log(getattr(m, name)))


def bounds(prior):
    return Interval(math.exp(prior["lower"]), math.exp(prior["upper"]), initial_value=math.exp(prior["location"]))


def fit(task):
    x = torch.tensor(task["columns"]).reshape(task["n"], task["d"])
    z = torch.tensor(task["z"])[:, None]
    priors = task["priors"]
    matern = MaternKernel(nu=2.5, ard_num_dims=task["d"], lengthscale_constraint=bounds(priors["lengthscale"]))
    kernel = ScaleKernel(matern, outputscale_constraint=bounds(priors["signal_variance"]))
    # From a noise of 0.01 upwards, as Krigon: with little of it the likelihood is a narrow ridge.
    noise = dict(priors["noise_variance"])
    constraint = Interval(math.exp(noise["lower"]), math.exp(noise["upper"]), initial_value=0.01)
    likelihood = GaussianLikelihood(noise_constraint=constraint)
    model = SingleTaskGP(x, z, likelihood=likelihood, covar_module=kernel, outcome_transform=None,
                         input_transform=None)
    on_log(matern, "lengthscale", "lengthscale", priors["lengthscale"])
    on_log(kernel, "outputscale", "outputscale", priors["signal_variance"])
    on_log(likelihood, "noise", "noise", noise)
    model.mean_module.register_prior("mean_prior", NormalPrior(0.0, priors["mean_scale"]), "constant")
    mll = ExactMarginalLogLikelihood(likelihood, model)
    evaluations = 0

    forward = mll.forward

    def counted(*arguments, **options):  # GPyTorch's modules call no hooks
        nonlocal evaluations
        evaluations += 1
        return forward(*arguments, **options)

    mll.forward = counted
    start = time.perf_counter()
    fit_gpytorch_mll(mll)
    seconds = time.perf_counter() - start
    theta = torch.cat([torch.log(matern.lengthscale).flatten(), torch.log(kernel.outputscale).flatten(),
                       torch.log(likelihood.noise).flatten(), model.mean_module.constant.flatten()])
    return {"seconds": seconds, "evaluations": evaluations, "theta": theta.tolist()}


for line in sys.stdin:
    with open(line.strip()) as file:
        print(json.dumps(fit(json.load(file))), flush=True)
