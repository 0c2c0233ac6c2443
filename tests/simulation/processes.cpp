#include "simulation/processes.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "simulation/watch.hpp"

namespace krigon::simulation {
namespace {

constexpr TimeUs kTimeout = 8 * kSecond;
constexpr TimeUs kGrace = 2 * kSecond;

Outcome outcome_of(StopReason reason) {
  switch (reason) {
    case StopReason::early_stop:
      return Outcome::stopped;
    case StopReason::timeout:
      return Outcome::timed_out;
    case StopReason::cancelled:
      break;
  }
  return Outcome::cancelled;
}

/// How it ends when left alone, from the time of its last step on.
std::pair<TimeUs, Ended> own_end(Draw& draw, std::uint64_t seed, const TrialJob& job, TimeUs started,
                                 TimeUs last) {
  Ended ended;
  ended.trial = job.trial;
  ended.attempt = job.attempt;
  const double how = draw.uniform();
  const TimeUs at = last + draw.between(kMillisecond, 800 * kMillisecond);
  if (how < 0.03) {
    ended.outcome = Outcome::timed_out;
    ended.reason = "ran too long";
    return {started + kTimeout, ended};
  }
  if (how < 0.05) {
    ended.outcome = Outcome::could_not_start;
    ended.reason = "no such program";
  } else if (how < 0.09) {
    ended.outcome = Outcome::failed;
    ended.exit_code = 1;
  } else if (how < 0.12) {
    ended.outcome = Outcome::signalled;
    ended.signal = 11;
  } else {
    ended.outcome = Outcome::completed;
    ended.exit_code = 0;
    ended.metrics["loss"] = value_of(seed, job.trial, job.attempt, 0);
    if (how < 0.14) ended.metrics["loss"] = std::numeric_limits<double>::quiet_NaN();
    if (how > 0.99) ended.metrics = {{"other", 1.0}};
  }
  return {at, ended};
}

}  // namespace

void Processes::start(const TrialJob& job) {
  if (processes_.contains(job.trial)) {
    throw Violation{"a worker runs a trial once at a time", fmt::format("trial {}", job.trial)};
  }
  Draw draw(seed_, index_of(job.trial, job.attempt), Topic::behaviour);
  Process process;
  process.attempt = job.attempt;
  process.stubborn = stubborn_ || draw.chance(0.1);
  const auto steps = draw.between(0, 5);
  const bool burst = draw.chance(0.2);
  const TimeUs pace = draw.between(50 * kMillisecond, kSecond);
  TimeUs at = now_ + draw.between(kMillisecond, 300 * kMillisecond);
  // A clone, and whoever is taken up again, goes on from a checkpoint or begins anew.
  const bool goes_on = (job.parent >= 0 || job.attempt > 1) && draw.chance(0.5);
  std::int64_t step = goes_on ? draw.between(0, 3) : 0;
  for (std::int64_t i = 0; i < steps; ++i) {
    step += draw.chance(0.1) ? 3 : 1;  // some leave steps out
    if (!burst) at += pace;
    const double value = value_of(seed_, job.trial, job.attempt, step);
    process.script.emplace_back(at, Reported{job.trial, job.attempt, step, {{"loss", value}}});
    if (draw.chance(0.05)) process.script.push_back(process.script.back());
    if (draw.chance(0.03)) {
      process.script.emplace_back(at, Reported{job.trial, job.attempt, step, {{"loss", value + 1}}});
    }
    if (draw.chance(0.03) && step > 1) {
      process.script.emplace_back(at, Reported{job.trial, job.attempt, step - 1, {{"loss", value + 1}}});
    }
  }
  const auto own = own_end(draw, seed_, job, now_, at);
  const TimeUs end_at = own.first;
  if (own.second.outcome == Outcome::could_not_start) process.script.clear();
  std::erase_if(process.script, [&](const auto& each) { return each.first > end_at; });
  process.script.emplace_back(end_at, own.second);
  processes_.insert_or_assign(job.trial, std::move(process));
}

void Processes::end(std::int64_t trial, Process& process, TimeUs at, Outcome outcome,
                    std::optional<int> signal) {
  while (process.script.size() > process.next && process.script.back().first > at) process.script.pop_back();
  // Where its own end came first, that is how it ended.
  if (process.script.size() > process.next && std::holds_alternative<Ended>(process.script.back().second)) {
    return;
  }
  Ended ended;
  ended.trial = trial;
  ended.attempt = process.attempt;
  ended.outcome = outcome;
  ended.signal = signal;
  process.script.emplace_back(at, std::move(ended));
}

void Processes::stop(std::int64_t trial, StopReason reason) {
  const auto found = processes_.find(trial);
  if (found == processes_.end() || found->second.stopping) return;
  Process& process = found->second;
  process.stopping = reason;
  Draw draw(seed_, index_of(trial, process.attempt, 4095), Topic::behaviour);
  const TimeUs takes = process.stubborn ? kGrace : draw.between(kMillisecond, 200 * kMillisecond);
  end(trial, process, now_ + takes, outcome_of(reason), process.stubborn ? 9 : 15);
}

void Processes::kill(std::int64_t trial) {
  const auto found = processes_.find(trial);
  if (found == processes_.end()) return;
  const auto reason = found->second.stopping.value_or(StopReason::cancelled);
  end(trial, found->second, now_, outcome_of(reason), 9);
}

std::vector<RunnerEvent> Processes::poll(std::chrono::milliseconds timeout, int /*wake_fd*/) {
  std::vector<std::pair<TimeUs, RunnerEvent>> due;
  for (auto place = processes_.begin(); place != processes_.end();) {
    Process& process = place->second;
    while (process.next < process.script.size() && process.script[process.next].first <= now_) {
      due.push_back(std::move(process.script[process.next++]));
    }
    place = process.next == process.script.size() ? processes_.erase(place) : std::next(place);
  }
  std::stable_sort(due.begin(), due.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<RunnerEvent> events;
  for (auto& [at, event] : due) events.push_back(std::move(event));
  waits_ = events.empty() ? timeout.count() * kMillisecond : 0;
  return events;
}

std::optional<TimeUs> Processes::next_due() const {
  std::optional<TimeUs> due;
  for (const auto& [trial, process] : processes_) {
    const TimeUs at = process.script[process.next].first;
    if (!due || at < *due) due = at;
  }
  return due;
}

bool Processes::one_dies(std::int64_t choice) {
  if (processes_.empty()) return false;
  const auto size = static_cast<std::int64_t>(processes_.size());
  const auto place = std::next(processes_.begin(), choice % size);
  end(place->first, place->second, now_, Outcome::signalled, 9);
  return true;
}

}  // namespace krigon::simulation
