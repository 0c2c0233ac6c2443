#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "krigon/study.hpp"
#include "scheduler/sorted_values.hpp"

namespace krigon::detail {

/// What trials reported at a rung: (loss, trial), so that no two entries are equal and ties have an order.
using Rung = Sorted<std::pair<double, std::int64_t>>;

/// How many entries are strictly better.
inline std::size_t better(const Rung& rung, double loss) {
  return rung.below({loss, std::numeric_limits<std::int64_t>::min()});
}

/// floor(n / reduction).
inline std::size_t kept(std::size_t n, double reduction) {
  return static_cast<std::size_t>(static_cast<double>(n) / reduction);
}

/// In which bracket a trial is: a function of its number alone. Bracket s of S takes its share of Hyperband's
/// (Li et al. 2018, algorithm 1): eta^(S-1-s) S/(S-s), so that each bracket is given about the same steps.
class Brackets {
 public:
  explicit Brackets(const EarlyStopping& options);
  std::size_t size() const { return until_.size(); }
  std::size_t of(std::int64_t trial) const;

 private:
  std::vector<double> until_;  ///< cumulative shares
};

}  // namespace krigon::detail
