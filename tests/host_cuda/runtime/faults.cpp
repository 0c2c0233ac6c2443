#include "tests/host_cuda/runtime/faults.hpp"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <signal.h>

#include "tests/host_cuda/executor.hpp"
#include "tests/host_cuda/runtime/device_memory.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

namespace krigon::host_cuda {
namespace {

struct sigaction previous;

void on_fault(int signal, siginfo_t* info, void* context) {
  const void* const address = info->si_addr;
  DeviceMemory& memory = DeviceMemory::instance();
  if (memory.contains(address)) {
    if (memory.open_at(address)) return;  // the first touch; it happens again
    // From here on the process ends, and the fault was in ordinary code: allocating is safe enough.
    const char* const who = running_launch() != nullptr
                                ? "a kernel reached outside the device memory that it may use"
                            : memory.is_open() ? "a queued operation reached outside device memory"
                                               : "host code followed a device pointer";
    violation_with_stack(fmt::format("{}: {}", who, memory.describe(address)));
  }
  if (const std::string shared = GuardedBuffer::describe(address); !shared.empty()) {
    violation_with_stack("a kernel reached outside shared memory: " + shared);
  }
  if (running_launch() != nullptr) {
    violation_with_stack(fmt::format("a kernel followed a pointer to nowhere, {}", address));
  }
  if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr) {
    previous.sa_sigaction(signal, info, context);
  } else {
    sigaction(SIGSEGV, &previous, nullptr);  // the fault happens again on return
  }
}

}  // namespace

void install_fault_handler() {
  // A stack of its own: the fault may be that a kernel thread's stack has run out.
  stack_t alternate{};
  sigaltstack(nullptr, &alternate);
  if ((alternate.ss_flags & SS_DISABLE) != 0) {
    static auto* stack = new std::vector<unsigned char>(std::size_t{256} * 1024);
    alternate = {};
    alternate.ss_sp = stack->data();
    alternate.ss_size = stack->size();
    sigaltstack(&alternate, nullptr);
  }
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &previous);
}

}  // namespace krigon::host_cuda
