#pragma once

#include "core/scheduler.hpp"
#include "krigon/study.hpp"

namespace krigon {

/// Every trial goes on to its own end.
class NoScheduler final : public Scheduler {
 public:
  explicit NoScheduler(const EarlyStopping&) {}
  std::string_view name() const override { return "none"; }
  bool listens() const override { return false; }
  void observe(std::int64_t, std::int64_t, std::int64_t, double) override {}
  void observe_completed(std::int64_t, double) override {}
  Judgement judge(std::int64_t) override { return {}; }
};

}  // namespace krigon
