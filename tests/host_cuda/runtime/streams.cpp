#include "tests/host_cuda/runtime/streams.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "tests/host_cuda/runtime/device_memory.hpp"
#include "tests/host_cuda/runtime/graphs.hpp"
#include "tests/host_cuda/runtime/guarded_buffer.hpp"
#include "tests/host_cuda/runtime/settings.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

namespace krigon::host_cuda {

Device& Device::instance() {
  static auto* device = new Device;  // outlives every static
  return *device;
}

Device::Device() {
  streams_.push_back(std::make_unique<Stream>());
  streams_.front()->is_legacy = true;
}

cudaStream_t Device::create_stream(unsigned flags) {
  streams_.push_back(std::make_unique<Stream>());
  streams_.back()->is_blocking = (flags & cudaStreamNonBlocking) == 0;
  return reinterpret_cast<cudaStream_t>(streams_.back().get());
}

Stream& Device::stream(cudaStream_t handle, const char* call) {
  if (handle == nullptr || handle == cudaStreamLegacy) return *streams_.front();
  const auto found = std::ranges::find_if(
      streams_, [handle](const auto& s) { return reinterpret_cast<cudaStream_t>(s.get()) == handle; });
  if (found == streams_.end() || (*found)->is_destroyed) {
    violation(
        fmt::format("{}: {} is no stream, or one that was destroyed", call, static_cast<void*>(handle)));
  }
  return **found;
}

/// CUDA destroys a stream when its work is done, without waiting.
void Device::destroy(Stream& stream) {
  stream.is_destroyed = true;
  forget_finished();
}

void Device::forget_finished() {
  std::erase_if(streams_, [](const auto& s) { return s->is_destroyed && s->queue.empty(); });
}

void Device::leave_capture(const std::shared_ptr<Capture>& capture) {
  for (const auto& stream : streams_) {
    if (stream->capture != capture) continue;
    stream->capture.reset();
    stream->last_nodes.clear();
  }
}

cudaError_t Device::enqueue(Stream& stream, Operation operation) {
  if (stream.capture) {
    Capture& capture = *stream.capture;
    if (capture.spoilt) return cudaErrorStreamCaptureInvalidated;
    capture.plan.nodes.push_back({.operation = std::move(operation), .after = stream.last_nodes});
    stream.last_nodes = {capture.plan.nodes.size() - 1};
    return cudaSuccess;
  }
  if (stream.is_legacy) {
    for (const auto& other : streams_) {
      if (!other->is_blocking || !other->capture) continue;
      other->capture->spoilt = true;
      return cudaErrorStreamCaptureImplicit;
    }
  }
  const Schedule schedule = settings().schedule;
  operation.sequence = next_sequence_++;
  // Unless something queued earlier has yet to read it.
  if (operation.poisons_host && schedule != Schedule::kEager &&
      pending_use_of(operation.host.start, operation.host.bytes) == nullptr) {
    std::memset(const_cast<void*>(operation.host.start), kUnset, operation.host.bytes);
  }
  stream.queue.push_back(std::move(operation));
  if (schedule == Schedule::kEager) {
    run_until([&stream] { return stream.queue.empty(); }, &stream);
  }
  return cudaSuccess;
}

/// Whether the stream's first operation has all that CUDA makes it wait for.
bool Device::may_run(const Stream& stream) const {
  if (stream.queue.empty()) return false;
  const Operation& first = stream.queue.front();
  if (first.awaited && first.awaited->completed < first.ticket) return false;
  if (!stream.is_legacy && !stream.is_blocking) return true;
  return std::ranges::all_of(streams_, [&](const auto& other) {
    const bool ordered = stream.is_legacy ? other->is_blocking : other->is_legacy;
    return !ordered || other->queue.empty() || other->queue.front().sequence > first.sequence;
  });
}

bool Device::step(Stream* stream) {
  if (stream == nullptr || !may_run(*stream)) return false;
  Operation operation = std::move(stream->queue.front());
  stream->queue.pop_front();
  run(*stream, std::move(operation));
  return true;
}

void Device::run(Stream& stream, Operation operation) {
  if (operation.graph) {
    // In its place, so that other streams' work comes between a graph's nodes as well.
    std::vector<Operation> nodes = operation.graph->linearised(random_source());
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      node->sequence = operation.sequence;
      stream.queue.push_front(std::move(*node));
    }
    return;
  }
  if (!operation.run) return;
  const DeviceAccess access;
  operation.run();
}

std::vector<Stream*> Device::shuffled() const {
  std::vector<Stream*> order;
  for (const auto& stream : streams_) order.push_back(stream.get());
  std::shuffle(order.begin(), order.end(), random_source());
  return order;
}

bool Device::step_any(const Stream* but) {
  for (Stream* stream : shuffled()) {
    if (stream != but && step(stream)) return true;
  }
  return false;
}

/// Runs operations by the schedule until done() holds. `wanted` is the stream that the host waits for;
/// null if it waits for something else.
template <class Done>
void Device::run_until(Done done, Stream* wanted) {
  const DeviceAccess access;  // once for all, not once each
  if (settings().schedule == Schedule::kOthersFirst && wanted != nullptr) {
    while (step_any(wanted)) {
    }
  }
  while (!done()) {
    const bool wander = settings().schedule == Schedule::kRandom && random_source()() % 2 == 0;
    if (!wander && step(wanted)) continue;
    if (!step_any()) {
      violation("the host waits for ever: queued operations wait for an event that nothing records any more");
    }
  }
  forget_finished();
}

cudaError_t Device::wait(Stream& stream) {
  if (const cudaError_t refused = refuse_in_capture(stream); refused != cudaSuccess) return refused;
  // Of another stream than the captured one too, in the modes that forbid what may be unsafe.
  if (const cudaError_t refused = refuse_in_capture(); refused != cudaSuccess) return refused;
  run_until([&stream] { return stream.queue.empty(); }, &stream);
  return cudaSuccess;
}

cudaError_t Device::wait_all() {
  for (const auto& capture : captures()) {
    capture->spoilt = true;
  }
  if (!captures().empty()) return cudaErrorStreamCaptureUnsupported;
  run_until([this] { return std::ranges::all_of(streams_, [](const auto& s) { return s->queue.empty(); }); },
            nullptr);
  return cudaSuccess;
}

cudaError_t Device::wait(const std::shared_ptr<Event>& event) {
  if (const cudaError_t refused = refuse_in_capture(); refused != cudaSuccess) return refused;
  run_until([&event] { return event->completed >= event->recorded; }, nullptr);
  return cudaSuccess;
}

void Device::progress() {
  const DeviceAccess access;
  step_any();
}

const Operation* Device::pending_use_of(const void* start, std::size_t bytes) const {
  const char* const from = static_cast<const char*>(start);
  for (const auto& stream : streams_) {
    for (const Operation& operation : stream->queue) {
      const char* const used = static_cast<const char*>(operation.host.start);
      if (operation.host.bytes > 0 && used < from + bytes && used + operation.host.bytes > from)
        return &operation;
    }
  }
  return nullptr;
}

cudaError_t Device::refuse_in_capture() {
  bool refused = false;
  for (const auto& capture : captures()) {
    const bool forbids =
        capture->mode == cudaStreamCaptureModeGlobal ||
        (capture->mode == cudaStreamCaptureModeThreadLocal && capture->thread == std::this_thread::get_id());
    if (!forbids) continue;
    capture->spoilt = true;
    refused = true;
  }
  return refused ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

cudaError_t Device::refuse_in_capture(Stream& stream) {
  if (!stream.capture) return cudaSuccess;
  stream.capture->spoilt = true;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace krigon::host_cuda
