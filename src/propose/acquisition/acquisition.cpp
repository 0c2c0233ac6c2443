#include "propose/acquisition/acquisition.hpp"

#include <algorithm>
#include <utility>

#include "kernels/acquisition/marginal.hpp"

namespace krigon {
namespace {

// A variance that rounding took to 0 (a candidate on top of a noiseless observation) counts as this.
constexpr double kLeastVariance = 1e-20;

}  // namespace

Acquisition::Acquisition(std::vector<Part> parts) : parts_(std::move(parts)) {}

std::size_t Acquisition::columns() const {
  return parts_.front().posterior->column_count();
}

void Acquisition::evaluate(std::span<const double> rows, std::span<double> value, bool vetoes) {
  const std::size_t m = value.size();
  mean_.resize(m);
  variance_.resize(m);
  std::fill(value.begin(), value.end(), 0.0);
  for (const Part& part : parts_) {
    part.posterior->evaluate(rows, mean_, variance_);
    for (std::size_t j = 0; j < m; ++j) {
      const double term = marginal_term(part.term, mean_[j], std::max(variance_[j], kLeastVariance)).value;
      value[j] += vetoes && term < part.veto_below ? -std::numeric_limits<double>::infinity() : term;
    }
  }
}

void Acquisition::evaluate_with_gradient(std::span<const double> rows, std::span<double> value,
                                         std::span<double> gradient) {
  const std::size_t m = value.size();
  mean_.resize(m);
  variance_.resize(m);
  partial_.resize(gradient.size());
  std::fill(value.begin(), value.end(), 0.0);
  std::fill(gradient.begin(), gradient.end(), 0.0);
  for (const Part& part : parts_) {
    const auto adjoint = [&](std::size_t first, std::span<const double> mean,
                             std::span<const double> variance, std::span<double> d_mean,
                             std::span<double> d_variance) {
      for (std::size_t j = 0; j < mean.size(); ++j) {
        const Term term = marginal_term(part.term, mean[j], std::max(variance[j], kLeastVariance));
        value[first + j] += term.value;
        d_mean[j] = term.d_mean;
        d_variance[j] = term.d_variance;
      }
    };
    part.posterior->evaluate_with_gradient(rows, mean_, variance_, adjoint, partial_);
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += partial_[i];
  }
}

}  // namespace krigon
