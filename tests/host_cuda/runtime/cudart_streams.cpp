// Stand-ins for the CUDA runtime: streams, events, capture and graphs.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include <cuda_runtime.h>
#include <fmt/format.h>

#include "tests/host_cuda/runtime/api.hpp"
#include "tests/host_cuda/runtime/counters.hpp"
#include "tests/host_cuda/runtime/graphs.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/settings.hpp"
#include "tests/host_cuda/runtime/streams.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

using namespace krigon::host_cuda;

namespace {

/// Objects that live behind a handle of CUDA's; a handle that is none, or of a destroyed one, is noticed.
template <class Handle, class Object>
class Handles {
 public:
  Handle add(std::shared_ptr<Object> object) {
    const Handle handle = reinterpret_cast<Handle>(object.get());
    live_[handle] = std::move(object);
    return handle;
  }
  const std::shared_ptr<Object>& get(Handle handle, const char* call) const {
    const auto found = live_.find(handle);
    if (found == live_.end()) {
      violation(fmt::format("{}: {} is no such object, or one that was destroyed", call,
                            static_cast<void*>(handle)));
    }
    return found->second;
  }
  void remove(Handle handle, const char* call) {
    get(handle, call);
    // The object is kept: its address must not become another's handle while old ones may be about.
    retired_.insert(live_.extract(handle));
  }

 private:
  std::map<Handle, std::shared_ptr<Object>> live_;
  std::map<Handle, std::shared_ptr<Object>> retired_;
};

Handles<cudaEvent_t, Event>& events() {
  static auto* all = new Handles<cudaEvent_t, Event>;  // outlives every static
  return *all;
}
/// A graph and its instances have addresses of their own for handles, and share the plan.
struct Graph {
  std::shared_ptr<const GraphPlan> plan;
};
Handles<cudaGraph_t, Graph>& graphs() {
  static auto* all = new Handles<cudaGraph_t, Graph>;
  return *all;
}
Handles<cudaGraphExec_t, Graph>& instances() {
  static auto* all = new Handles<cudaGraphExec_t, Graph>;
  return *all;
}

void poison_host_memory(const GraphPlan& plan) {
  for (const GraphPlan::Node& node : plan.nodes) {
    const Operation& operation = node.operation;
    if (operation.poisons_host &&
        Device::instance().pending_use_of(operation.host.start, operation.host.bytes) == nullptr) {
      std::memset(const_cast<void*>(operation.host.start), kUnset, operation.host.bytes);
    }
    if (operation.graph) poison_host_memory(*operation.graph);
  }
}

cudaError_t record(const std::shared_ptr<Event>& event, Stream& stream) {
  if (stream.capture) {
    if (stream.capture->spoilt) return cudaErrorStreamCaptureInvalidated;
    event->capture = stream.capture;
    event->captured_nodes = stream.last_nodes;
    return cudaSuccess;
  }
  event->capture.reset();
  const std::uint64_t ticket = ++event->recorded;
  return Device::instance().enqueue(stream, {.name = "cudaEventRecord", .run = [event, ticket] {
                                               event->completed = ticket;
                                               event->time = std::chrono::steady_clock::now();
                                             }});
}

cudaError_t spoil(Capture& capture, cudaError_t error) {
  capture.spoilt = true;
  return error;
}

cudaError_t make_wait(Stream& stream, const std::shared_ptr<Event>& event) {
  const std::shared_ptr<Capture> of_event = event->capture.lock();
  if (!of_event) {
    // What was recorded outside a capture is no part of the graph.
    if (stream.capture) return spoil(*stream.capture, cudaErrorStreamCaptureIsolation);
    if (event->recorded == event->completed) return cudaSuccess;
    return Device::instance().enqueue(
        stream, {.name = "cudaStreamWaitEvent", .awaited = event, .ticket = event->recorded});
  }
  if (of_event->spoilt) return cudaErrorStreamCaptureInvalidated;
  if (!stream.capture) {
    // The stream joins the capture.
    if (stream.is_legacy) return spoil(*of_event, cudaErrorStreamCaptureImplicit);
    stream.capture = of_event;
    stream.last_nodes = event->captured_nodes;
    return cudaSuccess;
  }
  if (stream.capture != of_event) {
    spoil(*stream.capture, cudaErrorStreamCaptureMerge);
    return spoil(*of_event, cudaErrorStreamCaptureMerge);
  }
  for (const std::size_t node : event->captured_nodes) {
    if (std::ranges::find(stream.last_nodes, node) == stream.last_nodes.end())
      stream.last_nodes.push_back(node);
  }
  return cudaSuccess;
}

}  // namespace

extern "C" {

// ---- streams

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return api("cudaStreamCreateWithFlags",
             [&] { return *stream = Device::instance().create_stream(flags), cudaSuccess; });
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return api("cudaStreamCreate",
             [&] { return *stream = Device::instance().create_stream(cudaStreamDefault), cudaSuccess; });
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return api("cudaStreamCreateWithPriority",
             [&] { return *stream = Device::instance().create_stream(flags), cudaSuccess; });
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return api("cudaStreamDestroy", [&] {
    Device& device = Device::instance();
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    Stream& queue = device.stream(stream, "cudaStreamDestroy");
    if (queue.capture) return spoil(*queue.capture, cudaErrorStreamCaptureUnsupported);
    device.destroy(queue);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return api("cudaStreamSynchronize", [&] {
    ++live_counters().synchronisations;
    return Device::instance().wait(Device::instance().stream(stream, "cudaStreamSynchronize"));
  });
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const std::lock_guard lock(runtime_mutex());  // 'not ready' is no error to remember
  Device& device = Device::instance();
  Stream& queue = device.stream(stream, "cudaStreamQuery");
  if (const cudaError_t refused = device.refuse_in_capture(queue); refused != cudaSuccess)
    return remember(refused);
  if (const cudaError_t refused = device.refuse_in_capture(); refused != cudaSuccess)
    return remember(refused);
  device.progress();
  return device.idle(queue) ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return api("cudaLaunchHostFunc", [&] {
    Device& device = Device::instance();
    return device.enqueue(device.stream(stream, "cudaLaunchHostFunc"),
                          {.name = "cudaLaunchHostFunc", .run = [function, data] { function(data); }});
  });
}

// ---- events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return api("cudaEventCreateWithFlags", [&] {
    auto created = std::make_shared<Event>();
    created->timed = (flags & cudaEventDisableTiming) == 0;
    *event = events().add(std::move(created));
    return cudaSuccess;
  });
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return api("cudaEventDestroy", [&] { return events().remove(event, "cudaEventDestroy"), cudaSuccess; });
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return api("cudaEventRecord", [&] {
    return record(events().get(event, "cudaEventRecord"),
                  Device::instance().stream(stream, "cudaEventRecord"));
  });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return api("cudaStreamWaitEvent", [&] {
    return make_wait(Device::instance().stream(stream, "cudaStreamWaitEvent"),
                     events().get(event, "cudaStreamWaitEvent"));
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return api("cudaEventSynchronize", [&] {
    const std::shared_ptr<Event>& e = events().get(event, "cudaEventSynchronize");
    if (const auto capture = e->capture.lock()) return spoil(*capture, cudaErrorCapturedEvent);
    ++live_counters().synchronisations;
    return Device::instance().wait(e);
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(runtime_mutex());  // 'not ready' is no error to remember
  const std::shared_ptr<Event>& e = events().get(event, "cudaEventQuery");
  if (const auto capture = e->capture.lock()) return remember(spoil(*capture, cudaErrorCapturedEvent));
  Device& device = Device::instance();
  if (const cudaError_t refused = device.refuse_in_capture(); refused != cudaSuccess)
    return remember(refused);
  device.progress();
  return e->completed == e->recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return api("cudaEventElapsedTime", [&] {
    const std::shared_ptr<Event>& a = events().get(from, "cudaEventElapsedTime");
    const std::shared_ptr<Event>& b = events().get(to, "cudaEventElapsedTime");
    if (!a->timed || !b->timed || a->recorded == 0 || b->recorded == 0) return cudaErrorInvalidResourceHandle;
    if (a->completed < a->recorded || b->completed < b->recorded) return cudaErrorNotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(b->time - a->time).count();
    return cudaSuccess;
  });
}

// ---- capture and graphs

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return api("cudaStreamBeginCapture", [&] {
    Stream& queue = Device::instance().stream(stream, "cudaStreamBeginCapture");
    if (queue.is_legacy) return cudaErrorStreamCaptureUnsupported;
    if (queue.capture) return cudaErrorIllegalState;
    auto capture = std::make_shared<Capture>();
    capture->origin = &queue;
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    captures().push_back(capture);
    queue.capture = std::move(capture);
    queue.last_nodes.clear();
    return cudaSuccess;
  });
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return api("cudaStreamEndCapture", [&] {
    *graph = nullptr;
    Device& device = Device::instance();
    Stream& queue = device.stream(stream, "cudaStreamEndCapture");
    const std::shared_ptr<Capture> capture = queue.capture;
    if (!capture) return cudaErrorIllegalState;
    if (capture->origin != &queue) return spoil(*capture, cudaErrorStreamCaptureUnmatched);
    if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
      return cudaErrorStreamCaptureWrongThread;
    }
    const bool joined = capture->joined(queue.last_nodes);
    device.leave_capture(capture);
    std::erase(captures(), capture);
    if (capture->spoilt) return cudaErrorStreamCaptureInvalidated;
    if (!joined) return cudaErrorStreamCaptureUnjoined;
    *graph =
        graphs().add(std::make_shared<Graph>(std::make_shared<const GraphPlan>(std::move(capture->plan))));
    return cudaSuccess;
  });
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return api("cudaStreamIsCapturing", [&] {
    const Stream& queue = Device::instance().stream(stream, "cudaStreamIsCapturing");
    *status = !queue.capture          ? cudaStreamCaptureStatusNone
              : queue.capture->spoilt ? cudaStreamCaptureStatusInvalidated
                                      : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long) {
  return api("cudaGraphInstantiate", [&] {
    *instance = instances().add(std::make_shared<Graph>(*graphs().get(graph, "cudaGraphInstantiate")));
    return cudaSuccess;
  });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t stream) {
  return api("cudaGraphLaunch", [&] {
    Device& device = Device::instance();
    const auto& plan = instances().get(instance, "cudaGraphLaunch")->plan;
    Stream& queue = device.stream(stream, "cudaGraphLaunch");
    ++live_counters().graph_launches;
    if (!queue.capture && settings().schedule != Schedule::kEager) poison_host_memory(*plan);
    return device.enqueue(queue, {.name = "cudaGraphLaunch", .graph = plan});
  });
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  return api("cudaGraphGetNodes", [&] {
    if (nodes != nullptr) return cudaErrorNotSupported;
    *count = graphs().get(graph, "cudaGraphGetNodes")->plan->nodes.size();
    return cudaSuccess;
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return api("cudaGraphDestroy", [&] { return graphs().remove(graph, "cudaGraphDestroy"), cudaSuccess; });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) {
  return api("cudaGraphExecDestroy",
             [&] { return instances().remove(instance, "cudaGraphExecDestroy"), cudaSuccess; });
}

}  // extern "C"
