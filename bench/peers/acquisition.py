"""BoTorch's optimize_acqf on the posterior that krigon-bench-peers wrote down; one JSON line for each line on stdin.

Usage: python acquisition.py THREADS; each line of stdin names a file with n, d, columns, z (smaller is better), the
hyperparameters, q, samples and seed. The answer: seconds, and x (q x d).
"""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import torch  # noqa: E402
from botorch.acquisition.analytic import LogExpectedImprovement  # noqa: E402
from botorch.acquisition.logei import qLogExpectedImprovement  # noqa: E402
from botorch.models import SingleTaskGP  # noqa: E402
from botorch.optim import optimize_acqf  # noqa: E402
from botorch.sampling.normal import SobolQMCNormalSampler  # noqa: E402
from gpytorch.kernels import MaternKernel, ScaleKernel  # noqa: E402

torch.set_default_dtype(torch.float64)
torch.set_num_threads(int(sys.argv[1]))


def optimise(task):
    x = torch.tensor(task["columns"]).reshape(task["n"], task["d"])
    z = -torch.tensor(task["z"])[:, None]  # the peer maximises
    model = SingleTaskGP(x, z, covar_module=ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=task["d"])),
                         outcome_transform=None, input_transform=None)
    model.covar_module.base_kernel.lengthscale = torch.tensor(task["lengthscales"])
    model.covar_module.outputscale = task["signal_variance"]
    model.likelihood.noise = max(task["noise_variance"], 1e-4)  # its own lower limit
    model.mean_module.constant.data.fill_(-task["mean"])
    model.eval()
    torch.manual_seed(task["seed"])
    if task["q"] == 1:
        acquisition = LogExpectedImprovement(model, best_f=z.max())
    else:
        sampler = SobolQMCNormalSampler(torch.Size([task["samples"]]), seed=task["seed"])
        acquisition = qLogExpectedImprovement(model, best_f=z.max(), sampler=sampler)
    bounds = torch.stack([torch.zeros(task["d"]), torch.ones(task["d"])])
    model.posterior(x[:1])  # factorised before the clock starts
    start = time.perf_counter()
    candidate, _ = optimize_acqf(acquisition, bounds=bounds, q=task["q"], num_restarts=20, raw_samples=1024)
    return {"seconds": time.perf_counter() - start, "x": candidate.flatten().tolist()}


for line in sys.stdin:
    with open(line.strip()) as file:
        print(json.dumps(optimise(json.load(file))), flush=True)
