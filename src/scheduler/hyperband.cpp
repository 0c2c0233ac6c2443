#include "scheduler/hyperband.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace krigon {
namespace {

constexpr double kMostTrials = 0x1p40;  // of a bracket: more than any study begins

}  // namespace

HyperbandScheduler::HyperbandScheduler(const EarlyStopping& options, std::string name)
    : name_(std::move(name)), options_(options) {
  const auto most = static_cast<double>(options.max_steps);
  const double eta = options.reduction;
  // R eta^-s is compared with min_steps itself: a logarithm of 243 to the base 3 can be 4.999.
  double steps = most / eta;
  while (std::round(steps) >= static_cast<double>(options.min_steps) &&
         std::pow(eta, static_cast<double>(s_max_) + 1) < kMostTrials) {
    const auto at = std::llround(steps);
    if (at >= options.max_steps || (!ladder_.empty() && at >= ladder_.back())) break;
    ladder_.push_back(at);
    ++s_max_;
    steps /= eta;
  }
  std::reverse(ladder_.begin(), ladder_.end());
  first_of_.push_back(0);
  for (std::size_t s = s_max_ + 1; s-- > 0;) first_of_.push_back(first_of_.back() + trials_at(s, 0));
}

std::int64_t HyperbandScheduler::trials_at(std::size_t s, std::size_t rung) const {
  const double all = static_cast<double>(s_max_ + 1) / static_cast<double>(s + 1) *
                     std::pow(options_.reduction, static_cast<double>(s));
  // Less a little: powers of a reduction that is no integer come out a rounding too large or too small.
  const double n = std::ceil(all - 1e-9 * all);
  const double left = n * std::pow(options_.reduction, -static_cast<double>(rung));
  return static_cast<std::int64_t>(std::floor(left + 1e-9 * left));
}

HyperbandScheduler::Place HyperbandScheduler::place_of(std::int64_t trial) const {
  const std::int64_t round = trial / first_of_.back(), at = trial % first_of_.back();
  const auto next = std::upper_bound(first_of_.begin(), first_of_.end(), at);
  const auto index = static_cast<std::size_t>(next - first_of_.begin()) - 1;
  return {round * static_cast<std::int64_t>(s_max_ + 1) + static_cast<std::int64_t>(index), s_max_ - index};
}

HyperbandScheduler::Bracket& HyperbandScheduler::bracket_at(const Place& place) {
  auto& bracket = brackets_[place.bracket];
  if (bracket.landings.empty() && place.s > 0) {
    bracket.s = place.s;
    bracket.landings.resize(place.s);
  }
  return bracket;
}

std::optional<std::size_t> HyperbandScheduler::ready_rung(const Bracket& bracket) const {
  std::optional<std::size_t> ready;
  std::int64_t expected = trials_at(bracket.s, 0);
  for (std::size_t i = 0; i < bracket.landings.size(); ++i) {
    const auto& at = bracket.landings[i];
    const auto came = static_cast<std::int64_t>(at.entries.size());
    if (came + static_cast<std::int64_t>(at.gone) < expected) break;
    const std::int64_t keep = trials_at(bracket.s, i + 1);
    if (at.best_of(static_cast<std::size_t>(keep)) != nullptr) ready = i;
    expected = std::min(keep, came);
  }
  return ready;
}

void HyperbandScheduler::note_ready(const Place& place) {
  if (ready_rung(bracket_at(place))) {
    ready_.insert(place.bracket);
  } else {
    ready_.erase(place.bracket);
  }
}

void HyperbandScheduler::forget(std::int64_t trial) {
  if (said_ && said_->trial == trial) said_.reset();
}

void HyperbandScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  const Place place = place_of(trial);
  auto& climber = climbers_[trial];
  const bool waited = climber.waiting;
  const bool climbs = detail::climbs(climber, attempt, step, loss);
  auto& landings = bracket_at(place).landings;
  const bool left = waited && !climber.waiting;
  if (left) {
    landings[climber.goal - 1].paused.erase(climber.key(trial));
    forget(trial);
  }
  const bool comes = climbs && climber.goal < landings.size() && step < options_.max_steps &&
                     step >= step_at(place.s, climber.goal);
  if (comes) {
    climber.waiting = true;
    climber.loss = loss;
    landings[climber.goal].entries.insert(climber.key(trial));
  }
  if (left || comes) note_ready(place);
}

void HyperbandScheduler::observe_completed(std::int64_t, double) {}

void HyperbandScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t) {
  auto& climber = climbers_[trial];
  if (ended(climber.state)) return;
  climber.state = state;
  const Place place = place_of(trial);
  auto& landings = bracket_at(place).landings;
  if (climber.goal >= landings.size()) return;
  auto& at = landings[climber.goal];
  if (climber.waiting) {
    if (state == TrialState::paused) {
      at.paused.insert(climber.key(trial));
    } else {
      at.paused.erase(climber.key(trial));
      forget(trial);
    }
  }
  if (ended(state)) {
    if (climber.waiting) at.entries.erase(climber.key(trial));
    climber.waiting = false;
    ++at.gone;
  }
  note_ready(place);
}

Judgement HyperbandScheduler::judge(std::int64_t trial) {
  const auto found = climbers_.find(trial);
  if (found == climbers_.end() || !found->second.waiting) return {};
  const auto& climber = found->second;
  if (options_.max_steps > 0 && climber.step >= options_.max_steps) return {};  // it ran on, and is through
  const Place place = place_of(trial);
  const auto& at = bracket_at(place).landings[climber.goal];
  const std::size_t n = at.entries.size(), before = detail::better(at.entries, climber.loss);
  const std::int64_t rung = step_at(place.s, climber.goal);
  return {Verdict::pause,
          {{"rule", name_},
           {"bracket", place.bracket},
           {"rung", rung},
           {"step", climber.step},
           {"loss", climber.loss},
           {"entries", n},
           {"better", before},
           {"keep", trials_at(place.s, climber.goal + 1)}},
          fmt::format("rank {} of {} so far at step {}: waits for the others of its bracket", before + 1, n,
                      rung)};
}

std::optional<Continuation> HyperbandScheduler::continuation() {
  if (said_) return said_;
  if (ready_.empty()) return said_;
  const std::int64_t number = *ready_.begin();
  const Bracket& bracket = brackets_.at(number);
  const std::size_t rung = ready_rung(bracket).value();
  const auto keep = trials_at(bracket.s, rung + 1);
  const auto& at = bracket.landings[rung];
  const auto& [loss, trial] = *at.best_of(static_cast<std::size_t>(keep));
  said_ = {.trial = trial,
           .basis = {{"rule", name_},
                     {"bracket", number},
                     {"rung", step_at(bracket.s, rung)},
                     {"loss", loss},
                     {"entries", at.entries.size()},
                     {"keep", keep}}};
  return said_;
}

}  // namespace krigon
