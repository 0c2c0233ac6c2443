#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace krigon::detail {

/// Steps at which a curve is remembered: every step below 2^(bits), above it 2^(bits-1) of them for each
/// doubling. So a step of 10^15 costs no more than some thousand entries.
template <int bits>
struct Milestones {
  static std::int64_t spacing(std::int64_t step) {
    const auto width = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(step)));
    return std::int64_t{1} << std::max(0, width - bits);
  }
  /// The milestone at or below a step.
  static std::int64_t at(std::int64_t step) { return step / spacing(step) * spacing(step); }
};

/// What is known of a trial's curve, so that a new attempt can take back what was said from its own first
/// step on. `State` is default-constructed before the first report. Exact below step 64, above that to the
/// resolution of a milestone: what was said between the last one below and the new attempt is taken back too.
template <class State>
class Rewindable {
 public:
  using Marks = Milestones<6>;
  struct Mark {
    std::int64_t step = 0;
    State state;
  };
  /// Whether the report is news. Then state() is as of before it, and add() has to follow.
  bool hear(std::int64_t attempt, std::int64_t step) {
    if (attempt < attempt_ || step < 1) return false;
    if (attempt > attempt_) {
      attempt_ = attempt;
      while (!marks_.empty() && marks_.back().step >= step) marks_.pop_back();
      step_ = marks_.empty() ? 0 : marks_.back().step;
      state_ = marks_.empty() ? State{} : marks_.back().state;
    }
    return step > step_;
  }
  void add(std::int64_t step, const State& state) {
    step_ = step;
    state_ = state;
    if (marks_.empty() || marks_.back().step < Marks::at(step)) marks_.push_back({step, state});
  }
  /// Nothing will be taken back any more.
  void settle() { std::vector<Mark>().swap(marks_); }

  std::int64_t step() const { return step_; }
  const State& state() const { return state_; }
  /// What stood after the first report at or after each milestone, rising in step.
  const std::vector<Mark>& marks() const { return marks_; }

 private:
  std::int64_t attempt_ = 0;
  std::int64_t step_ = 0;
  State state_;
  std::vector<Mark> marks_;
};

}  // namespace krigon::detail
