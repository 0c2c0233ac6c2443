#include "krigon/acquisition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "app/gaussian_process.hpp"
#include "core/random.hpp"
#include "optim/lbfgsb.hpp"
#include "optim/sobol.hpp"
#include "propose/acquisition/table.hpp"
#include "propose/candidates.hpp"

namespace krigon {

/// An acquisition over a process, as a function of groups of q points in the user's columns.
class AcquisitionOptimizer {
 public:
  AcquisitionOptimizer(GaussianProcess& process, const AcquisitionOptions& options, const char* what)
      : process_(*process.impl_), options_(options), entry_(find_acquisition(options.name)), what_(what) {
    if (std::ranges::find(names(), options.name) == names().end()) {
      throw UsageError(
          fmt::format("{}: \"{}\" needs more than one process of one output", what, options.name));
    }
    if (options.q < 1 || options.samples < 1) {
      throw UsageError(fmt::format("{}: q = {} points and {} samples; 1 or more are allowed", what, options.q,
                                   options.samples));
    }
    if (entry_.marginal != nullptr && options.q != 1) {
      throw UsageError(fmt::format("{}: \"{}\" is of one point, q = {}; try \"q-{}\"", what, options.name,
                                   options.q, options.name));
    }
    sign_ = options.direction == Direction::minimize ? 1.0 : -1.0;
    settings_.q = static_cast<std::int32_t>(options.q);
    settings_.samples = static_cast<std::int32_t>(options.samples);
    settings_.kappa = options.kappa;
    settings_.best = best();
    draw_base();
    settings_.base = base_.data();
  }

  static const std::vector<std::string>& names() {
    static const std::vector<std::string> all = {"log-ei",   "log-pi",   "ucb",  "log-variance",
                                                 "q-log-ei", "q-log-pi", "q-ucb"};
    return all;
  }

  std::size_t dimension() const { return options_.q * process_.columns; }

  void evaluate(std::span<const double> x, std::span<double> value, std::span<double> gradient) {
    const std::size_t q = options_.q;
    const std::size_t rows = q + q * q;
    const std::vector<double> points = process_.rows(x, what_);
    const std::size_t groups = points.size() / process_.width / q;
    if (x.size() % dimension() != 0 || value.size() != groups ||
        (!gradient.empty() && gradient.size() != x.size())) {
      throw UsageError(
          fmt::format("{}: {} numbers are {} groups of {} points, room for {} values and {} derivatives",
                      what_, x.size(), groups, q, value.size(), gradient.size()));
    }
    moments_.resize(groups * rows);
    adjoint_.resize(groups * rows);
    if (gradient.empty()) {
      process_.posterior->evaluate_joint(points, q, moments_);
      apply(moments_, value, adjoint_);
      return;
    }
    row_gradient_.resize(points.size());
    process_.posterior->evaluate_joint_with_gradient(
        points, q, moments_,
        [&](std::span<const double> moments, std::span<double> adjoint) { apply(moments, value, adjoint); },
        row_gradient_);
    process_.pull_back(row_gradient_, gradient);
  }

  AcquisitionMaximum maximise() {
    set_box();
    const std::size_t dims = dimension();
    const std::vector<double> raw = raw_candidates();
    std::vector<double> value(raw.size() / dims);
    evaluate(raw, value, {});
    Random random(options_.seed, 0, Purpose::boltzmann);
    std::vector<double> starts;
    for (const std::size_t i : choose_starts(value, options_.starts, random)) {
      starts.insert(starts.end(), raw.begin() + static_cast<std::ptrdiff_t>(i * dims),
                    raw.begin() + static_cast<std::ptrdiff_t>((i + 1) * dims));
    }
    AcquisitionMaximum best;
    best.value = -std::numeric_limits<double>::infinity();
    const auto consider = [&](std::span<const double> x, double found) {
      if (found > best.value || best.x.empty()) best = {{x.begin(), x.end()}, found};
    };
    for (std::size_t i = 0; i < value.size(); ++i) consider(std::span(raw).subspan(i * dims, dims), value[i]);
    for (const LbfgsbResult& result : refine(starts)) {
      if (std::isfinite(result.value)) consider(from_unit(result.x), -result.value);
    }
    return best;
  }

 private:
  double best() const {
    if (options_.best) return sign_ * process_.result.transform.forward(*options_.best);
    double best = std::numeric_limits<double>::infinity();
    for (const double target : process_.posterior->targets()) best = std::min(best, sign_ * target);
    return best;
  }

  void draw_base() {
    if (entry_.sampled == nullptr) return;
    const ScrambledSobol sobol(options_.q, Random(options_.seed, 1, Purpose::candidates)());
    base_.resize(options_.samples * options_.q);
    for (std::size_t s = 0; s < options_.samples; ++s) {
      const auto row = std::span(base_).subspan(s * options_.q, options_.q);
      sobol.point(static_cast<std::uint32_t>(s), row);
      for (double& number : row) number = normal_quantile(number);
    }
  }

  void apply(std::span<const double> moments, std::span<double> value, std::span<double> adjoint) {
    const std::size_t q = options_.q;
    const std::size_t rows = q + q * q;
    turned_.assign(moments.begin(), moments.end());
    for (std::size_t g = 0; g < value.size(); ++g) {
      const auto group = std::span(turned_).subspan(g * rows, rows);
      for (std::size_t i = 0; i < q; ++i) group[i] *= sign_;
      if (q == 1) group[1] = std::max(group[1], 1e-300);
      const auto change = adjoint.subspan(g * rows, rows);
      value[g] = evaluate_acquisition(entry_, settings_, group, change, scratch_);
      for (std::size_t i = 0; i < q; ++i) change[i] *= sign_;
    }
  }

  void set_box() {
    const std::size_t d = process_.columns;
    if (!options_.lower.empty() || !options_.upper.empty()) {
      if (options_.lower.size() != d || options_.upper.size() != d) {
        throw UsageError(fmt::format("{}: {} columns, but {} lower and {} upper bounds", what_, d,
                                     options_.lower.size(), options_.upper.size()));
      }
    }
    for (std::size_t c = 0; c < d; ++c) {
      const InputColumn& input = process_.inputs[c];
      const double low = options_.lower.empty() ? input.middle - input.width / 2 : options_.lower[c];
      const double high = options_.upper.empty() ? input.middle + input.width / 2 : options_.upper[c];
      if (!std::isfinite(low) || !std::isfinite(high) || !(low <= high)) {
        throw UsageError(fmt::format("{}: column {} has the bounds {} and {}", what_, c, low, high));
      }
      low_.push_back(low);
      high_.push_back(high);
    }
  }

  /// A group from unit coordinates; choices are levels of them.
  std::vector<double> from_unit(std::span<const double> unit) const {
    std::vector<double> x(unit.size());
    for (std::size_t i = 0; i < unit.size(); ++i) {
      const std::size_t c = i % process_.columns;
      const auto& choices = process_.inputs[c].choices;
      if (choices.empty()) {
        x[i] = std::clamp(low_[c] + unit[i] * (high_[c] - low_[c]), low_[c], high_[c]);
      } else {
        const auto level = static_cast<std::size_t>(unit[i] * static_cast<double>(choices.size()));
        x[i] = choices[std::min(level, choices.size() - 1)];
      }
    }
    return x;
  }

  std::vector<double> raw_candidates() const {
    const std::size_t dims = dimension();
    const ScrambledSobol sobol(dims, Random(options_.seed, 0, Purpose::candidates)());
    std::vector<double> raw, unit(dims);
    const std::size_t count = std::max<std::size_t>(options_.raw, 1);
    for (std::size_t i = 0; i < count; ++i) {
      sobol.point(static_cast<std::uint32_t>(i), unit);
      const auto x = from_unit(unit);
      raw.insert(raw.end(), x.begin(), x.end());
    }
    return raw;
  }

  std::vector<LbfgsbResult> refine(const std::vector<double>& starts) {
    const std::size_t dims = dimension();
    std::vector<double> x0, lower, upper;
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const std::size_t c = i % process_.columns;
      const auto& choices = process_.inputs[c].choices;
      if (choices.empty()) {
        const double width = high_[c] - low_[c];
        x0.push_back(width > 0 ? (starts[i] - low_[c]) / width : 0.0);
        lower.push_back(0);
        upper.push_back(width > 0 ? 1 : 0);
        continue;
      }
      const auto level = std::lower_bound(choices.begin(), choices.end(), starts[i]) - choices.begin();
      const double at = (static_cast<double>(level) + 0.5) / static_cast<double>(choices.size());
      x0.push_back(at);
      lower.push_back(at);
      upper.push_back(at);
    }
    LbfgsbOptions lbfgsb;
    lbfgsb.max_iterations = options_.iterations;
    lbfgsb.max_evaluations = 2 * options_.iterations;
    lbfgsb.tolerance = 1e-5;
    lbfgsb.min_decrease = 1e-9;
    return minimise_lbfgsb(
        [&](std::span<const std::size_t>, std::span<const double> unit, std::span<double> value,
            std::span<double> gradient) {
          evaluate(from_unit(unit), value, gradient);
          for (double& entry : value) entry = -entry;
          for (std::size_t i = 0; i < gradient.size(); ++i) {
            const std::size_t c = i % process_.columns;
            gradient[i] *= -(high_[c] - low_[c]);
          }
        },
        dims, x0, lower, upper, lbfgsb);
  }

  GaussianProcess::Impl& process_;
  const AcquisitionOptions& options_;
  const AcquisitionEntry& entry_;
  const char* what_;
  double sign_ = 1;
  AcquisitionSettings settings_;
  std::vector<double> base_, moments_, adjoint_, turned_, row_gradient_, scratch_, low_, high_;
};

std::vector<std::string> acquisition_names() {
  return AcquisitionOptimizer::names();
}

void evaluate_acquisition(GaussianProcess& process, const AcquisitionOptions& options,
                          std::span<const double> x, std::span<double> value, std::span<double> gradient) {
  AcquisitionOptimizer(process, options, "evaluate_acquisition").evaluate(x, value, gradient);
}

AcquisitionMaximum maximize_acquisition(GaussianProcess& process, const AcquisitionOptions& options) {
  return AcquisitionOptimizer(process, options, "maximize_acquisition").maximise();
}

}  // namespace krigon
