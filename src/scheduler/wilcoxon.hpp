#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/scheduler.hpp"
#include "krigon/study.hpp"

namespace krigon {

/// For trials whose steps are repeated measurements of one thing, such as the folds of a cross-validation or
/// the instances of a benchmark: fold k of one trial can be compared with fold k of another. A trial stops
/// when the signed-rank test (Wilcoxon 1945, "Individual Comparisons by Ranking Methods"), one-sided and over
/// the folds that both have, says that it is worse than the best completed trial with a p-value below
/// `p_value`, and the median difference is a worsening too.
///
/// The first 1,024 folds of a trial count.
class WilcoxonScheduler final : public Scheduler {
 public:
  explicit WilcoxonScheduler(const EarlyStopping& options) : options_(options) {}
  std::string_view name() const override { return "wilcoxon"; }
  void observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) override;
  void observe_completed(std::int64_t trial, double loss) override;
  void observe_state(std::int64_t trial, TrialState state, std::int64_t parent,
                     std::int64_t replaces) override;
  Judgement judge(std::int64_t trial) override;

 private:
  struct Fold {
    std::int64_t step = 0;
    double loss = 0;
  };
  struct Folds {
    std::int64_t attempt = 0;
    std::int64_t step = 0;  ///< last heard
    std::vector<Fold> folds;
  };

  EarlyStopping options_;
  std::unordered_map<std::int64_t, Folds> trials_;
  std::int64_t best_trial_ = -1;
  double best_loss_ = 0;
};

namespace detail {

/// P(W+ >= w+) under the null hypothesis that differences are symmetric around 0; w+ is the sum of the ranks
/// of the positive differences. Differences of 0 are left out (Wilcoxon's own way). Up to 25 without ties by
/// the exact distribution; otherwise by the normal one, with Lehmann's correction of the variance for ties
/// and a correction for continuity of 1/2 (Hollander, Wolfe, Chicken 2014, section 3.1). 1 without
/// differences.
double signed_rank_p(std::span<const double> differences);

}  // namespace detail
}  // namespace krigon
