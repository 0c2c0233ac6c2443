// krigon-shim: runs one attempt of one trial and sees to it that nothing of it is left.
//
// It sits in a session of its own, is the subreaper of all that the program forks, and holds a socket
// to the runner. The socket's end means that the runner is gone, however it went. Whether the program
// ended, the runner asked for it or the runner died: SIGTERM, a grace period, SIGKILL, again and again
// until wait(2) says that there is no child left. It also takes in what the program prints.

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/shim/launch.hpp"
#include "runner/shim/output.hpp"
#include "runner/shim/patterns.hpp"
#include "runner/shim/processes.hpp"
#include "runner/shim_protocol.hpp"

namespace krigon::detail {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// After this long under SIGKILL a process is stuck in the kernel: nothing more can be done.
constexpr milliseconds kGiveUp{60'000};

/// The value behind `key` in a file of "key value" lines, 0 where there is none.
std::int64_t counter(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  std::string name;
  std::int64_t value = 0;
  while (in >> name >> value) {
    if (name == key) return value;
  }
  return 0;
}

bool read_exactly(int fd, void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t n = ::read(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

class Shim {
 public:
  explicit Shim(ShimPlan plan) : plan_(std::move(plan)) {}

  void run() {
    oom_before_ = oom_kills();
    if (!start()) return;
    while (!finished()) step();
    finish();
  }

 private:
  enum class Phase { running, terminating, killing };

  void say(const ShimMessage& message) {
    // Fails only when the runner is gone, which the loop learns by itself.
    [[maybe_unused]] const ssize_t n = ::send(kShimControlFd, &message, sizeof message, MSG_NOSIGNAL);
  }

  bool refuse(ShimStage stage, int error) {
    remove_cgroup();
    say({.word = ShimWord::not_started, .stage = stage, .error = error});
    return false;
  }

  bool start() {
    try {
      patterns_ = std::make_unique<PatternReader>(plan_.patterns, plan_.report_file);
    } catch (const std::regex_error&) {
      return refuse(ShimStage::pattern, EINVAL);
    }
    if (!stdout_.open(plan_.stdout_file, plan_.output_limit) ||
        !stderr_.open(plan_.stderr_file, plan_.output_limit)) {
      return refuse(ShimStage::output, errno);
    }
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) sigaddset(&signals, signal);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signals_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    program_ = launch(plan_);
    if (program_.stage != ShimStage::none) return refuse(program_.stage, program_.error);
    say({.word = ShimWord::started,
         .pid = program_.pid,
         .cgroup_failed = program_.cgroup_failed,
         .affinity_failed = program_.affinity_failed});
    return true;
  }

  bool finished() const { return !children_left_ || gave_up_; }

  int wait_ms() const {
    const auto now = Steady::now();
    if (phase_ == Phase::running) return -1;
    if (phase_ == Phase::killing) return now - phase_began_ < milliseconds(100) ? 1 : 20;
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - now).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }

  void step() {
    std::array<pollfd, 4> fds = {{{signals_.get(), POLLIN, 0},
                                  {orphaned_ ? -1 : kShimControlFd, POLLIN, 0},
                                  {program_.out ? program_.out.get() : -1, POLLIN, 0},
                                  {program_.err ? program_.err.get() : -1, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), wait_ms());
    if (fds[0].revents != 0) take_signals();
    reap();  // before the runner's word: a program that has ended was not ended by it
    if (fds[1].revents != 0) take_word();
    drain(program_.out, stdout_, false);
    drain(program_.err, stderr_, true);
    if (phase_ == Phase::terminating && Steady::now() >= deadline_) begin_killing();
    if (phase_ == Phase::killing) keep_killing();
  }

  void take_signals() {
    signalfd_siginfo info = {};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo != static_cast<std::uint32_t>(SIGCHLD)) begin_terminating(plan_.grace_ms);
    }
  }

  void take_word() {
    char word = 0;
    const ssize_t n = ::recv(kShimControlFd, &word, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      orphaned_ = true;
      begin_terminating(plan_.orphan_grace_ms);
    } else if (word == kShimKill) {
      begin_killing();
    } else if (word == kShimStop) {
      begin_terminating(plan_.grace_ms);
    }
  }

  void begin_terminating(std::uint64_t grace_ms) {
    const auto deadline = Steady::now() + milliseconds(grace_ms);
    if (phase_ == Phase::terminating) deadline_ = std::min(deadline_, deadline);
    if (phase_ != Phase::running) return;
    if (!program_ended_) signalled_ = true;
    phase_ = Phase::terminating;
    deadline_ = deadline;
    signal_descendants(SIGTERM);
    signal_descendants(SIGCONT);  // one that is stopped would never see it
  }

  void begin_killing() {
    if (phase_ == Phase::killing) return;
    if (!program_ended_) signalled_ = true;
    phase_ = Phase::killing;
    phase_began_ = Steady::now();
  }

  void keep_killing() {
    if (plan_.cgroup_v2) write_file(plan_.cgroup + "/cgroup.kill", "1");
    kill_descendants();
    reap();
    gave_up_ = Steady::now() - phase_began_ > kGiveUp;
  }

  void reap() {
    for (;;) {
      int status = 0;
      rusage usage = {};
      const pid_t pid = ::wait4(-1, &status, WNOHANG, &usage);
      if (pid < 0 && errno == EINTR) continue;
      if (pid < 0) children_left_ = false;
      if (pid <= 0) break;
      if (pid == program_.pid) {
        program_ended_ = true;
        status_ = status;
        usage_ = usage;
      }
    }
    // The program is what the attempt is; what it leaves behind goes with it.
    if (program_ended_ && children_left_ && phase_ == Phase::running)
      begin_terminating(plan_.leftover_grace_ms);
  }

  void drain(UniqueFd& fd, OutputFile& file, bool from_stderr) {
    std::array<char, 65536> buffer;
    // A bounded number of rounds, so that a flood does not keep the runner's word from being heard.
    for (int round = 0; fd && round < 16; ++round) {
      const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
      if (n > 0) {
        const std::string_view data(buffer.data(), static_cast<std::size_t>(n));
        file.write(data);
        patterns_->feed(from_stderr, data);
      } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        fd.reset();
      } else {
        break;
      }
    }
  }

  std::int64_t oom_kills() const {
    if (plan_.cgroup.empty()) return counter("/proc/vmstat", "oom_kill");
    return counter(plan_.cgroup + (plan_.cgroup_v2 ? "/memory.events" : "/memory.oom_control"), "oom_kill");
  }

  static void write_file(const std::string& path, const char* text) {
    std::ofstream(path) << text << std::flush;
  }

  void remove_cgroup() {
    if (plan_.cgroup.empty()) return;
    // The kernel lets go of the last process a moment after wait(2) returned it.
    for (int i = 0; i < 100 && ::rmdir(plan_.cgroup.c_str()) != 0 && errno == EBUSY; ++i) ::usleep(2000);
  }

  void finish() {
    // Nobody is left to write, so an empty pipe is the end; one held open by a process that escaped
    // SIGKILL is given up.
    for (int i = 0; i < 1024 && (program_.out || program_.err); ++i) {
      std::array<pollfd, 2> fds = {{{program_.out ? program_.out.get() : -1, POLLIN, 0},
                                    {program_.err ? program_.err.get() : -1, POLLIN, 0}}};
      if (::poll(fds.data(), fds.size(), 0) == 0) break;
      drain(program_.out, stdout_, false);
      drain(program_.err, stderr_, true);
    }
    patterns_->finish();
    stdout_.close();
    stderr_.close();
    ShimMessage message = {.word = ShimWord::ended};
    message.wait_status = status_;
    message.signalled = signalled_;
    message.write_error = stdout_.error() != 0 ? stdout_.error() : stderr_.error();
    message.leftover = gave_up_ ? 1 : 0;
    message.oom_kills = oom_kills() - oom_before_;
    message.peak_memory = static_cast<std::int64_t>(usage_.ru_maxrss) * 1024;
    message.cpu_us = (usage_.ru_utime.tv_sec + usage_.ru_stime.tv_sec) * 1'000'000 + usage_.ru_utime.tv_usec +
                     usage_.ru_stime.tv_usec;
    message.dropped_stdout = stdout_.dropped();
    message.dropped_stderr = stderr_.dropped();
    remove_cgroup();
    say(message);
  }

  ShimPlan plan_;
  std::unique_ptr<PatternReader> patterns_;
  OutputFile stdout_, stderr_;
  UniqueFd signals_;
  Launched program_;
  Phase phase_ = Phase::running;
  Steady::time_point deadline_, phase_began_;
  bool orphaned_ = false, program_ended_ = false, children_left_ = true, signalled_ = false, gave_up_ = false;
  int status_ = 0;
  rusage usage_ = {};
  std::int64_t oom_before_ = 0;
};

void close_all_but_control() {
  if (::syscall(SYS_close_range, kShimControlFd + 1, ~0u, 0) == 0) return;
  const long most = ::sysconf(_SC_OPEN_MAX);
  for (int fd = kShimControlFd + 1; fd < static_cast<int>(most < 0 ? 4096 : most); ++fd) ::close(fd);
}

int run_shim() {
  std::uint64_t size = 0;
  if (::fcntl(kShimControlFd, F_GETFD) < 0) {
    std::fputs("krigon-shim runs one trial for krigon; it is not for use by hand.\n", stderr);
    return 2;
  }
  close_all_but_control();
  ::fcntl(kShimControlFd, F_SETFD, FD_CLOEXEC);
  ::setsid();  // fails where the runner has done it already
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ShimPlan plan;
  if (!read_exactly(kShimControlFd, &size, sizeof size) || size > (1u << 30)) return 2;
  std::string bytes(size, '\0');
  if (!read_exactly(kShimControlFd, bytes.data(), size)) return 2;
  if (!decode(bytes, plan)) {
    const ShimMessage message = {.word = ShimWord::not_started, .stage = ShimStage::plan, .error = EPROTO};
    [[maybe_unused]] const ssize_t n = ::send(kShimControlFd, &message, sizeof message, MSG_NOSIGNAL);
    return 2;
  }
  Shim(std::move(plan)).run();
  return 0;
}

}  // namespace
}  // namespace krigon::detail

int main() {
  try {
    return krigon::detail::run_shim();
  } catch (...) {
    return 70;  // out of memory: the runner sees the socket's end
  }
}
