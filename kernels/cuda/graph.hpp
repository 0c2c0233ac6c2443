#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <cuda_runtime.h>

#include "kernels/cuda/context.hpp"

namespace krigon::cuda {

/// Sequences of many small launches, recorded once as CUDA graphs and launched as one.
///
/// A sequence is known by its `key`: every address and size that it depends on, so that the same key means
/// the same work. It runs as it is the first time, when work space may still grow; is recorded the second
/// time; and launched from then on. Where a sequence cannot be recorded it runs as it is for ever.
class Graphs {
 public:
  using Key = std::vector<std::int64_t>;

  explicit Graphs(Context& context) : context_(context) {}
  ~Graphs() { clear(); }
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;

  /// `key` is asked again after the first time, when work space may have moved.
  void run(const std::function<Key()>& key, const std::function<void()>& sequence);

 private:
  struct Entry {
    Key key;
    cudaGraphExec_t graph = nullptr;
    bool refused = false;
    std::int64_t used = 0;
  };

  void record(Entry& entry, const std::function<void()>& sequence);
  void clear() noexcept;

  static constexpr std::size_t kMost = 32;
  Context& context_;
  std::vector<Entry> entries_;
  std::int64_t time_ = 0;
};

}  // namespace krigon::cuda
