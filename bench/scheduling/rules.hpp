#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"
#include "problems.hpp"

namespace krigon::bench {

/// No rule to choose, but what the others are held against: thresholds.hpp.
inline constexpr const char* kBound = "best thresholds";

struct Rule {
  std::string label;
  EarlyStopping options;
  std::size_t least_workers = 1, most_workers = 25;
  bool with_model = false;  ///< also compared with points of a sampler that learns
};

/// All that are compared; the first is none.
std::vector<Rule> rules();
/// As it is in production in a study of this problem. Precondition: it is not kBound.
std::unique_ptr<Scheduler> make_rule(const EarlyStopping& options, Problem problem);

}  // namespace krigon::bench
