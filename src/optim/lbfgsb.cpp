#include "optim/lbfgsb.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "krigon/error.hpp"
#include "optim/line_search.hpp"
#include "optim/quasi_newton.hpp"

namespace krigon {

namespace {

using detail::LineSearch;
using detail::QuasiNewton;

/// Of what is left to gain: by so much a start's way to another's end may differ from a quadratic's.
constexpr double kBasinMisfit = 0.1;

/// One start: asks for a value and gradient at trial(), takes it by observe(), until it is done.
class Search {
 public:
  Search(std::span<const double> x0, std::span<const double> lower, std::span<const double> upper,
         const LbfgsbOptions& options, const Curvature* known)
      : options_(options),
        n_(x0.size()),
        lower_(lower.begin(), lower.end()),
        upper_(upper.begin(), upper.end()),
        model_(n_, static_cast<std::size_t>(options.memory)),
        x_(x0.begin(), x0.end()),
        g_(n_),
        trial_(n_),
        direction_(n_),
        best_x_(n_),
        best_g_(n_),
        s_(n_),
        y_(n_) {
    for (std::size_t i = 0; i < n_; ++i) {
      x_[i] = std::isnan(x_[i]) ? lower_[i] : std::clamp(x_[i], lower_[i], upper_[i]);
    }
    trial_ = x_;
    if (known == nullptr) return;
    for (std::size_t at = 0; at < known->steps.size(); at += n_) {
      model_.update(std::span(known->steps).subspan(at, n_), std::span(known->changes).subspan(at, n_));
    }
  }

  bool done() const { return done_; }
  std::span<const double> trial() const { return trial_; }

  void observe(double value, std::span<const double> gradient) {
    ++evaluations_;
    const bool finite = std::isfinite(value) && std::all_of(gradient.begin(), gradient.end(),
                                                            [](double g) { return std::isfinite(g); });
    if (!line_) {
      value_ = value;
      std::copy(gradient.begin(), gradient.end(), g_.begin());
      if (!finite) return finish(LbfgsbStatus::not_finite);
      return next_iteration();
    }
    double slope = std::numeric_limits<double>::quiet_NaN();
    if (finite) {
      slope = 0;
      for (std::size_t i = 0; i < n_; ++i) slope += gradient[i] * direction_[i];
    }
    const LineSearch::Verdict verdict = line_->observe(value, slope);
    if (line_->improved()) {
      best_x_ = trial_;
      best_value_ = value;
      std::copy(gradient.begin(), gradient.end(), best_g_.begin());
    }
    switch (verdict) {
      case LineSearch::Verdict::evaluate:
        if (evaluations_ < options_.max_evaluations) return set_trial();
        if (line_->best_step() > 0) take_best();
        return finish(LbfgsbStatus::limit);
      case LineSearch::Verdict::accept:
      case LineSearch::Verdict::accept_best:
        return accept();
      case LineSearch::Verdict::failed:
        // A wrong model is forgotten; steepest descent that fails too is the end.
        if (model_.empty()) return finish(LbfgsbStatus::stalled);
        model_.reset();
        return next_direction();
    }
  }

  double value() const { return value_; }
  /// Of the last two iterations; infinite before them.
  double recent_gain() const { return recent_gain_; }
  /// Whether this one is on its way to where `other` has ended: half its slope towards there is what is left
  /// to gain, as in the basin of a quadratic.
  bool joins(const Search& other, double distance) const {
    if (!other.arrived() || !(value_ >= other.value_)) return false;
    double half_slope = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      const double apart = x_[i] - other.x_[i];
      if (!(std::abs(apart) <= distance)) return false;
      half_slope += 0.5 * g_[i] * apart;
    }
    const double left = value_ - other.value_;
    return std::abs(half_slope - left) <= kBasinMisfit * left;
  }
  void outrun() {
    if (!done_) finish(LbfgsbStatus::outrun);
  }

  LbfgsbResult result() const {
    return {
        x_,
        value_,
        g_,
        projected_gradient(),
        iterations_,
        evaluations_,
        status_,
        {{model_.steps().begin(), model_.steps().end()}, {model_.changes().begin(), model_.changes().end()}}};
  }

 private:
  bool arrived() const {
    return done_ && (status_ == LbfgsbStatus::converged || status_ == LbfgsbStatus::small_gain);
  }
  double projected_gradient() const {
    double largest = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      const double entry = std::clamp(x_[i] - g_[i], lower_[i], upper_[i]) - x_[i];
      largest = std::max(largest, std::abs(entry));
      if (std::isnan(entry)) return entry;
    }
    return largest;
  }

  void finish(LbfgsbStatus status) {
    status_ = status;
    done_ = true;
  }

  void take_best() {
    x_ = best_x_;
    value_ = best_value_;
    g_ = best_g_;
  }

  void accept() {
    for (std::size_t i = 0; i < n_; ++i) {
      s_[i] = best_x_[i] - x_[i];
      y_[i] = best_g_[i] - g_[i];
    }
    const double gain = value_ - best_value_;
    model_.update(s_, y_);
    take_best();
    ++iterations_;
    recent_gain_ = last_gain_ + gain;
    last_gain_ = gain;
    small_gains_ = gain < options_.min_decrease ? small_gains_ + 1 : 0;
    if (small_gains_ >= 2 && projected_gradient() > options_.tolerance)
      return finish(LbfgsbStatus::small_gain);
    next_iteration();
  }

  void next_iteration() {
    if (projected_gradient() <= options_.tolerance) return finish(LbfgsbStatus::converged);
    if (iterations_ >= options_.max_iterations || evaluations_ >= options_.max_evaluations) {
      return finish(LbfgsbStatus::limit);
    }
    next_direction();
  }

  void next_direction() {
    for (;;) {
      double slope = 0;
      double length = 0;
      if (model_.propose(x_, g_, lower_, upper_, direction_)) {
        for (std::size_t i = 0; i < n_; ++i) {
          direction_[i] -= x_[i];
          slope += direction_[i] * g_[i];
          length += direction_[i] * direction_[i];
        }
      }
      if (slope < 0 && std::isfinite(length)) {
        // The first step, with no scale known, moves by a length of 1.
        double first = model_.empty() ? std::min(1.0, 1.0 / std::sqrt(length)) : 1.0;
        if (options_.max_step > 0) {
          for (const double d : direction_) first = std::min(first, options_.max_step / std::abs(d));
        }
        line_.emplace(value_, slope, first, longest_step());
        return set_trial();
      }
      if (model_.empty()) return finish(LbfgsbStatus::stalled);
      model_.reset();
    }
  }

  /// To the first bound; the proposal itself (1) is always inside.
  double longest_step() const {
    double longest = 1e10;
    for (std::size_t i = 0; i < n_; ++i) {
      if (direction_[i] > 0) longest = std::min(longest, (upper_[i] - x_[i]) / direction_[i]);
      if (direction_[i] < 0) longest = std::min(longest, (lower_[i] - x_[i]) / direction_[i]);
    }
    return std::max(longest, 1.0);
  }

  void set_trial() {
    for (std::size_t i = 0; i < n_; ++i) {
      trial_[i] = std::clamp(x_[i] + line_->step() * direction_[i], lower_[i], upper_[i]);
    }
  }

  LbfgsbOptions options_;
  std::size_t n_;
  std::vector<double> lower_, upper_;
  QuasiNewton model_;
  std::vector<double> x_, g_, trial_, direction_, best_x_, best_g_, s_, y_;
  double value_ = 0;
  double best_value_ = 0;
  std::optional<LineSearch> line_;
  int iterations_ = 0;
  int evaluations_ = 0;
  int small_gains_ = 0;
  double last_gain_ = std::numeric_limits<double>::infinity();
  double recent_gain_ = std::numeric_limits<double>::infinity();
  bool done_ = false;
  LbfgsbStatus status_ = LbfgsbStatus::not_finite;
};

/// The first of equals goes on; all do where no value is finite.
void stop_all_but_best(std::vector<Search>& searches) {
  const auto before = [](const Search& a, const Search& b) {
    return std::isfinite(a.value()) && (!std::isfinite(b.value()) || a.value() < b.value());
  };
  const auto best = std::min_element(searches.begin(), searches.end(), before);
  if (best == searches.end() || !std::isfinite(best->value())) return;
  for (auto search = searches.begin(); search != searches.end(); ++search) {
    if (search != best) search->outrun();
  }
}

/// Those that lag behind the lowest by more than `gains` times what they have lately gained.
void stop_hopeless(std::vector<Search>& searches, double gains) {
  double lowest = std::numeric_limits<double>::infinity();
  for (const Search& search : searches) {
    if (std::isfinite(search.value())) lowest = std::min(lowest, search.value());
  }
  for (Search& search : searches) {
    if (search.value() - gains * search.recent_gain() > lowest) search.outrun();
  }
}

void stop_joining(std::vector<Search>& searches, double distance) {
  for (Search& search : searches) {
    if (search.done()) continue;
    if (std::any_of(searches.begin(), searches.end(),
                    [&](const Search& other) { return search.joins(other, distance); })) {
      search.outrun();
    }
  }
}

}  // namespace

std::vector<LbfgsbResult> minimise_lbfgsb(const BatchObjective& objective, std::size_t dimension,
                                          std::span<const double> x0, std::span<const double> lower,
                                          std::span<const double> upper, const LbfgsbOptions& options,
                                          std::span<const Curvature> known) {
  const std::size_t starts = dimension == 0 ? 0 : x0.size() / dimension;
  const bool own_bounds = lower.size() != dimension;
  if (dimension == 0 || x0.size() != starts * dimension || lower.size() != upper.size() ||
      (own_bounds && lower.size() != x0.size()) || options.memory < 1) {
    throw UsageError(
        "minimise_lbfgsb: the shapes of starts and bounds do not match, or the memory is below 1");
  }
  const bool fits = (known.empty() || known.size() == starts) &&
                    std::all_of(known.begin(), known.end(), [&](const Curvature& c) {
                      return c.steps.size() == c.changes.size() && c.steps.size() % dimension == 0;
                    });
  if (!fits) throw UsageError("minimise_lbfgsb: the shapes of starts and of what is known do not match");
  std::vector<Search> searches;
  searches.reserve(starts);
  for (std::size_t s = 0; s < starts; ++s) {
    const std::size_t offset = own_bounds ? s * dimension : 0;
    const auto low = lower.subspan(offset, dimension);
    const auto high = upper.subspan(offset, dimension);
    for (std::size_t i = 0; i < dimension; ++i) {
      if (!(low[i] <= high[i])) throw UsageError("minimise_lbfgsb: a lower bound is above its upper bound");
    }
    searches.emplace_back(x0.subspan(s * dimension, dimension), low, high, options,
                          known.empty() ? nullptr : &known[s]);
  }
  std::vector<std::size_t> running;
  std::vector<double> x;
  std::vector<double> value;
  std::vector<double> gradient;
  for (int step = 0;; ++step) {
    if (step > 0 && step == options.race_evaluations) stop_all_but_best(searches);
    if (options.hopeless_gains > 0) stop_hopeless(searches, options.hopeless_gains);
    if (step > 0 && options.merge_distance > 0) stop_joining(searches, options.merge_distance);
    running.clear();
    x.clear();
    for (std::size_t s = 0; s < starts; ++s) {
      if (searches[s].done()) continue;
      running.push_back(s);
      const auto trial = searches[s].trial();
      x.insert(x.end(), trial.begin(), trial.end());
    }
    if (running.empty()) break;
    value.assign(running.size(), std::numeric_limits<double>::quiet_NaN());
    gradient.assign(x.size(), std::numeric_limits<double>::quiet_NaN());
    objective(running, x, value, gradient);
    for (std::size_t r = 0; r < running.size(); ++r) {
      searches[running[r]].observe(value[r],
                                   std::span<const double>(gradient).subspan(r * dimension, dimension));
    }
  }
  std::vector<LbfgsbResult> results;
  results.reserve(starts);
  for (const Search& search : searches) results.push_back(search.result());
  return results;
}

}  // namespace krigon
