#pragma once

#include <functional>

namespace krigon {

/// One logarithmic term of an acquisition function and its adjoints: what it is at a mean and a
/// variance, and its derivatives by them. Larger is better.
struct Term {
  double value = 0;
  double d_mean = 0;
  double d_variance = 0;
};

/// A marginal acquisition: a function of one candidate's mean and variance (> 0), pure.
using MarginalTerm = std::function<Term(double mean, double variance)>;

}  // namespace krigon
