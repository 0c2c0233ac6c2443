#pragma once

#include "kernels/normal.hpp"
#include "propose/acquisition/term.hpp"

namespace krigon {

/// Log expected improvement below `best`, in the units of the model.
/// Ament et al. 2023, "Unexpected improvements to expected improvement for Bayesian optimization".
struct LogExpectedImprovement {
  double best = 0;

  Term operator()(double mean, double variance) const {
    const LogEi ei = log_expected_improvement(mean, variance, best);
    return {ei.value, ei.d_mean, ei.d_variance};
  }
};

}  // namespace krigon
