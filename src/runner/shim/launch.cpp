#include "runner/shim/launch.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace krigon::detail {

namespace {

/// What the child says before it executes the program.
struct ChildWord {
  ShimStage stage;
  std::int32_t error;
  std::uint8_t cgroup_failed, affinity_failed;
};

bool make_pipe(UniqueFd& read_end, UniqueFd& write_end) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return false;
  read_end = UniqueFd(fds[0]);
  write_end = UniqueFd(fds[1]);
  return true;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

bool join_cgroup(const std::string& folder) {
  const int fd = ::open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool joined = ::write(fd, "0", 1) == 1;
  ::close(fd);
  return joined;
}

bool pin(const std::vector<std::uint64_t>& cpus) {
  const std::uint64_t highest = *std::max_element(cpus.begin(), cpus.end());
  cpu_set_t* set = CPU_ALLOC(highest + 1);
  if (set == nullptr) return false;
  const std::size_t size = CPU_ALLOC_SIZE(highest + 1);
  CPU_ZERO_S(size, set);
  for (const std::uint64_t cpu : cpus) CPU_SET_S(cpu, size, set);
  const bool pinned = ::sched_setaffinity(0, size, set) == 0;
  CPU_FREE(set);
  return pinned;
}

void default_signals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// In the child. Returns only when the program cannot be executed.
ChildWord become(const ShimPlan& plan, pid_t shim, int in, int out, int err, int words) {
  ChildWord word = {ShimStage::exec, 0, 0, 0};
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != shim) ::_exit(127);
  ::setpgid(0, 0);
  default_signals();
  if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) {
    word.stage = ShimStage::output;
    word.error = errno;
    return word;
  }
  rlimit core = {};
  if (::getrlimit(RLIMIT_CORE, &core) == 0) {
    core.rlim_cur = 0;
    ::setrlimit(RLIMIT_CORE, &core);
  }
  if (!plan.cgroup.empty()) word.cgroup_failed = join_cgroup(plan.cgroup) ? 0 : 1;
  if (!plan.cpus.empty()) word.affinity_failed = pin(plan.cpus) ? 0 : 1;
  if (::chdir(plan.folder.c_str()) != 0) {
    word.stage = ShimStage::folder;
    word.error = errno;
    return word;
  }
  ChildWord fine = word;
  fine.stage = ShimStage::none;
  if (::write(words, &fine, sizeof fine) != static_cast<ssize_t>(sizeof fine)) ::_exit(127);
  const auto argv = pointers(plan.argv);
  auto env = pointers(plan.env);
  environ = env.data();  // execvp looks the program up in this PATH
  ::execvp(argv[0], argv.data());
  word.error = errno;
  return word;
}

}  // namespace

Launched launch(const ShimPlan& plan) {
  Launched result;
  UniqueFd out_write, err_write, words_read, words_write;
  UniqueFd in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!in || !make_pipe(result.out, out_write) || !make_pipe(result.err, err_write) ||
      !make_pipe(words_read, words_write)) {
    result.stage = ShimStage::output;
    result.error = errno;
    return result;
  }
  ::fcntl(result.out.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(result.err.get(), F_SETFL, O_NONBLOCK);
  const pid_t shim = ::getpid();
  result.pid = ::fork();
  if (result.pid < 0) {
    result.stage = ShimStage::fork;
    result.error = errno;
    return result;
  }
  if (result.pid == 0) {
    const ChildWord word = become(plan, shim, in.get(), out_write.get(), err_write.get(), words_write.get());
    [[maybe_unused]] const ssize_t n = ::write(words_write.get(), &word, sizeof word);
    ::_exit(127);
  }
  ::setpgid(result.pid, result.pid);  // here too, so that it holds before any signal is sent
  words_write.reset();
  // The last word counts: first "about to execute", then, where that fails, why. A program that
  // runs closes the pipe by executing.
  ChildWord word = {};
  bool heard = false;
  for (;;) {
    ChildWord next = {};
    const ssize_t n = ::read(words_read.get(), &next, sizeof next);
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(sizeof next)) break;
    word = next;
    heard = true;
  }
  result.cgroup_failed = word.cgroup_failed != 0;
  result.affinity_failed = word.affinity_failed != 0;
  if (heard && word.stage != ShimStage::none) {
    result.stage = word.stage;
    result.error = word.error;
    int status = 0;
    while (::waitpid(result.pid, &status, 0) < 0 && errno == EINTR) {
    }
    result.pid = -1;
  }
  return result;
}

}  // namespace krigon::detail
