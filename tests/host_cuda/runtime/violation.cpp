#include "tests/host_cuda/runtime/violation.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include <dlfcn.h>
#include <execinfo.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tests/host_cuda/executor.hpp"

// The compiler's own checks of `.cu` files (array bounds) end the process in the same way.
extern "C" [[gnu::visibility("default")]] const char* __ubsan_default_options();
extern "C" const char* __ubsan_default_options() {
  return "exitcode=77:print_stacktrace=1";
}

#if defined(__SANITIZE_ADDRESS__)
extern "C" [[gnu::visibility("default")]] const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "exitcode=77";
}
#endif

namespace krigon::host_cuda {
namespace {

void print(const std::string& message) {
  std::string text = "host CUDA: " + message + "\n";
  if (const KernelLaunch* launch = running_launch()) {
    const Position& p = position;
    text += fmt::format("  in the kernel launched at {}, block ({}, {}, {}), thread ({}, {}, {})\n",
                        to_string(launch->site), p.block.x, p.block.y, p.block.z, p.thread.x, p.thread.y,
                        p.thread.z);
  }
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string to_string(std::source_location where) {
  return fmt::format("{}:{}", where.file_name(), where.line());
}

void violation(const std::string& message) {
  print(message);
  _exit(kViolationExitCode);
}

void violation(const std::string& message, std::source_location where) {
  violation(fmt::format("{} at {}", message, to_string(where)));
}

/// The frames of the code under test with their places in the source, by binutils' addr2line; bare addresses
/// where it is not there.
void violation_with_stack(const std::string& message) {
  print(message);
  alarm(20);  // the heap may be in any state here
  std::array<void*, 32> frames;
  const int count = backtrace(frames.data(), static_cast<int>(frames.size()));
  Dl_info own{};
  dladdr(reinterpret_cast<const void*>(&violation_with_stack), &own);
  std::string addresses;
  for (const void* frame : std::span(frames).first(static_cast<std::size_t>(count))) {
    Dl_info info{};
    if (dladdr(frame, &info) == 0 || info.dli_fbase != own.dli_fbase) continue;
    // A return address belongs to the call before it.
    addresses +=
        fmt::format(" {:#x}", static_cast<const char*>(frame) - static_cast<char*>(info.dli_fbase) - 1);
  }
  const std::string command = fmt::format(
      "addr2line -Cfpe '{}'{} 2>/dev/null | grep -v -e ':[?]$' -e /host_cuda/runtime/ -e /c++/ | "
      "sed 's/^/  /' | grep . >&2",
      own.dli_fname, addresses);
  if (std::system(command.c_str()) != 0) backtrace_symbols_fd(frames.data(), count, STDERR_FILENO);
  _exit(kViolationExitCode);
}

}  // namespace krigon::host_cuda
