#include "tests/host_cuda/control.hpp"

#include <map>
#include <string>

#include "tests/host_cuda/runtime/api.hpp"
#include "tests/host_cuda/runtime/counters.hpp"
#include "tests/host_cuda/runtime/device_memory.hpp"
#include "tests/host_cuda/runtime/settings.hpp"

namespace krigon::host_cuda {
namespace {

struct Failure {
  cudaError_t error;
  int calls_left;
};
std::map<std::string, Failure, std::less<>>& failures() {
  static auto* by_call = new std::map<std::string, Failure, std::less<>>;  // outlives every static
  return *by_call;
}

}  // namespace

std::recursive_mutex& runtime_mutex() {
  static auto* mutex = new std::recursive_mutex;  // outlives every static
  return *mutex;
}

cudaError_t injected_failure(const char* call) {
  if (failures().empty()) return cudaSuccess;
  const auto found = failures().find(call);
  if (found == failures().end() || --found->second.calls_left > 0) return cudaSuccess;
  const cudaError_t error = found->second.error;
  failures().erase(found);
  return error;
}

Counters& live_counters() {
  static Counters all;
  return all;
}

std::set<const void*>& seen_kernels() {
  static auto* seen = new std::set<const void*>;  // outlives every static
  return *seen;
}

Counters counters() {
  const std::lock_guard lock(runtime_mutex());
  return live_counters();
}

std::size_t distinct_kernels() {
  const std::lock_guard lock(runtime_mutex());
  return seen_kernels().size();
}

std::size_t live_allocations() {
  const std::lock_guard lock(runtime_mutex());
  return DeviceMemory::instance().live_allocations();
}

std::size_t device_bytes_used() {
  const std::lock_guard lock(runtime_mutex());
  return DeviceMemory::instance().used();
}

void set_device_bytes(std::size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  settings().memory = bytes;
}

void fail_call(const char* function, cudaError_t error, int nth) {
  const std::lock_guard lock(runtime_mutex());
  failures().insert_or_assign(function, Failure{.error = error, .calls_left = nth});
}

void set_seed(std::uint64_t seed) {
  const std::lock_guard lock(runtime_mutex());
  random_source().seed(seed);
}

}  // namespace krigon::host_cuda
