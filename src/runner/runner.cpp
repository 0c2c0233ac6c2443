#include "runner/runner.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <limits>
#include <regex>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "krigon/error.hpp"
#include "runner/attempt.hpp"
#include "runner/memory_cgroup.hpp"
#include "runner/resources.hpp"
#include "runner/shim/patterns.hpp"
#include "runner/workspace.hpp"

namespace krigon {

namespace fs = std::filesystem;
using detail::Attempt;
using detail::UniqueFd;
using Steady = std::chrono::steady_clock;

namespace {

constexpr const char* kShimName = "krigon-shim";

/// Report files are looked at this often where inotify is not to be had.
constexpr Milliseconds kPollReports{50};
/// And this often even so: a file that was replaced has no watch.
constexpr Milliseconds kRescan{1000};
/// A shim that says nothing for so long after its time to give up is stopped or stuck itself.
constexpr Milliseconds kShimPatience{90'000};

fs::path own_executable() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

fs::path find_shim(const fs::path& wanted) {
  if (!wanted.empty()) {
    if (::access(wanted.c_str(), X_OK) == 0) return fs::absolute(wanted);
    throw EnvironmentError(
        fmt::format("cannot execute the shim {}: {}", wanted.string(), std::strerror(errno)));
  }
  const fs::path folder = own_executable().parent_path();
  const std::array<fs::path, 2> places = {folder / kShimName,
                                          folder.parent_path() / "libexec/krigon" / kShimName};
  for (const auto& place : places) {
    if (::access(place.c_str(), X_OK) == 0) return place;
  }
  throw EnvironmentError(fmt::format("{} is missing: looked for {} and {}; install krigon again", kShimName,
                                     places[0].string(), places[1].string()));
}

/// Where PATH finds `name`, if anywhere.
std::optional<fs::path> in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  if (path == nullptr) return std::nullopt;
  const std::string list(path);
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(':', begin), list.size());
    const fs::path candidate = fs::path(list.substr(begin, end - begin)) / name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return std::nullopt;
}

/// So that `krigon report` in a trial is this very krigon, installed or not: a folder for PATH that
/// holds nothing else. Nothing when PATH finds it already or this program is not krigon.
std::optional<fs::path> tools_folder(const fs::path& trials_folder) {
  const fs::path self = own_executable();
  if (self.filename() != "krigon") return std::nullopt;
  std::error_code error;
  if (const auto found = in_path("krigon"); found && fs::equivalent(*found, self, error)) return std::nullopt;
  const fs::path folder = fs::absolute(trials_folder) / ".bin";
  fs::create_directories(folder, error);
  fs::remove(folder / "krigon", error);
  fs::create_symlink(self, folder / "krigon", error);
  return error ? std::nullopt : std::optional<fs::path>(folder);
}

void check_patterns(const StudySpec& spec) {
  for (const auto& [name, metric] : spec.trial.metrics) {
    try {
      detail::compile_pattern(metric.pattern);
    } catch (const std::regex_error& e) {
      throw UsageError(fmt::format("trial: metrics: {}: pattern '{}' is no ECMAScript regular expression: {}",
                                   name, metric.pattern, e.what()));
    }
  }
}

}  // namespace

struct Runner::Impl {
  RunnerOptions options;
  fs::path shim;
  std::optional<fs::path> tools;
  detail::ResourcePool pool;
  detail::MemoryControl memory;
  UniqueFd epoll, inotify;
  std::map<std::int64_t, std::unique_ptr<Attempt>> attempts;
  std::map<int, std::int64_t> by_watch;
  std::deque<RunnerEvent> events;
  Steady::time_point rescan = Steady::now();

  explicit Impl(RunnerOptions o)
      : options(std::move(o)),
        shim(find_shim(options.shim)),
        pool(detail::ResourcePool::inherited(options.spec.resources)) {
    check_patterns(options.spec);
    std::error_code error;
    options.trials_folder = fs::absolute(options.trials_folder);
    options.study_folder = fs::absolute(options.study_folder).lexically_normal();
    fs::create_directories(options.trials_folder, error);
    if (error || ::access(options.trials_folder.c_str(), W_OK | X_OK) != 0) {
      throw EnvironmentError(fmt::format("cannot write in the trials' folder {}: {}",
                                         options.trials_folder.string(),
                                         error ? error.message() : std::strerror(errno)));
    }
    if (!fs::is_directory(options.study_folder, error)) {
      throw EnvironmentError(
          fmt::format("the study's folder {} does not exist", options.study_folder.string()));
    }
    tools = tools_folder(options.trials_folder);
    if (options.spec.resources.memory) memory = detail::detect_memory_control();
    epoll = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) throw EnvironmentError(fmt::format("epoll_create1: {}", std::strerror(errno)));
    inotify = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (inotify) listen_to(inotify.get(), std::numeric_limits<std::uint64_t>::max());
  }

  ~Impl() {
    for (auto& [number, attempt] : attempts) attempt->kill();
    for (auto& [number, attempt] : attempts) attempt->wait_for_shim(kShimPatience);
  }

  void listen_to(int fd, std::uint64_t what) const {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = what;
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  }

  void start(const TrialJob& job) {
    if (attempts.contains(job.trial)) throw UsageError(fmt::format("trial {} is running already", job.trial));
    if (pool.capacity() < 1) throw UsageError("no resources are free for a further trial");
    auto attempt = std::make_unique<Attempt>(options, job, pool.take());
    std::map<std::string, std::string> share_env;
    if (const auto visible = pool.visible_devices(attempt->share()))
      share_env["CUDA_VISIBLE_DEVICES"] = *visible;
    if (options.spec.resources.cpus_per_trial > 0) {
      share_env["OMP_NUM_THREADS"] = std::to_string(options.spec.resources.cpus_per_trial);
    }
    attempt->start(shim, share_env, tools, memory);
    if (attempt->socket() >= 0) listen_to(attempt->socket(), static_cast<std::uint64_t>(job.trial));
    if (attempt->socket() >= 0 && inotify) {
      attempt->watch =
          ::inotify_add_watch(inotify.get(), attempt->report_file().c_str(), IN_MODIFY | IN_CLOSE_WRITE);
      if (attempt->watch >= 0) by_watch[attempt->watch] = job.trial;
    }
    if (attempt->watch < 0) rescan = Steady::now();
    attempts.emplace(job.trial, std::move(attempt));
  }

  /// Reads what has come of the attempt's reports; ends it when all is there.
  void look_at(std::int64_t number) {
    const auto found = attempts.find(number);
    if (found == attempts.end()) return;
    Attempt& attempt = *found->second;
    attempt.read_reports(events);
    if (!attempt.over()) return;
    if (attempt.watch >= 0) {
      ::inotify_rm_watch(inotify.get(), attempt.watch);
      by_watch.erase(attempt.watch);
    }
    events.emplace_back(attempt.ended());
    pool.give_back(attempt.share());
    attempts.erase(found);
  }

  void take_watches() {
    alignas(inotify_event) std::array<char, 16384> buffer;
    std::vector<std::int64_t> touched;
    for (;;) {
      const ssize_t n = ::read(inotify.get(), buffer.data(), buffer.size());
      if (n <= 0) break;
      for (ssize_t at = 0; at < n;) {
        inotify_event event = {};
        std::memcpy(&event, buffer.data() + at, sizeof event);
        at += static_cast<ssize_t>(sizeof event + event.len);
        if ((event.mask & IN_Q_OVERFLOW) != 0) rescan = Steady::now();
        const auto found = by_watch.find(event.wd);
        if (found == by_watch.end()) continue;
        if (touched.empty() || touched.back() != found->second) touched.push_back(found->second);
      }
    }
    for (const std::int64_t number : touched) look_at(number);
  }

  /// Everything that is ready now, without waiting.
  void take_ready() {
    std::array<epoll_event, 64> ready;
    int n = 0;
    do {
      n = ::epoll_wait(epoll.get(), ready.data(), static_cast<int>(ready.size()), 0);
      for (int i = 0; i < n; ++i) {
        const std::uint64_t what = ready[static_cast<std::size_t>(i)].data.u64;
        if (what == std::numeric_limits<std::uint64_t>::max()) {
          take_watches();
          continue;
        }
        const auto number = static_cast<std::int64_t>(what);
        if (const auto found = attempts.find(number); found != attempts.end()) found->second->hear();
        look_at(number);
      }
    } while (n == static_cast<int>(ready.size()) && events.size() < 10'000);
  }

  /// Timers, attempts that never ran, report files with more to read. Returns when to look again.
  Steady::time_point take_due(Steady::time_point now) {
    const bool all = now >= rescan;
    std::vector<std::int64_t> due;
    for (auto& [number, attempt] : attempts) {
      if (attempt->deadline && now >= *attempt->deadline) {
        attempt->deadline.reset();
        attempt->stop(StopReason::timeout);
      }
      if (all) attempt->hear();
      if (all || attempt->more || attempt->over()) due.push_back(number);
    }
    for (const std::int64_t number : due) look_at(number);
    if (all) {
      bool watched = true;
      for (const auto& [number, attempt] : attempts) watched = watched && attempt->watch >= 0;
      rescan = now + (watched ? kRescan : kPollReports);
    }
    auto next = rescan;
    for (const auto& [number, attempt] : attempts) {
      if (attempt->deadline) next = std::min(next, *attempt->deadline);
      if (attempt->more || attempt->over()) next = now;
    }
    return next;
  }

  std::vector<RunnerEvent> poll(Milliseconds timeout, int wake_fd) {
    const auto end = Steady::now() + std::max(timeout, Milliseconds(0));
    for (;;) {
      take_ready();
      const auto now = Steady::now();
      const auto next = take_due(now);
      if (!events.empty() || now >= end) break;
      const auto wait = std::chrono::ceil<Milliseconds>(std::min(next, end) - now).count();
      std::array<pollfd, 2> fds = {{{epoll.get(), POLLIN, 0}, {wake_fd, POLLIN, 0}}};
      const int n =
          ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<std::int64_t>(wait, 0, 3'600'000)));
      if (n < 0 || fds[1].revents != 0) {  // a signal; the caller's own descriptor
        take_ready();
        take_due(Steady::now());
        break;
      }
    }
    std::vector<RunnerEvent> result(std::make_move_iterator(events.begin()),
                                    std::make_move_iterator(events.end()));
    events.clear();
    return result;
  }
};

Runner::Runner(RunnerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Runner::~Runner() = default;

void Runner::start(const TrialJob& job) {
  impl_->start(job);
}

std::int64_t Runner::capacity() const {
  return impl_->pool.capacity();
}

std::size_t Runner::running() const {
  return impl_->attempts.size();
}

fs::path Runner::checkpoint_folder(std::int64_t trial) const {
  return detail::trial_folder(impl_->options, trial) / "checkpoint";
}

nlohmann::json Runner::resources(std::int64_t trial) const {
  const auto found = impl_->attempts.find(trial);
  return detail::ResourcePool::to_json(found == impl_->attempts.end() ? detail::Share{}
                                                                      : found->second->share());
}

void Runner::stop(std::int64_t trial, StopReason reason) {
  if (const auto found = impl_->attempts.find(trial); found != impl_->attempts.end())
    found->second->stop(reason);
}

void Runner::kill(std::int64_t trial) {
  if (const auto found = impl_->attempts.find(trial); found != impl_->attempts.end()) found->second->kill();
}

std::vector<RunnerEvent> Runner::poll(std::chrono::milliseconds timeout, int wake_fd) {
  return impl_->poll(timeout, wake_fd);
}

std::string Runner::memory_limit_support() {
  const auto control = detail::detect_memory_control();
  switch (control.kind) {
    case detail::MemoryControl::Kind::v1:
      return fmt::format("enforced (cgroup version 1, {})", control.folder.string());
    case detail::MemoryControl::Kind::v2:
      return fmt::format("enforced (cgroup version 2, {})", control.folder.string());
    case detail::MemoryControl::Kind::none:
      break;
  }
  return "not enforced: " + control.why_not;
}

}  // namespace krigon
