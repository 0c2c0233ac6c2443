#include "scheduler/wilcoxon.hpp"

#include <fstream>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fed_rule.hpp"

namespace krigon {
namespace {

TEST(SignedRank, AgreesWithScipy) {
  std::ifstream stream(std::string(KRIGON_SOURCE_DIR) + "/tests/data/scheduler/wilcoxon.json");
  const auto cases = nlohmann::json::parse(stream);
  int exact = 0, approximate = 0;
  for (const auto& one : cases) {
    const auto differences = one.at("differences").get<std::vector<double>>();
    const double p = one.at("p");
    ++(one.at("exact") ? exact : approximate);
    EXPECT_NEAR(detail::signed_rank_p(differences), p, 1e-12 + 1e-9 * p) << one;
  }
  EXPECT_GT(exact, 15);
  EXPECT_GT(approximate, 12);
}

TEST(SignedRank, WithoutDifferencesNothingIsSaid) {
  EXPECT_EQ(detail::signed_rank_p({}), 1);
  EXPECT_EQ(detail::signed_rank_p(std::vector<double>{0, 0}), 1);
}

class Wilcoxon : public FedRule<WilcoxonScheduler> {
 protected:
  Wilcoxon() : FedRule(WilcoxonScheduler(options(0.05))) {}
  static EarlyStopping options(double p, std::int64_t min_steps = 1, std::int64_t max_steps = 0) {
    EarlyStopping o;
    o.type = "wilcoxon";
    o.p_value = p;
    o.min_steps = min_steps;
    o.max_steps = max_steps;
    return o;
  }
  void completed(std::int64_t trial, const std::vector<double>& folds, double loss) {
    for (std::size_t i = 0; i < folds.size(); ++i) {
      scheduler.observe(trial, 1, static_cast<std::int64_t>(i) + 1, folds[i]);
    }
    scheduler.observe_completed(trial, loss);
    scheduler.observe_state(trial, TrialState::completed, -1, -1);
  }
};

// All of n worse: p = 2^-n, below 0.05 from five on.
TEST_F(Wilcoxon, StopsWhenFoldAfterFoldIsWorse) {
  completed(0, {1, 3, 2, 5, 4, 6}, 3.5);
  for (std::int64_t step = 1; step <= 4; ++step) {
    EXPECT_EQ(report(1, step, 10.0 + static_cast<double>(step * step)).verdict, Verdict::go_on) << step;
  }
  const auto judgement = report(1, 5, 60);
  EXPECT_EQ(judgement.verdict, Verdict::stop);
  EXPECT_DOUBLE_EQ(judgement.basis.at("p"), 1.0 / 32);
  EXPECT_EQ(judgement.basis.at("folds"), 5);
}

TEST_F(Wilcoxon, IsComparedWithTheBestAtTheSameFolds) {
  completed(0, {9, 9, 9, 9, 9, 9}, 9);
  completed(1, {1, 2, 3, 4, 5, 6}, 3.5);
  completed(2, {8, 8, 8, 8, 8, 8}, 8);
  for (std::int64_t step = 2; step <= 6; ++step) {  // better than trial 0, worse than trial 1
    EXPECT_EQ(report(3, step, 5.5 + 0.1 * static_cast<double>(step * step)).basis.at("best"), 1);
  }
  EXPECT_EQ(report(4, 7, 99).basis, nullptr) << "the best has no such fold";
}

TEST_F(Wilcoxon, ABetterOneGoesOn) {
  completed(0, {5, 5, 5, 5, 5, 5, 5}, 5);
  for (std::int64_t step = 1; step <= 7; ++step) {
    EXPECT_EQ(report(1, step, 4 - 0.1 * static_cast<double>(step)).verdict, Verdict::go_on);
  }
}

// The ranks say worse, the median says better: 4 small gains, 3 large losses with p = 0.148 < 0.3.
TEST_F(Wilcoxon, TheMedianHasToBeWorseToo) {
  WilcoxonScheduler lenient{options(0.3)};
  const std::vector<double> differences{-0.1, -0.2, -0.3, -0.4, 5, 6, 7};
  for (std::int64_t step = 1; step <= 7; ++step) lenient.observe(0, 1, step, 10);
  lenient.observe_completed(0, 10);
  for (std::int64_t step = 1; step <= 7; ++step) {
    lenient.observe(1, 1, step, 10 + differences[static_cast<std::size_t>(step) - 1]);
  }
  const auto judgement = lenient.judge(1);
  EXPECT_LT(judgement.basis.at("p"), 0.3);
  EXPECT_LT(judgement.basis.at("median_difference"), 0);
  EXPECT_EQ(judgement.verdict, Verdict::go_on);
}

TEST_F(Wilcoxon, NeverBeforeMinStepsNorFromTheMaximumOn) {
  WilcoxonScheduler bounded{options(0.4, 4, 6)};
  for (std::int64_t step = 1; step <= 7; ++step) bounded.observe(0, 1, step, 1.0);
  bounded.observe_completed(0, 1.0);
  for (std::int64_t step = 1; step <= 7; ++step) {
    bounded.observe(1, 1, step, 5.0 + static_cast<double>(step));
    EXPECT_EQ(bounded.judge(1).verdict == Verdict::stop, step == 4 || step == 5) << step;
  }
}

TEST_F(Wilcoxon, ANewAttemptTakesItsFoldsBack) {
  completed(0, {1, 1, 1, 1, 1, 1}, 1);
  for (std::int64_t step = 1; step <= 4; ++step) report(1, step, 5.0 + static_cast<double>(step));
  const auto judgement = report(1, 3, 0.5, 2);  // folds 1 and 2 stand
  EXPECT_EQ(judgement.basis.at("folds"), 3);
  EXPECT_DOUBLE_EQ(judgement.basis.at("p"), 0.25) << "ranks 2 and 3 of 3 are worse: {2,3} and {1,2,3} of 8";
}

}  // namespace
}  // namespace krigon
