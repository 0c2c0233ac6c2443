#include "kernels/cuda/graph.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "kernels/cuda/check.hpp"

namespace krigon::cuda {

void Graphs::run(const std::function<Key()>& key, const std::function<void()>& sequence) {
  const auto find = [&](const Key& wanted) {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const Entry& entry) { return entry.key == wanted; });
  };
  const auto whole_key = [&] {
    Key whole = key();
    whole.push_back(context_.scratch_generation());
    return whole;
  };
  const auto found = find(whole_key());
  if (found == entries_.end()) {
    sequence();
    Key now = whole_key();
    if (find(now) != entries_.end()) return;
    if (entries_.size() == kMost) {
      const auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                           [](const Entry& a, const Entry& b) { return a.used < b.used; });
      if (oldest->graph != nullptr) static_cast<void>(cudaGraphExecDestroy(oldest->graph));
      entries_.erase(oldest);
    }
    entries_.push_back({.key = std::move(now), .used = ++time_});
    return;
  }
  found->used = ++time_;
  if (found->graph == nullptr && !found->refused) record(*found, sequence);
  if (found->refused) {
    sequence();
    return;
  }
  check(cudaGraphLaunch(found->graph, context_.stream()), "launching a graph");
}

void Graphs::record(Entry& entry, const std::function<void()>& sequence) {
  cudaStream_t stream = context_.stream();
  cudaError_t status = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  if (status == cudaSuccess) {
    bool whole = true;
    try {
      sequence();
    } catch (const std::exception&) {
      whole = false;  // some call cannot be recorded; it will say so again, if it has to, when it runs
    }
    cudaGraph_t graph = nullptr;
    status = cudaStreamEndCapture(stream, &graph);
    if (status == cudaSuccess && whole) status = cudaGraphInstantiate(&entry.graph, graph, 0);
    if (!whole) status = cudaErrorStreamCaptureInvalidated;
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  }
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  entry.graph = nullptr;
  entry.refused = true;
}

void Graphs::clear() noexcept {
  for (const Entry& entry : entries_) {
    if (entry.graph != nullptr) static_cast<void>(cudaGraphExecDestroy(entry.graph));
  }
  entries_.clear();
}

}  // namespace krigon::cuda
