#pragma once

#include <limits>
#include <span>
#include <vector>

#include "kernels/acquisition/term.hpp"
#include "model/gp.hpp"

namespace krigon {

/// A sum of marginal terms, each over the moments of one posterior; all posteriors have the same
/// columns. Constrained and cost-aware acquisitions are sums like this, not classes of their own.
class Acquisition {
 public:
  struct Part {
    MarginalPosterior* posterior;  ///< not null, outlives this
    MarginalTerm term;
    /// A term below this is a veto: the product of a great promise and a hopeless chance can still be
    /// the largest there is.
    double veto_below = -std::numeric_limits<double>::infinity();
  };
  explicit Acquisition(std::vector<Part> parts);

  std::size_t columns() const;
  /// The value at each row (m x columns(), row-major); -infinity where `vetoes` and a part vetoes.
  void evaluate(std::span<const double> rows, std::span<double> value, bool vetoes = false);
  /// The value without vetoes, and its gradient over the rows (m x columns()).
  void evaluate_with_gradient(std::span<const double> rows, std::span<double> value,
                              std::span<double> gradient);

 private:
  std::vector<Part> parts_;
  std::vector<double> mean_, variance_, partial_;
};

}  // namespace krigon
