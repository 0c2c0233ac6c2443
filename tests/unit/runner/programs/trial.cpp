// What a trial may do to be hard to get rid of, hard to read or hard to feed. Usage: trial MODE [ARGUMENT]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

[[noreturn]] void sleep_forever() {
  for (;;) ::pause();
}

void ignore_signals() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::signal(signal, SIG_IGN);
}

void say_ready() {
  const char* folder = std::getenv("KRIGON_TRIAL_DIR");
  const std::string path = std::string(folder != nullptr ? folder : ".") + "/ready";
  ::close(::open(path.c_str(), O_CREAT | O_WRONLY, 0666));
}

/// A daemon by the book: twice forked, in a session of its own, deaf.
void spawn_daemon() {
  if (::fork() == 0) {
    ::setsid();
    if (::fork() == 0) {
      ::setsid();
      ignore_signals();
      sleep_forever();
    }
    ::_exit(0);
  }
  ::wait(nullptr);
}

/// Children, grandchildren, daemons; all deaf.
void spawn_tree() {
  ignore_signals();
  for (int i = 0; i < 3; ++i) {
    if (::fork() == 0) {
      for (int j = 0; j < 2; ++j) {
        if (::fork() == 0) sleep_forever();
      }
      spawn_daemon();
      sleep_forever();
    }
    spawn_daemon();
  }
}

/// Processes that fork and end, each in a new session, so that none stays long enough to be seen.
[[noreturn]] void storm() {
  ignore_signals();
  ::signal(SIGCHLD, SIG_IGN);
  for (;;) {
    const pid_t pid = ::fork();
    if (pid > 0) ::_exit(0);
    if (pid == 0) ::setsid();
    if (pid < 0) ::usleep(1000);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const long argument = argc > 2 ? std::atol(argv[2]) : 0;
  if (mode == "tree") {
    spawn_tree();
    say_ready();
    sleep_forever();
  }
  if (mode == "leave") {  // ends well and leaves a tree behind
    spawn_tree();
    say_ready();
    return 0;
  }
  if (mode == "storm") {
    for (int i = 0; i < 4; ++i) {
      if (::fork() == 0) storm();
    }
    say_ready();
    ignore_signals();
    sleep_forever();
  }
  if (mode == "print") {  // megabytes
    std::string line(99, 'x');
    line += '\n';
    std::string block;
    for (int i = 0; i < 1000; ++i) block += line;
    std::fputs("first line\n", stdout);
    for (long i = 0; i < argument * 10; ++i) std::fwrite(block.data(), 1, block.size(), stdout);
    std::fputs("last line\n", stdout);
    return 0;
  }
  if (mode == "eat") {  // megabytes of memory
    for (long i = 0; i < argument; ++i) {
      void* block = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (block == MAP_FAILED) return 3;
      std::memset(block, 1, 1 << 20);
    }
    return 0;
  }
  if (mode == "fds") {  // which descriptors it was given
    for (int fd = 0; fd < 1024; ++fd) {
      if (::fcntl(fd, F_GETFD) >= 0) std::printf("%d ", fd);
    }
    return 0;
  }
  if (mode == "signals") {  // ignored or blocked ones, of which there should be none
    sigset_t blocked;
    ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
    for (int signal = 1; signal < 32; ++signal) {
      struct sigaction action = {};
      ::sigaction(signal, nullptr, &action);
      if (action.sa_handler == SIG_IGN) std::printf("ignored %d\n", signal);
      if (sigismember(&blocked, signal) == 1) std::printf("blocked %d\n", signal);
    }
    return 0;
  }
  std::fprintf(stderr, "unknown mode '%s'\n", mode.c_str());
  return 2;
}
