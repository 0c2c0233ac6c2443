// Capture and graphs.
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/launch.cuh"
#include "tests/host_cuda/control.hpp"
#include "tests/host_cuda/device_array.hpp"

namespace krigon::host_cuda {
namespace {

using testing::ElementsAre;

__global__ void append(int* list, int value) {
  const int n = ++list[0];
  list[n] = value;
}

class Graphs : public testing::Test {
 protected:
  Graphs() : list(std::vector<int>(16, 0)) {
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    for (cudaStream_t* s : {&a, &b})
      EXPECT_EQ(cudaStreamCreateWithFlags(s, cudaStreamNonBlocking), cudaSuccess);
    for (cudaEvent_t* e : {&fork, &join}) {
      EXPECT_EQ(cudaEventCreateWithFlags(e, cudaEventDisableTiming), cudaSuccess);
    }
  }
  ~Graphs() override {
    for (const cudaStream_t s : {a, b}) cudaStreamDestroy(s);
    for (const cudaEvent_t e : {fork, join}) cudaEventDestroy(e);
    cudaGetLastError();
  }
  cudaError_t add(cudaStream_t stream, int value) {
    return cuda::launch(append, 1, 1, 0, stream, list.get(), value);
  }
  cudaError_t begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal) {
    return cudaStreamBeginCapture(a, mode);
  }
  cudaError_t end(cudaGraph_t* result = nullptr) {
    cudaGraph_t graph = nullptr;
    const cudaError_t error = cudaStreamEndCapture(a, &graph);
    if (result != nullptr) {
      *result = graph;
    } else if (graph != nullptr) {
      cudaGraphDestroy(graph);
    }
    return error;
  }
  std::vector<int> so_far() {
    std::vector<int> all = list.values();
    return {all.begin() + 1, all.begin() + 1 + all[0]};
  }

  DeviceArray<int> list;
  cudaStream_t a = nullptr, b = nullptr;
  cudaEvent_t fork = nullptr, join = nullptr;
};

TEST_F(Graphs, RecordAndReplayWithTheArgumentsOfTheCapture) {
  int value = 1;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t instance = nullptr;
  ASSERT_EQ(begin(), cudaSuccess);
  ASSERT_EQ(add(a, value), cudaSuccess);
  value = 2;
  ASSERT_EQ(add(a, value), cudaSuccess);
  value = 3;
  ASSERT_EQ(end(&graph), cudaSuccess);
  EXPECT_TRUE(so_far().empty()) << "a capture runs nothing";
  std::size_t nodes = 0;
  EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 2U);
  ASSERT_EQ(cudaGraphInstantiate(&instance, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(instance, a), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(instance, a), cudaSuccess);
  ASSERT_EQ(cudaGraphExecDestroy(instance), cudaSuccess);
  EXPECT_THAT(so_far(), ElementsAre(1, 2, 1, 2));
}

TEST_F(Graphs, KeepTheOrderThatEventsGiveAndNoOther) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t instance = nullptr;
  ASSERT_EQ(begin(), cudaSuccess);
  ASSERT_EQ(add(a, 1), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(fork, a), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(b, fork, 0), cudaSuccess);
  ASSERT_EQ(add(a, 2), cudaSuccess);
  ASSERT_EQ(add(b, 3), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(join, b), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(a, join, 0), cudaSuccess);
  ASSERT_EQ(add(a, 4), cudaSuccess);
  ASSERT_EQ(end(&graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&instance, graph, 0), cudaSuccess);
  bool two_first = false;
  bool three_first = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    set_seed(seed);
    ASSERT_EQ(cudaMemsetAsync(list.get(), 0, 4, a), cudaSuccess);
    ASSERT_EQ(cudaGraphLaunch(instance, a), cudaSuccess);
    const std::vector<int> order = so_far();
    EXPECT_THAT(order, testing::AnyOf(ElementsAre(1, 2, 3, 4), ElementsAre(1, 3, 2, 4)));
    (order[1] == 2 ? two_first : three_first) = true;
  }
  EXPECT_TRUE(two_first && three_first);
  EXPECT_EQ(cudaGraphExecDestroy(instance), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST_F(Graphs, AreSpoiltByCallsThatWait) {
  void* p = nullptr;
  const auto spoils = [this](const auto& call) {
    EXPECT_EQ(begin(), cudaSuccess);
    EXPECT_EQ(call(), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(add(a, 1), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  };
  spoils([this] { return cudaStreamSynchronize(a); });
  spoils([this] { return cudaStreamQuery(a); });
  spoils([this] { return cudaStreamSynchronize(b); });
  spoils([this] { return cudaStreamQuery(b); });
  spoils([this] { return cudaEventSynchronize(fork); });
  spoils([this] { return cudaEventQuery(fork); });
  spoils([] { return cudaDeviceSynchronize(); });
  spoils([&p] { return cudaMalloc(&p, 8); });
  spoils([&p] { return cudaMallocHost(&p, 8); });
  spoils([this] { return cudaFree(list.get()); });
  double host = 0;
  spoils([&] { return cudaMemcpy(&host, list.get(), 8, cudaMemcpyDeviceToHost); });
  EXPECT_TRUE(so_far().empty());
}

TEST_F(Graphs, LetOtherCallsPassInARelaxedCapture) {
  void* p = nullptr;
  ASSERT_EQ(begin(cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&p, 8), cudaSuccess);
  EXPECT_EQ(add(b, 1), cudaSuccess) << "a stream outside the capture";
  EXPECT_EQ(cudaStreamSynchronize(b), cudaSuccess);
  EXPECT_EQ(end(), cudaSuccess);
  EXPECT_EQ(cudaFree(p), cudaSuccess);
  EXPECT_THAT(so_far(), ElementsAre(1));
}

TEST_F(Graphs, AreRefusedWhereCaptureIsMisused) {
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(end(), cudaErrorIllegalState) << "nothing was begun";
  // An event from outside is no part of the graph.
  ASSERT_EQ(cudaEventRecord(join, b), cudaSuccess);
  ASSERT_EQ(begin(), cudaSuccess);
  EXPECT_EQ(begin(), cudaErrorIllegalState);
  EXPECT_EQ(cudaStreamWaitEvent(a, join, 0), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  // An event of the capture cannot be waited for by the host.
  ASSERT_EQ(begin(), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(fork, a), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(fork), cudaErrorCapturedEvent);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  // Two captures do not become one.
  ASSERT_EQ(begin(), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(b, cudaStreamCaptureModeGlobal), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(fork, a), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(b, fork, 0), cudaErrorStreamCaptureMerge);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaStreamEndCapture(b, &graph), cudaErrorStreamCaptureInvalidated);
  // It ends where it began, in stream and in thread.
  ASSERT_EQ(begin(), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(fork, a), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(b, fork, 0), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(b, &graph), cudaErrorStreamCaptureUnmatched);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  ASSERT_EQ(begin(), cudaSuccess);
  std::thread([this] { EXPECT_EQ(end(), cudaErrorStreamCaptureWrongThread); }).join();
  EXPECT_EQ(end(), cudaSuccess);
  // The null stream would wait for a blocking stream's capture.
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(add(nullptr, 1), cudaErrorStreamCaptureImplicit);
  EXPECT_EQ(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
}

TEST_F(Graphs, SayWhetherAStreamIsCapturing) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  ASSERT_EQ(begin(), cudaSuccess);
  EXPECT_EQ(cudaStreamIsCapturing(a, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  EXPECT_EQ(cudaStreamIsCapturing(b, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusNone);
  EXPECT_EQ(end(), cudaSuccess);
}

}  // namespace
}  // namespace krigon::host_cuda
