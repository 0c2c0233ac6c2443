#include "scheduler/pbt.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace krigon {
namespace {

constexpr std::size_t kMostStretches = 64;

}  // namespace

void PbtScheduler::withdraw(std::int64_t trial, const Entry& entry) {
  const auto at = stretches_.find(entry.stretch);
  at->second.erase({entry.loss, trial});
  if (at->second.size() == 0) stretches_.erase(at);
}

void PbtScheduler::observe(std::int64_t trial, std::int64_t attempt, std::int64_t step, double loss) {
  auto& member = members_[trial];
  if (attempt < member.attempt || !std::isfinite(loss) || step < 1 || ended(member.state)) return;
  if (attempt > member.attempt) {
    member.attempt = attempt;
    member.step = 0;
    // What it begins in is no whole stretch of its own.
    member.stretch = (step - 1) / options_.interval;
    while (!member.entries.empty() && member.entries.back().step >= step) {
      withdraw(trial, member.entries.back());
      member.entries.pop_back();
    }
  }
  if (step <= member.step) return;
  member.step = step;
  const std::int64_t stretch = step / options_.interval;
  const bool last = options_.max_steps > 0 && step >= options_.max_steps;
  const bool known = !member.entries.empty() && member.entries.back().stretch >= stretch;
  member.entered = stretch > member.stretch && !last && !known;
  member.stretch = std::max(member.stretch, stretch);
  if (!member.entered) return;
  member.entries.push_back({stretch, step, loss});
  stretches_[stretch].insert({loss, trial});
  if (member.entries.size() <= kMostStretches) return;
  withdraw(trial, member.entries.front());
  member.entries.pop_front();
}

void PbtScheduler::observe_state(std::int64_t trial, TrialState state, std::int64_t, std::int64_t replaces) {
  if (replaces >= 0) {
    members_[replaces].replaced = true;
    waiting_.erase(replaces);
    order_.erase(replaces);
  }
  auto& member = members_[trial];
  if (ended(member.state)) return;
  member.state = state;
  if (!ended(state) || state == TrialState::completed) return;
  ++lost_;
  if (!member.entries.empty() && state == TrialState::stopped && !member.replaced) {
    waiting_.emplace(trial, member.entries.back().stretch);
    order_.insert(trial);
  }
  for (const auto& entry : member.entries) withdraw(trial, entry);
  member.entries.clear();
  member.entered = false;
}

std::vector<std::int64_t> PbtScheduler::donors(std::int64_t stretch, std::int64_t trial) const {
  std::vector<std::int64_t> found;
  const auto at = stretches_.find(stretch);
  if (at == stretches_.end()) return found;
  // Whoever is to be replaced counted among them when it was judged, and has been withdrawn since.
  const auto all = static_cast<double>(at->second.size() + (order_.contains(trial) ? 1 : 0));
  const auto best =
      std::min(at->second.size(), static_cast<std::size_t>(std::max(1.0, options_.quantile * all)));
  for (std::size_t rank = 0; rank < best; ++rank) {
    const std::int64_t other = at->second.at(rank).second;
    if (other != trial && !ended(members_.at(other).state)) found.push_back(other);
  }
  return found;
}

Judgement PbtScheduler::judge(std::int64_t trial) {
  const auto found = members_.find(trial);
  if (found == members_.end() || !found->second.entered || found->second.step < options_.min_steps) return {};
  const auto& own = found->second.entries.back();
  const auto& all = stretches_.at(own.stretch);
  const std::size_t n = all.size(), before = detail::better(all, own.loss);
  const auto worst = static_cast<std::size_t>(options_.quantile * static_cast<double>(n));
  Judgement judgement;
  judgement.basis = {{"rule", "pbt"},   {"step", own.step}, {"loss", own.loss},
                     {"others", n - 1}, {"better", before}, {"worst", worst}};
  if (worst > 0 && before >= n - worst && !donors(own.stretch, trial).empty()) {
    judgement.verdict = Verdict::stop;
    judgement.reason = fmt::format("rank {} of {} at step {}: one of the best is cloned in its place",
                                   before + 1, n, own.step);
  }
  return judgement;
}

std::optional<Continuation> PbtScheduler::continuation() {
  const bool stands = said_ && waiting_.contains(said_->replaces) && !ended(members_[said_->trial].state);
  if (stands) return said_;
  said_.reset();
  for (const std::int64_t trial : order_) {
    const std::int64_t stretch = waiting_.at(trial);
    const auto candidates = donors(stretch, trial);
    if (candidates.empty()) continue;
    // Any of the best, but the same one whenever this is asked.
    const std::uint64_t turned = static_cast<std::uint64_t>(trial) * 0x9e3779b97f4a7c15U;
    const std::int64_t donor = candidates[(turned >> 32) % candidates.size()];
    said_ = {Continuation::Kind::clone,
             donor,
             trial,
             options_.resample,
             {{"rule", "pbt"}, {"stretch", stretch}, {"candidates", candidates}}};
    break;
  }
  return said_;
}

bool PbtScheduler::takes_new(std::int64_t number) const {
  std::int64_t taken = number - lost_;
  for (const std::int64_t trial : order_) taken += donors(waiting_.at(trial), trial).empty() ? 0 : 1;
  return taken < options_.population;
}

}  // namespace krigon
