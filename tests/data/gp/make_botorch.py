"""Values of GPyTorch and BoTorch, of exact processes and of acquisitions over them.

Writes botorch.json beside this file. Needs `scripts/setup --peers`; run by build/peers/bin/python:
    build/peers/bin/python tests/data/gp/make_botorch.py

BoTorch maximises and Krigon minimises, so BoTorch's models are of -z, with minus the mean. theta is in
Krigon's order: ln lengthscales, ln signal variance, ln noise variance, mean. Base samples are those for
Krigon's f = mean + L z, so minus BoTorch's. All in float64.
"""

import json
import os

import botorch
import gpytorch
import numpy as np
import torch
from botorch.acquisition import LogExpectedImprovement, qUpperConfidenceBound
from botorch.acquisition.logei import qLogExpectedImprovement, qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.logei import qLogExpectedHypervolumeImprovement
from botorch.models import ModelListGP, SingleTaskGP
from botorch.sampling import IIDNormalSampler
from botorch.utils.multi_objective.box_decompositions.non_dominated import NondominatedPartitioning
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import MaternKernel, ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood

torch.set_default_dtype(torch.float64)
random = np.random.default_rng(30)


def model_of(x, z, lengthscales, signal, noise, mean):
    kernel = ScaleKernel(MaternKernel(nu=2.5, ard_num_dims=x.shape[1]))
    likelihood = GaussianLikelihood(noise_constraint=GreaterThan(1e-12))
    model = SingleTaskGP(torch.tensor(x), -torch.tensor(z)[:, None], likelihood=likelihood, covar_module=kernel,
                         outcome_transform=None, input_transform=None)
    kernel.base_kernel.lengthscale = torch.tensor(lengthscales)
    kernel.outputscale = signal
    likelihood.noise = noise
    model.mean_module.constant.data.fill_(-mean)
    return model


def likelihood_and_gradient(model):
    """By logarithms: a raw parameter is the inverse softplus of the value, less the value's bound."""
    model.train()
    value = model.likelihood(model(model.train_inputs[0])).log_prob(model.train_targets)
    kernel, constant = model.covar_module, model.mean_module.raw_constant
    pairs = [(kernel.base_kernel.raw_lengthscale, kernel.base_kernel.lengthscale),
             (kernel.raw_outputscale, kernel.outputscale),
             (model.likelihood.noise_covar.raw_noise, model.likelihood.noise)]
    gradients = torch.autograd.grad(value, [raw for raw, _ in pairs] + [constant])
    by_log = [(g * natural / torch.sigmoid(raw)).flatten() for g, (raw, natural) in zip(gradients, pairs)]
    model.eval()
    return value.item(), torch.cat(by_log).tolist() + [-gradients[-1].item()]


def sampler_of(base):
    """Of S x q x M base samples; BoTorch drops the last axis where there is one objective."""
    base = base[:, :, 0] if base.shape[2] == 1 else base
    sampler = IIDNormalSampler(torch.Size([base.shape[0]]))
    sampler.register_buffer("base_samples", -torch.tensor(base)[:, None])
    return sampler


def kept(acquisition, base):
    """BoTorch draws new base samples where it dislikes the shape of the given ones, and says nothing."""
    assert np.array_equal(acquisition.sampler.base_samples.numpy().ravel(), -base.ravel())


def value_and_gradient(acquisition, at, base=None):
    x = torch.tensor(at, requires_grad=True)
    value = acquisition(x[None]).squeeze()
    (gradient,) = torch.autograd.grad(value, x)
    if base is not None:
        kept(acquisition, base)
    return {"value": value.item(), "gradient": gradient.flatten().tolist()}


def flat(array):
    return np.asarray(array).ravel().tolist()


def data_of(n, d, shift=0.0):
    x = random.uniform(size=(n, d))
    z = np.sin(5 * x + shift).sum(axis=1) + 0.1 * random.normal(size=n)
    return x, (z - z.mean()) / z.std()


def case(name, n, d, lengthscales, signal, noise, mean, q, samples):
    x, z = data_of(n, d)
    model = model_of(x, z, lengthscales, signal, noise, mean)
    likelihood, gradient = likelihood_and_gradient(model)
    at = random.uniform(size=(q, d))
    base = random.normal(size=(samples, q, 1))
    # BoTorch's confidence bound takes the samples' mean for the mean; so that this is no difference.
    base -= base.mean(axis=0)
    with torch.no_grad():
        posterior = model.posterior(torch.tensor(at))
        covariance = posterior.distribution.covariance_matrix.numpy()
        expected = -posterior.mean.numpy()
        k = model.covar_module(torch.tensor(x)).to_dense().numpy() + noise * np.eye(n)
    best = float(z.min())
    few = slice(0, 4)
    few_base = random.normal(size=(samples, 4 + q, 1))
    noisy = qLogNoisyExpectedImprovement(model, torch.tensor(x[few]), sampler=sampler_of(few_base),
                                         prune_baseline=False, cache_root=False)
    return {
        "name": name, "n": n, "columns": flat(x), "targets": flat(z),
        "theta": flat(np.log(lengthscales)) + [float(np.log(signal)), float(np.log(noise)), mean],
        "condition": float(np.linalg.cond(k)), "likelihood": likelihood, "gradient": gradient,
        "candidates": flat(at), "mean": flat(expected), "covariance": flat(covariance),
        "joint_condition": float(np.linalg.cond(covariance)), "best": best, "samples": samples, "base": flat(base),
        "log_ei": [value_and_gradient(LogExpectedImprovement(model, -best), row[None]) for row in at],
        "q_log_ei": value_and_gradient(qLogExpectedImprovement(model, -best, sampler=sampler_of(base)), at, base),
        "kappa": 1.5,
        "q_ucb": value_and_gradient(qUpperConfidenceBound(model, 1.5**2, sampler=sampler_of(base)), at, base),
        "q_log_nei": {"baseline": flat(x[few]), "base": flat(few_base),
                      "value": value_and_gradient(noisy, at, few_base)["value"]},
    }


def objectives(n, d, count, q, samples):
    x, _ = data_of(n, d)
    parts, models = [], []
    for m in range(count):
        z = np.sin(4 * x + 2 * m).sum(axis=1)
        z = (z - z.mean()) / z.std()
        lengthscales, signal, noise = [0.5 + 0.1 * m] * d, 1.2, 1e-3
        models.append(model_of(x, z, lengthscales, signal, noise, 0.0))
        models[-1].eval()
        parts.append({"targets": flat(z),
                      "theta": flat(np.log(lengthscales)) + [float(np.log(signal)), float(np.log(noise)), 0.0]})
    model = ModelListGP(*models)
    y = -np.stack([p["targets"] for p in parts], axis=1)
    reference = [1.0] * count
    boxes = NondominatedPartitioning(-torch.tensor(reference), torch.tensor(y))
    at = random.uniform(size=(q, d))
    base = random.normal(size=(samples, q, count))
    exact = ExpectedHypervolumeImprovement(model, [-r for r in reference], boxes)
    joint = qLogExpectedHypervolumeImprovement(model, [-r for r in reference], boxes, sampler=sampler_of(base))
    with torch.no_grad():
        one = [float(np.log(exact(torch.tensor(row[None])[None]).item())) for row in at]
        several = joint(torch.tensor(at)[None]).item()
    kept(joint, base)
    # The smoothed sum depends on how the space was cut, so these go along; null is -infinity.
    lower = [v if np.isfinite(v) else None for v in flat(-joint.cell_upper_bounds.numpy())]
    cells = {"lower": lower, "upper": flat(-joint.cell_lower_bounds.numpy())}
    return {"n": n, "columns": flat(x), "objectives": parts, "reference": reference, "candidates": flat(at), "q": q,
            "samples": samples, "base": flat(np.transpose(base, (0, 2, 1))), "log_ehvi": one, "cells": cells,
            "q_log_ehvi": several}


def main():
    exact = (gpytorch.settings.fast_computations(False, False, False), gpytorch.settings.fast_pred_var(False))
    with exact[0], exact[1]:
        result = {
            "packages": f"botorch {botorch.__version__}, gpytorch {gpytorch.__version__}, torch {torch.__version__}",
            "cases": [
                case("two columns", 20, 2, [0.4, 0.7], 1.3, 0.01, 0.1, 3, 32),
                case("six columns", 30, 6, [0.6, 0.8, 1.0, 1.3, 1.7, 2.2], 0.8, 0.05, -0.2, 4, 32),
                case("little noise", 25, 3, [0.5, 0.9, 1.5], 1.5, 1e-6, 0.0, 2, 64),
            ],
            "hypervolume": [objectives(12, 2, 2, 2, 32), objectives(12, 3, 3, 2, 32)],
        }
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "botorch.json"), "w") as file:
        lists = {name: rows for name, rows in result.items() if isinstance(rows, list)}
        file.write(f'{{\n "packages": {json.dumps(result["packages"])}')
        for name, rows in lists.items():
            file.write(f',\n "{name}": [\n' + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]")
        file.write("\n}\n")


main()
