// A small Gaussian-process likelihood on two streams, with one mistake planted in it by name:
//   planted_bugs NAME      exit code 0: the right result; 1: a wrong one; 2: a call refused; 77: a violation
// planted_bugs_test.cpp holds what each has to end in. Without a mistake it ends well under every seed and
// schedule.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <cublas_v2.h>
#include <cusolverDn.h>

#include "tests/host_cuda/example_kernels.cuh"

namespace krigon::planted {
namespace {

constexpr int kN = 50;
constexpr int kD = 20;
constexpr double kJitter = 1e-3;

void require(int status, const char* call, int line) {
  if (status == 0) return;
  std::printf("refused: %s gave %d at line %d\n", call, status, line);
  std::fflush(stdout);
  std::_Exit(2);
}
#define KRIGON_REQUIRE(call) require(static_cast<int>(call), #call, __LINE__)

double* device_doubles(std::size_t n) {
  double* p = nullptr;
  KRIGON_REQUIRE(cudaMalloc(&p, n * sizeof(double)));
  return p;
}
double* pinned_doubles(std::size_t n) {
  double* p = nullptr;
  KRIGON_REQUIRE(cudaMallocHost(&p, n * sizeof(double)));
  return p;
}

struct Likelihood {
  double log_diagonal = 0;
  double quadratic = 0;
};

std::vector<double> points() {
  std::vector<double> x(static_cast<std::size_t>(kN) * kD);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i * 7919 % 1009) / 2500.0;
  return x;
}
double target(int i) {
  return static_cast<double>(i * 31 % 17) / 17.0;
}

/// By the textbook, on the host.
Likelihood reference() {
  const std::vector<double> x = points();
  const auto at = [](int i, int j) { return static_cast<std::size_t>(j) * kN + static_cast<std::size_t>(i); };
  std::vector<double> k(static_cast<std::size_t>(kN) * kN);
  for (int j = 0; j < kN; ++j) {
    for (int i = 0; i < kN; ++i) {
      double squared = 0;
      for (int d = 0; d < kD; ++d) squared += (x[at(i, d)] - x[at(j, d)]) * (x[at(i, d)] - x[at(j, d)]);
      k[at(i, j)] = std::exp(-squared) + (i == j ? kJitter : 0.0);
    }
  }
  Likelihood result;
  std::vector<double> y(kN);
  for (int j = 0; j < kN; ++j) {
    for (int q = 0; q < j; ++q) {
      for (int i = j; i < kN; ++i) k[at(i, j)] -= k[at(i, q)] * k[at(j, q)];
    }
    const double pivot = std::sqrt(k[at(j, j)]);
    for (int i = j; i < kN; ++i) k[at(i, j)] /= pivot;
    result.log_diagonal += std::log(pivot);
  }
  for (int i = 0; i < kN; ++i) {
    double rest = target(i);
    for (int q = 0; q < i; ++q) rest -= k[at(i, q)] * y[static_cast<std::size_t>(q)];
    y[static_cast<std::size_t>(i)] = rest / k[at(i, i)];
    result.quadratic += y[static_cast<std::size_t>(i)] * y[static_cast<std::size_t>(i)];
  }
  return result;
}

class Program {
 public:
  explicit Program(Bug bug);
  Likelihood run();
  void release();

 private:
  void mistakes_of_calls();
  void factorise();
  void queue_captured();

  Bug bug_;
  bool is(Bug bug) const { return bug_ == bug; }
  cudaStream_t main_ = nullptr, side_ = nullptr;
  cudaEvent_t factor_done_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  cusolverDnHandle_t solver_ = nullptr;
  double *x_ = nullptr, *k_ = nullptr, *y_ = nullptr, *sum_ = nullptr, *workspace_ = nullptr;
  int* info_ = nullptr;
  int workspace_doubles_ = 0;
  double *host_x_ = nullptr, *host_y_ = nullptr, *host_sum_ = nullptr;
};

Program::Program(Bug bug) : bug_(bug) {
  KRIGON_REQUIRE(cudaStreamCreateWithFlags(&main_, cudaStreamNonBlocking));
  KRIGON_REQUIRE(cudaStreamCreateWithFlags(&side_, cudaStreamNonBlocking));
  KRIGON_REQUIRE(cudaEventCreateWithFlags(&factor_done_, cudaEventDisableTiming));
  KRIGON_REQUIRE(cublasCreate(&blas_));
  KRIGON_REQUIRE(cublasSetStream(blas_, main_));
  KRIGON_REQUIRE(cusolverDnCreate(&solver_));
  KRIGON_REQUIRE(cusolverDnSetStream(solver_, main_));
  x_ = device_doubles(static_cast<std::size_t>(kN) * kD);
  k_ = device_doubles(static_cast<std::size_t>(kN) * kN);
  y_ = device_doubles(kN);
  sum_ = device_doubles(1);
  void* info = nullptr;
  KRIGON_REQUIRE(cudaMalloc(&info, sizeof(int)));
  info_ = static_cast<int*>(info);
  KRIGON_REQUIRE(
      cusolverDnDpotrf_bufferSize(solver_, CUBLAS_FILL_MODE_LOWER, kN, k_, kN, &workspace_doubles_));
  if (is(Bug::kWorkspaceTooSmall)) --workspace_doubles_;
  workspace_ = device_doubles(static_cast<std::size_t>(workspace_doubles_));
  host_x_ = pinned_doubles(static_cast<std::size_t>(kN) * kD);
  host_y_ = pinned_doubles(kN);
  host_sum_ = pinned_doubles(1);
}

/// Mistakes that one call makes by itself.
void Program::mistakes_of_calls() {
  double* p = nullptr;
  switch (bug_) {
    case Bug::kUseAfterFreeAsync:
      KRIGON_REQUIRE(cudaMallocAsync(&p, 8, main_));
      KRIGON_REQUIRE(cudaFreeAsync(p, main_));
      KRIGON_REQUIRE(cudaMemsetAsync(p, 0, 8, main_));
      break;
    case Bug::kUseBeforeMallocAsync:
      KRIGON_REQUIRE(cudaMallocAsync(&p, 8, side_));
      KRIGON_REQUIRE(cudaMemsetAsync(p, 0, 8, main_));
      KRIGON_REQUIRE(cudaStreamSynchronize(main_));
      break;
    case Bug::kDoubleFree:
      p = device_doubles(1);
      KRIGON_REQUIRE(cudaFree(p));
      KRIGON_REQUIRE(cudaFree(p));
      break;
    case Bug::kPinnedFreedTooEarly:
      KRIGON_REQUIRE(cudaMemcpyAsync(host_sum_, sum_, 8, cudaMemcpyDeviceToHost, main_));
      KRIGON_REQUIRE(cudaFreeHost(host_sum_));
      break;
    case Bug::kWrongCopyDirection:
      KRIGON_REQUIRE(cudaMemcpyAsync(y_, host_y_, 8, cudaMemcpyDeviceToHost, main_));
      break;
    case Bug::kCopyTooLong:
      KRIGON_REQUIRE(cudaMemcpyAsync(y_, host_x_, (kN + 1) * sizeof(double), cudaMemcpyHostToDevice, main_));
      break;
    case Bug::kDestroyedStream:
      KRIGON_REQUIRE(cudaStreamDestroy(side_));
      KRIGON_REQUIRE(cudaStreamSynchronize(side_));
      break;
    case Bug::kSyncDuringCapture:
      KRIGON_REQUIRE(cudaStreamBeginCapture(main_, cudaStreamCaptureModeGlobal));
      KRIGON_REQUIRE(cudaStreamSynchronize(main_));
      break;
    case Bug::kMallocDuringCapture:
      KRIGON_REQUIRE(cudaStreamBeginCapture(main_, cudaStreamCaptureModeGlobal));
      device_doubles(1);
      break;
    case Bug::kTooManyThreads:
      KRIGON_REQUIRE(cuda::launch(log_diagonal, 1, 2048, 512, main_, k_, kN, sum_, bug_));
      break;
    case Bug::kTooMuchSharedMemory:
      KRIGON_REQUIRE(cuda::launch(log_diagonal, 1, 32, std::size_t{49} * 1024, main_, k_, kN, sum_, bug_));
      break;
    default:
      break;
  }
}

void Program::factorise() {
  const dim3 grid((kN + kTile - 1) / kTile, (kN + kTile - 1) / kTile);
  const double* const x = is(Bug::kHostPointerInStruct) ? host_x_ : x_;
  double* const k = is(Bug::kHostPointerAsArgument) ? host_x_ : k_;
  KRIGON_REQUIRE(cuda::launch(gram, grid, dim3(kTile, kTile), 0, main_, Points{x, kN, kD}, kJitter, k, bug_));
  const int ld = is(Bug::kLeadingDimensionTooLarge)   ? kN + 1
                 : is(Bug::kLeadingDimensionTooSmall) ? kN - 1
                                                      : kN;
  int on_host = 0;
  int* const info = is(Bug::kInfoOnHost) ? &on_host : info_;
  KRIGON_REQUIRE(
      cusolverDnDpotrf(solver_, CUBLAS_FILL_MODE_LOWER, kN, k_, ld, workspace_, workspace_doubles_, info));
}

/// Zeroes the sum on the main stream and adds to it on the side stream, once the factor is there; as a graph.
void Program::queue_captured() {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t instance = nullptr;
  const std::size_t shared = is(Bug::kDynamicSharedTooSmall) ? sizeof(double) : 128 * sizeof(double);
  KRIGON_REQUIRE(cudaStreamBeginCapture(main_, cudaStreamCaptureModeGlobal));
  if (!is(Bug::kUninitialisedDeviceMemory)) KRIGON_REQUIRE(cudaMemsetAsync(sum_, 0, 8, main_));
  KRIGON_REQUIRE(cudaEventRecord(factor_done_, main_));
  KRIGON_REQUIRE(cudaStreamWaitEvent(side_, factor_done_, 0));
  KRIGON_REQUIRE(cuda::launch(log_diagonal, 2, 128, shared, side_, k_, kN, sum_, bug_));
  KRIGON_REQUIRE(cudaMemcpyAsync(host_sum_, sum_, 8, cudaMemcpyDeviceToHost, side_));
  KRIGON_REQUIRE(cudaEventRecord(factor_done_, side_));
  if (!is(Bug::kUnjoinedCapture)) KRIGON_REQUIRE(cudaStreamWaitEvent(main_, factor_done_, 0));
  KRIGON_REQUIRE(cudaStreamEndCapture(main_, &graph));
  KRIGON_REQUIRE(cudaGraphInstantiate(&instance, graph, 0));
  KRIGON_REQUIRE(cudaGraphDestroy(graph));
  KRIGON_REQUIRE(cudaGraphLaunch(instance, main_));
  KRIGON_REQUIRE(cudaGraphLaunch(instance, main_));
  KRIGON_REQUIRE(cudaGraphExecDestroy(instance));
}

Likelihood Program::run() {
  mistakes_of_calls();
  const std::vector<double> x = points();
  for (std::size_t i = 0; i < x.size(); ++i) host_x_[i] = x[i];
  for (int i = 0; i < kN; ++i) host_y_[i] = target(i);
  KRIGON_REQUIRE(cudaMemcpyAsync(x_, host_x_, x.size() * sizeof(double), cudaMemcpyHostToDevice, main_));
  if (is(Bug::kSourceChangedTooEarly)) host_x_[0] = 5;
  KRIGON_REQUIRE(cudaMemcpyAsync(y_, host_y_, kN * sizeof(double), cudaMemcpyHostToDevice, side_));
  KRIGON_REQUIRE(cudaEventRecord(factor_done_, side_));
  factorise();
  if (is(Bug::kUseAfterFree)) {
    KRIGON_REQUIRE(cudaFree(x_));
    factorise();
  }
  if (!is(Bug::kMissingEventWait)) KRIGON_REQUIRE(cudaStreamWaitEvent(main_, factor_done_, 0));
  const double one = 1;
  const double* const alpha = is(Bug::kDeviceScalarInHostMode) ? sum_ : &one;
  KRIGON_REQUIRE(cublasDtrsm(blas_, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N,
                             CUBLAS_DIAG_NON_UNIT, kN, 1, alpha, k_, kN, y_, kN));
  queue_captured();
  KRIGON_REQUIRE(cudaMemcpyAsync(host_y_, y_, kN * sizeof(double), cudaMemcpyDeviceToHost, main_));
  if (!is(Bug::kReadBeforeSync)) KRIGON_REQUIRE(cudaStreamSynchronize(main_));
  Likelihood result;
  if (is(Bug::kDevicePointerReadByHost)) host_y_[0] = y_[0];
  for (int i = 0; i < kN; ++i) result.quadratic += host_y_[i] * host_y_[i];
  result.log_diagonal = *host_sum_;
  KRIGON_REQUIRE(cudaDeviceSynchronize());
  return result;
}

void Program::release() {
  for (double* p : {x_, k_, y_, sum_, workspace_}) KRIGON_REQUIRE(cudaFree(p));
  for (double* p : {host_x_, host_y_, host_sum_}) KRIGON_REQUIRE(cudaFreeHost(p));
  KRIGON_REQUIRE(cudaFree(info_));
  KRIGON_REQUIRE(cusolverDnDestroy(solver_));
  KRIGON_REQUIRE(cublasDestroy(blas_));
  KRIGON_REQUIRE(cudaEventDestroy(factor_done_));
  KRIGON_REQUIRE(cudaStreamDestroy(main_));
  KRIGON_REQUIRE(cudaStreamDestroy(side_));
}

Bug bug_named(std::string_view name) {
  for (std::size_t i = 0; i < kBugNames.size(); ++i) {
    if (kBugNames[i] == name) return static_cast<Bug>(i);
  }
  std::printf("no such bug\n");
  std::_Exit(3);
}

}  // namespace
}  // namespace krigon::planted

int main(int argc, char** argv) {
  using namespace krigon::planted;
  Program program(bug_named(argc > 1 ? argv[1] : "none"));
  const Likelihood found = program.run();
  program.release();
  const Likelihood expected = reference();
  const auto close = [](double a, double b) { return std::fabs(a - b) <= 1e-9 * std::fabs(b); };
  const bool right =
      close(found.log_diagonal, expected.log_diagonal) && close(found.quadratic, expected.quadratic);
  std::printf("%s: log diagonal %.15g (%.15g), quadratic %.15g (%.15g)\n", right ? "right" : "wrong",
              found.log_diagonal, expected.log_diagonal, found.quadratic, expected.quadratic);
  return right ? 0 : 1;
}
