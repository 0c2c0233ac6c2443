#include "cli/interrupts.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};

std::atomic<int> presses{0};
std::atomic<int> write_fd{-1};
std::array<struct sigaction, kSignals.size()> before{};

static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

extern "C" void take(int signal) {
  const int saved = errno;
  if (signal != SIGINT && presses.load() == 0) ++presses;
  ++presses;
  const char byte = 0;
  // A full pipe wakes its reader just as well.
  [[maybe_unused]] const auto written = write(write_fd.load(), &byte, 1);
  errno = saved;
}

}  // namespace

Interrupts::Interrupts() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw EnvironmentError(fmt::format("a pipe could not be made: {}", std::strerror(errno)));
  }
  read_fd_ = ends[0];
  write_fd = ends[1];
  presses = 0;
  struct sigaction action {};
  action.sa_handler = take;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &before[i]);
    // Started by nohup, or in the background of a shell: what was ignored stays so.
    if (before[i].sa_handler == SIG_IGN) sigaction(kSignals[i], &before[i], nullptr);
  }
}

Interrupts::~Interrupts() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
  close(write_fd.exchange(-1));
  close(read_fd_);
}

int Interrupts::count() {
  return presses.load();
}

void Interrupts::drain() const {
  std::array<char, 64> bytes{};
  while (read(read_fd_, bytes.data(), bytes.size()) > 0) {
  }
}

}  // namespace krigon::cli
