#pragma once

#include <cmath>

#include "kernels/acquisition/term.hpp"

namespace krigon {

/// Log of the variance: active learning, where the model knows least. Up to a constant twice the
/// entropy of f there (MacKay 1992).
inline MarginalTerm log_variance() {
  return {MarginalKind::log_variance};
}

KRIGON_ELEMENT Term log_variance_term(const MarginalTerm&, double, double variance) {
  return {std::log(variance), 0.0, 1.0 / variance};
}

}  // namespace krigon
