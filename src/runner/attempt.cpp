#include "runner/attempt.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "krigon/error.hpp"
#include "runner/outcome.hpp"
#include "runner/text.hpp"

namespace krigon::detail {

namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

namespace {

/// A trial whose manager is gone may be run again soon: it must not write checkpoints for long.
constexpr Milliseconds kOrphanGrace{3000};
/// What a program leaves behind when it ends has had its time.
constexpr Milliseconds kLeftoverGrace{2000};
constexpr std::size_t kStderrTail = 4096;
/// Read of one report file before the others have their turn.
constexpr std::size_t kReadAtOnce = 1 << 20;

std::uint64_t milliseconds(Milliseconds time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
}

void add_patterns(const StudySpec& spec, ShimPlan& plan) {
  for (const auto& [name, metric] : spec.trial.metrics) {
    ShimPattern pattern;
    pattern.json_name = nlohmann::json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    pattern.pattern = metric.pattern;
    pattern.from_stderr = metric.from_stderr;
    pattern.is_step = name == "step";
    pattern.is_objective = !spec.objectives.empty() && name == spec.objective().metric;
    plan.patterns.push_back(pattern);
  }
}

/// The process's own environment and attributes that posix_spawn needs; freed together.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

}  // namespace

Attempt::Attempt(const RunnerOptions& options, TrialJob job, Share share)
    : options_(options),
      job_(std::move(job)),
      share_(std::move(share)),
      reports_(options.spec.objectives.empty() ? "" : options.spec.objective().metric) {}

Attempt::~Attempt() {
  if (!shim_running()) return;
  kill();
  wait_for_shim(Milliseconds(90'000));
}

void Attempt::start(const fs::path& shim, const std::map<std::string, std::string>& share_env,
                    const std::optional<fs::path>& tools, const MemoryControl& memory) {
  began_ = ended_ = Steady::now();
  try {
    workspace_ = make_workspace(options_, job_);
    for (const auto& warning : workspace_.warnings) reports_.warn(warning);
    tail_ = ReportTail(workspace_.report_file().string());
    ShimPlan plan;
    plan.argv = workspace_.argv;
    plan.env = make_environment(options_, job_, workspace_, share_env, tools);
    for (const auto& entry : plan.env) {
      if (entry.compare(0, 5, "PATH=") == 0) path_variable_ = entry.substr(5);
    }
    plan.folder = workspace_.working_directory.string();
    plan.stdout_file = workspace_.stdout_file().string();
    plan.stderr_file = workspace_.stderr_file().string();
    plan.report_file = workspace_.report_file().string();
    add_patterns(options_.spec, plan);
    plan.output_limit = options_.spec.trial.output_limit;
    plan.grace_ms = milliseconds(options_.spec.trial.grace);
    plan.orphan_grace_ms = std::min(plan.grace_ms, milliseconds(kOrphanGrace));
    plan.leftover_grace_ms = std::min(plan.grace_ms, milliseconds(kLeftoverGrace));
    plan.cpus = share_.cpus;
    if (options_.spec.resources.memory && memory.kind == MemoryControl::Kind::none) {
      reports_.warn("the memory limit is not enforced: " + memory.why_not);
    } else if (options_.spec.resources.memory) {
      const auto name = fmt::format("krigon-{}-{}-{}", ::getpid(), job_.trial, job_.attempt);
      cgroup_ = make_memory_cgroup(memory, name, *options_.spec.resources.memory).string();
      plan.cgroup = cgroup_;
      plan.cgroup_v2 = memory.kind == MemoryControl::Kind::v2;
    }
    spawn(shim, plan);
    if (options_.spec.trial.timeout) deadline = began_ + *options_.spec.trial.timeout;
  } catch (const std::exception& e) {
    start_problem_ = e.what();
    if (!cgroup_.empty()) ::rmdir(cgroup_.c_str());
  }
}

void Attempt::spawn(const fs::path& shim, const ShimPlan& plan) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw EnvironmentError(fmt::format("cannot make a socket: {}", std::strerror(errno)));
  }
  socket_ = UniqueFd(ends[0]);
  const UniqueFd theirs(ends[1]);
  SpawnSetup setup;
  ::posix_spawn_file_actions_addopen(&setup.actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&setup.actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&setup.actions, 2, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&setup.actions, theirs.get(), kShimControlFd);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&setup.attributes, &none);
  ::posix_spawnattr_setsigdefault(&setup.attributes, &all);
  ::posix_spawnattr_setflags(&setup.attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  std::string name = shim.filename().string();
  std::string label = fmt::format("trial {} attempt {}", job_.trial, job_.attempt);
  char* argv[] = {name.data(), label.data(), nullptr};
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, shim.c_str(), &setup.actions, &setup.attributes, argv, environ);
  if (failed != 0) {
    socket_.reset();
    throw EnvironmentError(fmt::format("cannot start {}: {}", shim.string(), std::strerror(failed)));
  }
  shim_pid_ = pid;
  send_plan(plan);
  ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
}

void Attempt::send_plan(const ShimPlan& plan) {
  const std::string body = encode(plan);
  const std::uint64_t size = body.size();
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
  bytes += body;
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = ::send(socket_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the shim died: its socket's end tells
    sent += static_cast<std::size_t>(n);
  }
}

void Attempt::say(char word) {
  if (socket_) {
    [[maybe_unused]] const ssize_t n = ::send(socket_.get(), &word, 1, MSG_NOSIGNAL);
  }
}

void Attempt::stop(StopReason reason) {
  if (!stop_) stop_ = reason;
  say(kShimStop);
}

void Attempt::kill() {
  if (!stop_) stop_ = StopReason::cancelled;
  say(kShimKill);
}

void Attempt::hear() {
  char buffer[1024];
  while (shim_running()) {
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      shim_gone();
      return;
    }
    inbox_.append(buffer, static_cast<std::size_t>(n));
    while (inbox_.size() >= sizeof(ShimMessage)) {
      ShimMessage message;
      std::memcpy(&message, inbox_.data(), sizeof message);
      inbox_.erase(0, sizeof message);
      if (message.word == ShimWord::started) {
        if (message.cgroup_failed != 0)
          reports_.warn("the memory limit is not enforced: the cgroup refused it");
        if (message.affinity_failed != 0) reports_.warn("it could not be bound to its CPUs");
      } else {
        last_ = message;
        ended_ = Steady::now();
      }
    }
  }
}

void Attempt::shim_gone() {
  while (::waitpid(shim_pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  socket_.reset();
  deadline.reset();
  if (!last_) {
    ended_ = Steady::now();
    kill_orphans();
    if (!cgroup_.empty()) ::rmdir(cgroup_.c_str());
  }
  shim_pid_ = -1;
  more = true;
}

/// The shim was killed, and what it watched over went to another reaper: found by the session, or by
/// the environment, of each process of this machine.
void Attempt::kill_orphans() const {
  const std::string mark = "KRIGON_TRIAL_DIR=" + workspace_.folder.string();
  for (int round = 0; round < 100; ++round) {
    bool found = false;
    std::error_code error;
    for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
      const pid_t pid = static_cast<pid_t>(std::strtol(it->path().filename().c_str(), nullptr, 10));
      if (pid <= 1 || pid == ::getpid()) continue;
      bool ours = ::getsid(pid) == shim_pid_;
      if (!ours) {
        std::ifstream in(it->path() / "environ", std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        const std::size_t at = text.find(mark + '\0');
        ours = at != std::string::npos && (at == 0 || text[at - 1] == '\0');
      }
      if (ours) found = ::kill(pid, SIGKILL) == 0 || found;
    }
    if (!found) return;
    ::usleep(10'000);
  }
}

void Attempt::read_reports(std::deque<RunnerEvent>& events) {
  if (workspace_.folder.empty() || !start_problem_.empty()) {
    more = false;
    return;
  }
  const auto on_line = [&](std::string_view line) {
    if (auto report = reports_.add(line)) {
      events.emplace_back(Reported{job_.trial, job_.attempt, report->first, std::move(report->second)});
    }
  };
  more = tail_.read(kReadAtOnce, on_line);
  if (!shim_running() && !more) tail_.finish(on_line);
}

std::string Attempt::read_stderr_tail() const {
  std::ifstream in(workspace_.stderr_file(), std::ios::binary);
  if (!in) return {};
  in.seekg(0, std::ios::end);
  const auto size = static_cast<std::int64_t>(in.tellg());
  const std::int64_t length = std::min<std::int64_t>(size, 4 * kStderrTail);
  in.seekg(size - length);
  std::string text(static_cast<std::size_t>(std::max<std::int64_t>(length, 0)), '\0');
  in.read(text.data(), length);
  text.resize(static_cast<std::size_t>(in.gcount()));
  return last_lines(text, kStderrTail);
}

Ended Attempt::ended() {
  Ended result;
  result.trial = job_.trial;
  result.attempt = job_.attempt;
  result.seconds = std::chrono::duration<double>(ended_ - began_).count();
  if (!start_problem_.empty()) {
    result.outcome = Outcome::could_not_start;
    result.reason = start_problem_;
    return result;
  }
  if (tail_.too_long() > 0) {
    reports_.warn(fmt::format("{} report line(s) longer than {} bytes set aside", tail_.too_long(),
                              kLongestReportLine));
  }
  result.stderr_tail = read_stderr_tail();
  if (last_) {
    if (last_->dropped_stdout > 0)
      reports_.warn(fmt::format("{} bytes of stdout not kept", last_->dropped_stdout));
    if (last_->dropped_stderr > 0)
      reports_.warn(fmt::format("{} bytes of stderr not kept", last_->dropped_stderr));
    if (last_->write_error != 0) {
      reports_.warn(fmt::format("its output could not be kept: {}", std::strerror(last_->write_error)));
    }
    if (last_->leftover != 0) reports_.warn("a process of it withstood SIGKILL and may still be there");
    result.cpu_seconds = static_cast<double>(last_->cpu_us) * 1e-6;
    result.peak_memory = last_->peak_memory;
  }
  judge({options_.spec, job_, options_.study_folder, workspace_.argv, path_variable_, stop_, last_, reports_,
         result.stderr_tail},
        result);
  result.warnings = reports_.warnings();
  return result;
}

void Attempt::wait_for_shim(Milliseconds patience) {
  const auto until = Steady::now() + patience;
  while (shim_running()) {
    const auto left = std::chrono::ceil<Milliseconds>(until - Steady::now()).count();
    if (left <= 0) {
      ::kill(shim_pid_, SIGKILL);
      shim_gone();
      return;
    }
    pollfd fd = {socket_.get(), POLLIN, 0};
    ::poll(&fd, 1, static_cast<int>(left));
    hear();
  }
}

}  // namespace krigon::detail
