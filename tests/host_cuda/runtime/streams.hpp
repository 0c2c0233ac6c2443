#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <cuda_runtime.h>

/// Streams as queues of operations that run late: when the host waits, in an order that the seed draws
/// among all that CUDA allows (settings.hpp). Capture and the graphs that come of it are in graphs.hpp.
namespace krigon::host_cuda {

struct Capture;
struct GraphPlan;

/// Host memory that an operation reads or writes when it runs.
struct HostRange {
  const void* start = nullptr;
  std::size_t bytes = 0;
};

struct Event {
  bool timed = true;
  std::uint64_t recorded = 0;   ///< tickets given out by cudaEventRecord
  std::uint64_t completed = 0;  ///< the newest whose turn has come
  std::chrono::steady_clock::time_point time;
  // Set when the newest record was captured instead of queued:
  std::weak_ptr<Capture> capture;
  std::vector<std::size_t> captured_nodes;
};

struct Operation {
  const char* name = "";      ///< the call that queued it
  std::function<void()> run;  ///< device work; empty for a wait
  HostRange host;
  bool poisons_host = false;       ///< `host` is written: unset until then
  std::shared_ptr<Event> awaited;  ///< may run only when `ticket` has completed
  std::uint64_t ticket = 0;
  std::shared_ptr<const GraphPlan> graph;  ///< stands for the operations of a graph
  std::uint64_t sequence = 0;
};

struct Stream {
  bool is_legacy = false;    ///< the null stream
  bool is_blocking = false;  ///< waits for the null stream, and it for this one
  bool is_destroyed = false;
  std::deque<Operation> queue;
  // While it takes part in a capture:
  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> last_nodes;  ///< what its next captured operation comes after
};

class Device {
 public:
  static Device& instance();

  cudaStream_t create_stream(unsigned flags);
  /// Ends the process if the handle is none. `call` names the caller.
  Stream& stream(cudaStream_t handle, const char* call);
  void destroy(Stream& stream);

  /// The streams of an ended capture go back to queueing.
  void leave_capture(const std::shared_ptr<Capture>& capture);

  /// Queues the operation, or adds it to the stream's capture.
  cudaError_t enqueue(Stream& stream, Operation operation);

  cudaError_t wait(Stream& stream);
  cudaError_t wait_all();
  cudaError_t wait(const std::shared_ptr<Event>& event);
  /// Runs something, if anything can, for callers that poll.
  void progress();
  bool idle(const Stream& stream) const { return stream.queue.empty(); }

  /// Whether a queued operation still uses the host memory.
  const Operation* pending_use_of(const void* start, std::size_t bytes) const;

  /// cudaErrorStreamCaptureUnsupported, and the captures spoilt, if a call that is unsafe in a capture is
  /// made while one forbids it; `stream` limits the question to one stream's capture.
  cudaError_t refuse_in_capture();
  cudaError_t refuse_in_capture(Stream& stream);

 private:
  Device();
  bool may_run(const Stream& stream) const;
  bool step(Stream* stream);
  bool step_any(const Stream* but = nullptr);
  void run(Stream& stream, Operation operation);
  std::vector<Stream*> shuffled() const;
  void forget_finished();
  template <class Done>
  void run_until(Done done, Stream* wanted);

  std::vector<std::unique_ptr<Stream>> streams_;  ///< the null stream first
  std::uint64_t next_sequence_ = 1;
};

}  // namespace krigon::host_cuda
