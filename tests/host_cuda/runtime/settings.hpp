#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

/// What the environment asks of the runtime, read once (see tests/host_cuda/README.md).
namespace krigon::host_cuda {

/// Which queued operation runs next when the host waits for a stream.
enum class Schedule {
  kRandom,       ///< any stream's, drawn by the seed
  kEager,        ///< every operation as soon as it is queued
  kLazy,         ///< only those that the wait needs
  kOthersFirst,  ///< all that can run in the other streams, then the one waited for
};

struct Settings {
  std::uint64_t seed = 1;                 ///< KRIGON_HOST_CUDA_SEED
  Schedule schedule = Schedule::kRandom;  ///< KRIGON_HOST_CUDA_SCHEDULE: random, eager, lazy, others-first
  std::size_t memory = std::size_t{8} << 30;  ///< KRIGON_HOST_CUDA_MEMORY: bytes of the device
};

Settings& settings();

/// Draws for the order of threads, blocks and streams.
std::mt19937_64& random_source();

}  // namespace krigon::host_cuda
