#include "thresholds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace krigon::bench {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr auto kSteps = static_cast<std::size_t>(kMaxSteps);

/// A curve as reported, and how many of the problem's it stands for.
struct Drawn {
  std::vector<double> reports;  ///< [t], from step 1 on
  bool good = false;
  double weight = 1;
};

/// All good ones of many draws, and one in some of the rest.
std::vector<Drawn> draw(Problem problem, double share) {
  constexpr std::size_t kDraws = 400'000;
  constexpr std::uint64_t kOneIn = 20;
  const double target = quantile(problem, share);
  std::vector<Drawn> drawn;
  const auto add = [&](const Shape& shape, Random& random, double weight) {
    Drawn curve{std::vector<double>(kSteps + 1, 0.0), final_loss(shape) <= target, weight};
    Learner learner(shape);
    for (std::size_t t = 1; t <= kSteps; ++t) {
      learner.step();
      curve.reports[t] = learner.report(random);
    }
    drawn.push_back(std::move(curve));
  };
  Random random(1'000'033, 0, Purpose::random_sampler);
  if (is_recorded(problem)) {
    for (const Shape& shape : recorded_shapes(problem)) add(shape, random, 1);
    return drawn;
  }
  for (std::size_t i = 0; i < kDraws; ++i) {
    const Shape shape = random_shape(problem, random);
    if (final_loss(shape) <= target) {
      add(shape, random, 1);
    } else if (random.below(kOneIn) == 0) {
      add(shape, random, kOneIn);
    }
  }
  return drawn;
}

class Search {
 public:
  explicit Search(const std::vector<Drawn>& drawn)
      : drawn_(drawn), first_(drawn.size()), next_(drawn.size()) {}

  /// Steps for each good one that completes, after sweeps from the last step to the first until they bring
  /// nothing any more.
  double improve(Thresholds& thresholds) {
    double cost = kNever;
    while (true) {
      const double before = cost;
      cost = sweep(thresholds);
      if (!(cost < before * (1 - 1e-6))) return cost;
    }
  }

 private:
  double sweep(Thresholds& thresholds) {
    for (std::size_t i = 0; i < drawn_.size(); ++i) {
      first_[i] = kSteps;
      for (std::size_t t = kSteps - 1; t > 0; --t) {
        if (drawn_[i].reports[t] > thresholds[t]) first_[i] = t;
      }
      next_[i] = kSteps;
    }
    double cost = kNever;
    for (std::size_t t = kSteps - 1; t > 0; --t) {
      cost = best_at(t, thresholds[t]);
      for (std::size_t i = 0; i < drawn_.size(); ++i) {
        if (drawn_[i].reports[t] > thresholds[t]) next_[i] = t;
      }
    }
    return cost;
  }

  /// Steps for each good one with the best threshold at t, the others as they are: next_ says where a trial
  /// that passes t ends, first_ whether it comes to t.
  double best_at(std::size_t t, double& threshold) {
    double steps = 0, good = 0;
    order_.clear();
    for (std::size_t i = 0; i < drawn_.size(); ++i) {
      const bool comes = first_[i] >= t;
      steps += drawn_[i].weight * static_cast<double>(comes ? next_[i] : first_[i]);
      if (!comes) continue;
      order_.push_back(i);
      if (drawn_[i].good && next_[i] == kSteps) good += drawn_[i].weight;
    }
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return drawn_[a].reports[t] > drawn_[b].reports[t]; });
    double least = steps / good;
    threshold = kNever;
    for (std::size_t at = 0; at < order_.size();) {
      const double value = drawn_[order_[at]].reports[t];
      if (good > 0 && steps / good < least) {
        least = steps / good;
        threshold = value;
      }
      for (; at < order_.size() && !(drawn_[order_[at]].reports[t] < value); ++at) {
        const Drawn& curve = drawn_[order_[at]];
        steps -= curve.weight * static_cast<double>(next_[order_[at]] - t);
        if (curve.good && next_[order_[at]] == kSteps) good -= curve.weight;
      }
    }
    return least;
  }

  const std::vector<Drawn>& drawn_;
  std::vector<std::size_t> first_, next_, order_;
};

class ThresholdsScheduler final : public Scheduler {
 public:
  explicit ThresholdsScheduler(Thresholds thresholds) : thresholds_(std::move(thresholds)) {}
  std::string_view name() const override { return "best thresholds"; }
  void observe(std::int64_t, std::int64_t, std::int64_t step, double loss) override {
    worse_ = loss > thresholds_.at(static_cast<std::size_t>(step));
  }
  void observe_completed(std::int64_t, double) override {}
  Judgement judge(std::int64_t) override {
    return worse_ ? Judgement{Verdict::stop, nullptr, "above the threshold"} : Judgement{};
  }

 private:
  Thresholds thresholds_;
  bool worse_ = false;
};

}  // namespace

Thresholds best_thresholds(Problem problem, double share) {
  const auto drawn = draw(problem, share);
  Search search(drawn);
  Thresholds best;
  double least = kNever;
  // From none, and from the shares that go on which asha would come to with its first rung here or there.
  for (const std::size_t first : {kSteps, std::size_t{1}, std::size_t{3}, std::size_t{9}, std::size_t{27}}) {
    Thresholds thresholds(kSteps + 1, kNever);
    double keep = 1;
    for (std::size_t t = first; t < kSteps; t *= 3) {
      std::vector<double> values;
      for (const Drawn& curve : drawn) values.push_back(curve.reports[t]);
      keep /= 3;
      const auto place =
          values.begin() + static_cast<std::ptrdiff_t>(keep * static_cast<double>(values.size()));
      std::nth_element(values.begin(), place, values.end());
      thresholds[t] = *place;
    }
    const double cost = search.improve(thresholds);
    if (cost < least) {
      least = cost;
      best = thresholds;
    }
  }
  return best;
}

std::unique_ptr<Scheduler> make_thresholds_scheduler(Thresholds thresholds) {
  return std::make_unique<ThresholdsScheduler>(std::move(thresholds));
}

}  // namespace krigon::bench
