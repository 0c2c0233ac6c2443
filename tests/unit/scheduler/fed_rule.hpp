#pragma once

#include <cstdint>
#include <utility>

#include <gtest/gtest.h>

#include "core/scheduler.hpp"

namespace krigon {

/// A rule that a test feeds by hand.
template <class Rule>
class FedRule : public testing::Test {
 protected:
  explicit FedRule(Rule rule) : scheduler(std::move(rule)) {}

  Judgement report(std::int64_t trial, std::int64_t step, double loss, std::int64_t attempt = 1) {
    scheduler.observe(trial, attempt, step, loss);
    return scheduler.judge(trial);
  }
  bool stops(std::int64_t trial, std::int64_t step, double loss, std::int64_t attempt = 1) {
    return report(trial, step, loss, attempt).verdict == Verdict::stop;
  }

  Rule scheduler;
};

}  // namespace krigon
