#include "propose/training.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "core/random.hpp"

namespace krigon {
namespace {

struct Observation {
  std::int64_t trial = 0;
  Point point;
  double loss = 0;
  std::int64_t step = 0;  ///< 0: completed
};

// Indices of the observations that are kept, ascending.
std::vector<std::size_t> subset(const std::vector<Observation>& all, std::size_t most, std::uint64_t seed) {
  std::vector<std::size_t> index(all.size());
  std::iota(index.begin(), index.end(), std::size_t{0});
  if (all.size() <= most) return index;
  std::vector<bool> keep(all.size(), false);
  std::vector<std::size_t> by_loss = index;
  std::stable_sort(by_loss.begin(), by_loss.end(), [&](std::size_t a, std::size_t b) {
    // A value at an early step says less than a final one.
    const bool a_stopped = all[a].step != 0, b_stopped = all[b].step != 0;
    return std::pair(a_stopped, all[a].loss) < std::pair(b_stopped, all[b].loss);
  });
  for (std::size_t i = 0; i < most / 2; ++i) keep[by_loss[i]] = true;
  for (std::size_t i = 0; i < most / 4; ++i) keep[all.size() - 1 - i] = true;
  auto kept = static_cast<std::size_t>(std::count(keep.begin(), keep.end(), true));
  Random random(seed, all.size() / 100, Purpose::candidates);
  while (kept < most) {
    const std::size_t i = random.below(all.size());
    if (!keep[i]) {
      keep[i] = true;
      ++kept;
    }
  }
  std::erase_if(index, [&](std::size_t i) { return !keep[i]; });
  return index;
}

/// Steps at which trials were stopped, ascending, from the lowest on each at least twice the one before:
/// rules that stop at any step would have a trial observed at dozens, which say the same and share their
/// noise.
std::set<std::int64_t> stop_steps(const History& history) {
  std::set<std::int64_t> steps;
  for (const std::int64_t number : history.ended()) {
    const auto reports = history.reports(number);
    if (history.trial(number).state == TrialState::stopped && !reports.empty()) {
      steps.insert(reports.back().step);
    }
  }
  for (auto kept = steps.begin(); kept != steps.end(); ++kept) {
    steps.erase(std::next(kept), steps.lower_bound(2 * *kept));
  }
  return steps;
}

std::optional<double> loss_at(const History& history, std::int64_t trial, std::int64_t step) {
  const auto reports = history.reports(trial);
  const auto found = std::lower_bound(reports.begin(), reports.end(), step,
                                      [](const StepValue& r, std::int64_t s) { return r.step < s; });
  if (found == reports.end() || found->step != step) return std::nullopt;
  return history.loss(found->value);
}

/// What a trial that completes gains, in loss, from `step` to its end: the median over those that did
/// (one that diverged says nothing of the others); 0 before there is one.
double gain_from(const History& history, std::int64_t step) {
  std::vector<double> gains;
  for (const std::int64_t number : history.ended()) {
    if (history.trial(number).state != TrialState::completed) continue;
    if (const auto then = loss_at(history, number, step)) {
      gains.push_back(history.loss(history.value(number)) - *then);
    }
  }
  if (gains.empty()) return 0;
  const auto middle = gains.begin() + static_cast<std::ptrdiff_t>(gains.size() / 2);
  std::nth_element(gains.begin(), middle, gains.end());
  return *middle;
}

}  // namespace

Training make_training(const Encoding& encoding, const History& history, std::size_t most,
                       std::uint64_t seed) {
  Training training;
  std::vector<Observation> all;
  std::map<std::int64_t, double> gains;
  for (const std::int64_t step : stop_steps(history)) gains[step] = gain_from(history, step);
  std::int64_t last_step = history.max_steps();
  const bool known = last_step > 0;
  for (const std::int64_t number : history.ended()) {
    const auto& trial = history.trial(number);
    auto point = encoding.encode(trial.parameters);
    if (!point) continue;
    const auto reports = history.reports(number);
    if (!known && !reports.empty()) last_step = std::max(last_step, reports.back().step);
    if (trial.state == TrialState::failed) {
      training.failed.push_back(std::move(*point));
      continue;
    }
    if (trial.state != TrialState::completed && reports.empty()) continue;
    ++training.told;
    bool seen = trial.state == TrialState::completed;
    for (const auto& [step, gain] : gains) {
      if (const auto loss = loss_at(history, number, step)) {
        all.push_back({number, *point, *loss + gain, step});
        seen = true;
      }
    }
    if (!seen) {  // it reports at other steps than the rest
      const auto& [step, value] = reports.back();
      all.push_back({number, *point, history.loss(value) + gain_from(history, step), step});
    }
    if (trial.state == TrialState::completed) {
      all.push_back({number, std::move(*point), history.loss(history.value(number)), 0});
    }
  }
  for (const std::int64_t number : history.pending()) {
    if (auto point = encoding.encode(history.trial(number).parameters)) {
      training.pending.push_back(std::move(*point));
    }
  }

  training.observations = all.size();
  training.step_column =
      last_step > 1 && std::any_of(all.begin(), all.end(), [](const Observation& o) { return o.step != 0; });
  GpData& data = training.data;
  for (const std::size_t column : encoding.column_coordinate()) {
    data.groups.push_back(static_cast<std::int32_t>(column));
  }
  if (training.step_column) data.groups.push_back(static_cast<std::int32_t>(encoding.dims()));
  const std::size_t width = row_width(encoding, training.step_column);
  for (const std::size_t i : subset(all, most, seed)) {
    Observation& o = all[i];
    const std::size_t at = data.columns.size();
    data.columns.resize(at + width);
    fill_row(encoding, training.step_column, o.point, std::span(data.columns).subspan(at));
    if (training.step_column && o.step != 0) {
      const double fraction =
          std::log(static_cast<double>(o.step)) / std::log(static_cast<double>(last_step));
      data.columns.back() = std::clamp(fraction, 0.0, 1.0);
    }
    data.y.push_back(o.loss);
    training.trials.push_back(o.trial);
    training.points.push_back(std::move(o.point));
  }
  data.n = data.y.size();
  return training;
}

std::size_t row_width(const Encoding& encoding, bool step_column) {
  return encoding.columns() + (step_column ? 1 : 0);
}

void fill_row(const Encoding& encoding, bool step_column, std::span<const double> point,
              std::span<double> row) {
  encoding.expand(point, row.first(encoding.columns()));
  if (step_column) row[encoding.columns()] = 1;
}

std::vector<double> rows_of(const Encoding& encoding, bool step_column, std::span<const Point> points) {
  const std::size_t width = row_width(encoding, step_column);
  std::vector<double> rows(points.size() * width);
  for (std::size_t i = 0; i < points.size(); ++i) {
    fill_row(encoding, step_column, points[i], std::span(rows).subspan(i * width, width));
  }
  return rows;
}

}  // namespace krigon
