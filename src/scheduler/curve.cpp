#include "scheduler/curve.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "scheduler/left_alone.hpp"

namespace krigon {
namespace {

constexpr std::size_t kEach = 16;     // of the best, and of the latest, curves that are learnt from
constexpr std::size_t kStopped = 24;  // of those that were stopped
constexpr std::size_t kPoints = 8;    // of a curve, the last: what lies far back says little about the end

}  // namespace

CurveScheduler::CurveScheduler(const EarlyStopping& options, std::shared_ptr<Predictor> predictor)
    : options_(options), predictor_(std::move(predictor)) {}

void CurveScheduler::observe_parameters(std::int64_t trial, const Parameters& parameters) {
  progress_[trial].parameters = parameters;
}

LearningCurve CurveScheduler::curve_of(const Progress& progress) {
  LearningCurve whole{progress.parameters, {}};
  const auto& curve = progress.curve;
  for (auto i = curve.size() - std::min(curve.size(), kPoints); i < curve.size(); ++i) {
    whole.points.push_back({curve[i].step, curve[i].loss});
  }
  return whole;
}

void CurveScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& progress = progress_[trial];
  if (attempt < progress.attempt || !std::isfinite(loss) || step < 1) return;
  auto& curve = progress.curve;
  if (attempt > progress.attempt) {
    progress.attempt = attempt;
    while (!curve.empty() && curve.back().last >= step) curve.pop_back();
    progress.step = curve.empty() ? 0 : curve.back().last;
  }
  if (step <= progress.step) return;
  progress.step = step;
  const std::int64_t begin = Marks::at(step);
  progress.entered = curve.empty() || curve.back().begin < begin;
  if (progress.entered) curve.push_back({begin, 0, 0, 0, 0});
  auto& stretch = curve.back();
  stretch.last = step;
  ++stretch.reports;
  stretch.step += static_cast<double>(step) / stretch.reports - stretch.step / stretch.reports;
  stretch.loss += loss / stretch.reports - stretch.loss / stretch.reports;
}

void CurveScheduler::observe_completed(std::int64_t trial, double loss) {
  if (!std::isfinite(loss)) return;
  ++completed_;
  best_ = std::min(best_, loss);
  const auto found = progress_.find(trial);
  if (found == progress_.end()) return;
  Whole whole{trial, loss, curve_of(found->second)};
  const auto last = static_cast<double>(options_.max_steps);
  auto& points = whole.curve.points;
  std::erase_if(points, [&](const CurvePoint& point) { return point.step >= last; });
  points.push_back({last, loss});
  progress_.erase(found);
  const auto place = std::upper_bound(bests_.begin(), bests_.end(), loss,
                                      [](double value, const Whole& other) { return value < other.loss; });
  bests_.insert(place, whole);
  if (bests_.size() > kEach) bests_.pop_back();
  latest_.push_back(std::move(whole));
  if (latest_.size() > kEach) latest_.erase(latest_.begin());
  one_more_ended();
}

void CurveScheduler::one_more_ended() {
  ++ended_;
  if (completed_ < std::max<std::int64_t>(1, options_.startup) || 2 * ended_ < 3 * learnt_) return;
  learnt_ = ended_;
  model_.reset();
  lessons_ = stopped_;
  for (const auto& whole : bests_) lessons_.push_back(whole.curve);
  for (const auto& whole : latest_) {
    const bool there = std::any_of(bests_.begin(), bests_.end(),
                                   [&](const Whole& other) { return other.trial == whole.trial; });
    if (!there) lessons_.push_back(whole.curve);
  }
}

void CurveScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  if (!ended(state)) return;
  const auto found = progress_.find(trial);
  if (found == progress_.end()) return;
  // A completed one that reported is dealt with when its loss is known.
  if (state == TrialState::completed && !found->second.curve.empty()) return;
  if (state == TrialState::stopped && !found->second.curve.empty()) {
    stopped_.push_back(curve_of(found->second));
    if (stopped_.size() > kStopped) stopped_.erase(stopped_.begin());
    one_more_ended();
  }
  progress_.erase(found);
}

Judgement CurveScheduler::judge(std::int64_t trial) {
  const auto found = progress_.find(trial);
  if (found == progress_.end() || !found->second.entered) return {};
  const auto& progress = found->second;
  const std::int64_t step = progress.step;
  if (step < options_.min_steps || step >= options_.max_steps || lessons_.empty() || !predictor_) return {};
  if (detail::left_alone(trial, step, options_.max_steps)) return {};
  const auto last = static_cast<double>(options_.max_steps);
  if (!model_) model_ = predictor_->learn(lessons_, last);
  const auto probability = model_->probability_below(best_, curve_of(progress), last);
  if (!probability) return {};
  Judgement judgement;
  judgement.basis = {{"rule", "curve"}, {"step", step}, {"probability", *probability}, {"best", best_}};
  if (*probability < options_.probability) {
    judgement.verdict = Verdict::stop;
    judgement.reason =
        fmt::format("at step {} it will beat the best with a probability of {:.2g}", step, *probability);
  }
  return judgement;
}

}  // namespace krigon
