#pragma once

#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/host_cuda/runtime/streams.hpp"

namespace krigon::host_cuda {

/// Operations with their order, as a capture leaves them.
struct GraphPlan {
  struct Node {
    Operation operation;
    std::vector<std::size_t> after;
  };
  std::vector<Node> nodes;

  /// The operations in an order, drawn among those that the plan allows.
  std::vector<Operation> linearised(std::mt19937_64& random) const;
};

/// One capture in progress, from cudaStreamBeginCapture to its end.
struct Capture {
  Stream* origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  bool spoilt = false;  ///< an illegal call was made: nothing comes of it
  GraphPlan plan;

  /// Whether every node comes before one of `last`.
  bool joined(const std::vector<std::size_t>& last) const;
};

std::vector<std::shared_ptr<Capture>>& captures();

}  // namespace krigon::host_cuda
