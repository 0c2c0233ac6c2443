#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "krigon/error.hpp"
#include "worker/run_loop.hpp"

namespace krigon {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

/// The process's start time in clock ticks since boot, 0 when there is no such process (or only its
/// zombie, which holds nothing any more).
std::uint64_t start_time(long pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string stat((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto name_end = stat.rfind(')');  // the name may hold spaces and brackets itself
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return 0;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  std::uint64_t start = 0;
  fields >> start;
  return start;
}

/// Of the processes that this one can see: another container may have the same host name.
std::string process_namespace() {
  std::array<char, 64> text{};
  const auto size = ::readlink("/proc/self/ns/pid", text.data(), text.size() - 1);
  std::string digits;
  for (ssize_t i = 0; i < size; ++i) {
    const char c = text.at(static_cast<std::size_t>(i));
    if (c >= '0' && c <= '9') digits += c;
  }
  return digits;
}

}  // namespace

std::string local_worker_name() {
  return fmt::format("{}:{}:{}@{}", host_name(), ::getpid(), start_time(::getpid()), process_namespace());
}

std::optional<bool> worker_alive(const std::string& worker) {
  const auto second = worker.rfind(':');
  if (second == std::string::npos || second == 0) return std::nullopt;
  const auto first = worker.rfind(':', second - 1);
  if (first == std::string::npos || worker.substr(0, first) != host_name()) return std::nullopt;
  long pid = 0;
  std::uint64_t start = 0;
  const auto number = [&](std::size_t from, std::size_t to, auto& value) {
    const auto result = std::from_chars(worker.data() + from, worker.data() + to, value);
    return result.ec == std::errc{} && result.ptr == worker.data() + to;
  };
  const auto end = std::min(worker.rfind('@'), worker.size());
  if (end < second || !number(first + 1, second, pid) || !number(second + 1, end, start)) return std::nullopt;
  if (end < worker.size() && worker.substr(end + 1) != process_namespace()) return std::nullopt;
  return start_time(pid) == start && start != 0;
}

double LeaseWatch::stood(std::int64_t fence, TimeUs until) {
  // An answer may take long to come: a lease is known to stand from when the first one was there until the
  // newest was asked for.
  const auto [place, first_time] = seen_.try_emplace(fence, Sight{until, seconds_()});
  Sight& sight = place->second;
  if (!first_time && sight.until != until) sight = {until, seconds_()};
  sight.fresh = true;
  return (asked_ - sight.first) * kSecond / static_cast<double>(lease_);
}

void LeaseWatch::forget() {
  std::erase_if(seen_, [](const auto& each) { return !each.second.fresh; });
  for (auto& [fence, sight] : seen_) sight.fresh = false;
}

std::int64_t recover_lost_trials(StudyManager& manager, RunObserver& observer, LeaseWatch* watch,
                                 bool by_lease) {
  if (watch != nullptr) watch->ask();
  const TimeUs now = manager.storage().now();
  std::int64_t recovered = 0;
  for (const auto& attempt : manager.storage().running_attempts(manager.study().id)) {
    const bool stood = watch != nullptr && LeaseWatch::over(watch->stood(attempt.fence, attempt.lease_until));
    const TimeUs stood_until = stood ? attempt.lease_until : 0;
    const auto alive = worker_alive(attempt.worker);
    const bool lost = alive ? !*alive : by_lease && lease_over(attempt.lease_until, now, stood_until);
    if (!lost) continue;
    FailAttempt fail;
    fail.trial = attempt.trial;
    fail.fence = attempt.fence;
    fail.outcome = Outcome::lost;
    fail.if_expired = !alive;
    fail.stood_until = stood_until;
    fail.reason = fmt::format("its manager {} is gone", attempt.worker);
    try {
      const auto applied = manager.apply(fail);
      ++recovered;
      observer.note(fmt::format("trial {} was running when its manager ended: {}", attempt.trial,
                                applied.trial->state == TrialState::queued
                                    ? "it is run again"
                                    : "it has no retry left and is marked failed"));
    } catch (const ConflictError&) {
      // Another manager was faster.
    }
  }
  if (watch != nullptr) watch->forget();
  return recovered;
}

}  // namespace krigon
