#include "kernels/cuda/cuda_backend.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "kernels/cuda/check.hpp"
#include "krigon/error.hpp"
#include "tests/host_cuda/control.hpp"

namespace krigon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CudaBackendTest : public ::testing::Test {
 protected:
  std::vector<double> random(std::int64_t count, double low = 0, double high = 1) {
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = low + (high - low) * random_.uniform();
    return values;
  }
  Buffer resident(const std::vector<double>& values) {
    Buffer buffer = backend_.allocate(values.size());
    backend_.upload(values, buffer.data());
    return buffer;
  }
  std::vector<double> fetch(const Buffer& buffer) {
    std::vector<double> values(buffer.size());
    backend_.download(buffer.data(), values);
    return values;
  }
  std::unique_ptr<ResidentData> load(std::int64_t n, const CovarianceSpec& spec, std::int64_t outputs = 1) {
    return backend_.load({n, random(n * spec.columns()), random(n * outputs, -1, 1), {}, spec});
  }
  std::unique_ptr<ResidentPosterior> prepare(ResidentData& data) {
    std::vector<double> theta(static_cast<std::size_t>(data.layout.rows()), -0.3);
    theta[static_cast<std::size_t>(data.layout.noise())] = -4;
    theta.back() = 0;
    theta_ = resident(theta);
    info_ = backend_.allocate(1);
    auto model =
        backend_.prepare(data, {theta_.data(), data.layout.rows(), 1, data.layout.rows()}, info_.data());
    EXPECT_EQ(fetch(info_), std::vector<double>{0.0});
    return model;
  }

  cuda::CudaBackend backend_{{.device = 0, .batched_order = 64}};
  Random random_{5, 0, Purpose::candidates};
  Buffer theta_, info_;
};

/// Everything that a covariance may be made of.
CovarianceSpec rich() {
  CovarianceSpec spec;
  spec.factors = {
      {CovarianceKind::matern52, {0, 1}, {0, 1}, {}, 0}, {CovarianceKind::periodic, {2}, {2}, {0}, 0},
      {CovarianceKind::linear, {0, 2}, {3, 3}, {}, 1},   {CovarianceKind::matern32, {1}, {4}, {}, 1},
      {CovarianceKind::linear, {1}, {3}, {}, 1},         {CovarianceKind::rbf, {2}, {4}, {}, 2}};
  return spec;
}

TEST_F(CudaBackendTest, MomentsOfSinglePointsAreThoseOfTheComposition) {
  for (const auto& spec : {rich(), CovarianceSpec::matern52({0, 1, 0})}) {
    for (const std::int64_t n : {1, 40, 90}) {
      const auto data = load(n, spec, 2);
      const auto model = prepare(*data);
      for (const std::int64_t m : {1, 7, 300}) {
        if (m == 300 && n != 40) continue;  // too many for a graph, and long
        const Buffer x = resident(random(3 * m));
        const Buffer adjoint = resident(random(3 * m, -1, 1));
        const ConstView points{x.data(), 3, m, 3};
        const auto moments_and_adjoint = [&](bool fused) {
          const Buffer out = backend_.allocate(static_cast<std::size_t>(3 * m));
          const Buffer again = backend_.allocate(static_cast<std::size_t>(3 * m));
          const Buffer dx = backend_.allocate(static_cast<std::size_t>(3 * m));
          const View to{out.data(), 3, m, 3};
          const View to_again{again.data(), 3, m, 3};
          if (fused) {
            backend_.posterior_for_vjp(*model, points, 1, to);
            backend_.posterior(*model, points, 1, to_again);
            backend_.posterior_vjp(*model, {adjoint.data(), 3, m, 3}, {dx.data(), 3, m, 3});
            EXPECT_EQ(fetch(out), fetch(again));
          } else {
            backend_.ComposedBackend::posterior_for_vjp(*model, points, 1, to);
            backend_.ComposedBackend::posterior_vjp(*model, {adjoint.data(), 3, m, 3}, {dx.data(), 3, m, 3});
          }
          auto all = fetch(out);
          const auto gradient = fetch(dx);
          all.insert(all.end(), gradient.begin(), gradient.end());
          return all;
        };
        const auto found = moments_and_adjoint(true);
        const auto expected = moments_and_adjoint(false);
        for (std::size_t i = 0; i < found.size(); ++i) {
          EXPECT_NEAR(found[i], expected[i], 1e-9 * (1 + std::abs(expected[i]))) << n << " " << m << " " << i;
        }
      }
    }
  }
}

TEST_F(CudaBackendTest, PointsThatComeAndGoLeaveTheInverseAsItWas) {
  const auto data = load(70, CovarianceSpec::matern52({0, 1}));
  const auto model = prepare(*data);
  const Buffer x = resident(random(2 * 9));
  const Buffer out = backend_.allocate(18);
  const auto moments = [&] {
    backend_.posterior(*model, {x.data(), 2, 9, 2}, 1, {out.data(), 2, 9, 2});
    return fetch(out);
  };
  const auto composed = [&] {
    backend_.ComposedBackend::posterior(*model, {x.data(), 2, 9, 2}, 1, {out.data(), 2, 9, 2});
    return fetch(out);
  };
  const auto before = moments();
  const Buffer more = resident(random(2 * 40));
  for (const std::int64_t count : {3, 40}) {
    backend_.append(*model, {more.data(), 2, count, 2}, nullptr, nullptr);
    const auto found = moments();
    const auto expected = composed();
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-10);
  }
  backend_.truncate(*model, 70);
  EXPECT_EQ(moments(), before);
  backend_.remove(*model, 20);
  const auto found = moments();
  const auto expected = composed();
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-10);
}

TEST_F(CudaBackendTest, LoopsOfSmallWorkAreOneLaunchWithoutAllocationOrWait) {
  const auto data = load(30, CovarianceSpec::matern52({0, 1}));
  const std::int64_t rows = data->layout.rows();
  std::vector<double> thetas;
  for (int b = 0; b < 4; ++b) {
    for (std::int64_t row = 0; row < rows; ++row) thetas.push_back(row + 1 == rows ? 0 : -0.5 - 0.1 * b);
  }
  const Buffer theta = resident(thetas);
  const Buffer out = backend_.allocate(static_cast<std::size_t>(4 * (rows + 1)));
  const auto evaluate = [&] {
    backend_.mll_value_grad(*data, {theta.data(), rows, 4, rows}, {out.data(), rows + 1, 4, rows + 1});
  };
  evaluate();
  const auto direct = fetch(out);
  evaluate();  // recorded
  EXPECT_EQ(fetch(out), direct);
  const auto before = host_cuda::counters();
  evaluate();
  const auto after = host_cuda::counters();
  EXPECT_EQ(fetch(out), direct);
  EXPECT_EQ(after.graph_launches - before.graph_launches, 1u);
  EXPECT_EQ(after.library_calls, before.library_calls);
  EXPECT_EQ(after.kernel_launches, before.kernel_launches);
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(after.synchronisations, before.synchronisations);

  const auto model = prepare(*data);
  const Buffer x = resident(random(2 * 20));
  const Buffer moments = backend_.allocate(40);
  const Buffer dx = backend_.allocate(40);
  host_cuda::Counters start{};
  std::vector<double> first;
  for (int step = 0; step < 4; ++step) {
    start = host_cuda::counters();
    backend_.posterior_for_vjp(*model, {x.data(), 2, 20, 2}, 1, {moments.data(), 2, 20, 2});
    backend_.posterior_vjp(*model, {moments.data(), 2, 20, 2}, {dx.data(), 2, 20, 2});
    const auto end = host_cuda::counters();
    if (step == 3) {
      EXPECT_EQ(end.graph_launches - start.graph_launches, 2u);
      EXPECT_EQ(end.allocations, start.allocations);
      EXPECT_EQ(end.synchronisations, start.synchronisations);
    }
    if (step == 0) first = fetch(dx);
    EXPECT_EQ(fetch(dx), first);
  }
}

TEST_F(CudaBackendTest, WhatCannotBeRecordedRunsAsItIs) {
  const auto data = load(20, CovarianceSpec::matern52({0, 1}));
  const std::int64_t rows = data->layout.rows();
  std::vector<double> hyperparameters(static_cast<std::size_t>(rows), -1.0);
  hyperparameters.back() = 0;
  const Buffer theta = resident(hyperparameters);
  const Buffer out = backend_.allocate(static_cast<std::size_t>(rows + 1));
  const auto evaluate = [&] {
    backend_.mll_value_grad(*data, {theta.data(), rows, 1, rows}, {out.data(), rows + 1, 1, rows + 1});
    return fetch(out);
  };
  const auto direct = evaluate();
  host_cuda::fail_call("cudaStreamBeginCapture", cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(evaluate(), direct);
  EXPECT_EQ(evaluate(), direct);
  const Buffer other = backend_.allocate(static_cast<std::size_t>(rows + 1));
  const auto evaluate_other = [&] {
    backend_.mll_value_grad(*data, {theta.data(), rows, 1, rows}, {other.data(), rows + 1, 1, rows + 1});
    return fetch(other);
  };
  EXPECT_EQ(evaluate_other(), direct);
  host_cuda::fail_call("cublasDgemmStridedBatched", cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(evaluate_other(), direct);
  // So many different ones that the oldest recordings go.
  std::vector<Buffer> outs;
  for (int i = 0; i < 40; ++i) {
    outs.push_back(backend_.allocate(static_cast<std::size_t>(rows + 1)));
    for (int again = 0; again < 2; ++again) {
      backend_.mll_value_grad(*data, {theta.data(), rows, 1, rows},
                              {outs.back().data(), rows + 1, 1, rows + 1});
    }
    EXPECT_EQ(fetch(outs.back()), direct);
  }
}

TEST_F(CudaBackendTest, OutOfMemoryIsSaidInNumbersAndLeavesTheBackendWhole) {
  host_cuda::set_device_bytes(host_cuda::device_bytes_used() + (std::size_t{1} << 20));
  try {
    backend_.allocate(std::size_t{1} << 20);
    FAIL();
  } catch (const DeviceMemoryError& e) {
    EXPECT_THAT(e.what(), HasSubstr("out of memory on cuda:0: 8.0 MiB were asked for, 1.0 MiB of"));
  }
  host_cuda::set_device_bytes(std::size_t{8} << 30);
  EXPECT_EQ(fetch(backend_.allocate(3)), std::vector<double>(3, 0.0));
  host_cuda::set_device_bytes(std::size_t{8} << 30);
}

TEST_F(CudaBackendTest, AFailedCallCarriesItsText) {
  const auto says = [&](const char* function, cudaError_t error, const auto& act) -> std::string {
    host_cuda::fail_call(function, error);
    try {
      act();
    } catch (const EnvironmentError& e) {
      return e.what();
    }
    return "nothing";
  };
  const Buffer a = resident(random(100));
  const View matrix{a.data(), 10, 10, 10};
  const Buffer info = backend_.allocate(1);
  EXPECT_THAT(says("cudaMemcpyAsync", cudaErrorIllegalAddress, [&] { fetch(a); }),
              AllOf(HasSubstr("CUDA: copying from the device: "), HasSubstr("cudaErrorIllegalAddress")));
  EXPECT_THAT(
      says("cublasDgemmStridedBatched", cudaErrorLaunchFailure,
           [&] {
             backend_.gemm(1, matrix, Transpose::no, matrix, Transpose::no, 0, {a.data(), 10, 10, 10});
           }),
      HasSubstr("cuBLAS: multiplying: "));
  EXPECT_THAT(says("cusolverDnDpotrfBatched", cudaErrorLaunchFailure,
                   [&] { backend_.cholesky(matrix, info.data()); }),
              HasSubstr("cuSOLVER: factorising a batch: a kernel failed"));
  EXPECT_THAT(says("cudaMemsetAsync", cudaErrorLaunchFailure, [&] { backend_.allocate(5); }),
              HasSubstr("clearing memory"));
  fetch(info);  // what was freed is gone, whatever the schedule
  const std::size_t live = host_cuda::live_allocations();
  for (const char* function : {"cudaStreamCreateWithFlags", "cudaMemPoolCreate", "cudaMallocHost",
                               "cublasCreate_v2", "cusolverDnCreate", "cusolverDnCreateParams"}) {
    EXPECT_NE(says(function, cudaErrorInitializationError, [] { const cuda::CudaBackend another({}); }),
              "nothing")
        << function;
  }
  EXPECT_EQ(host_cuda::live_allocations(), live);
  for (const cusolverStatus_t status :
       {CUSOLVER_STATUS_NOT_INITIALIZED, CUSOLVER_STATUS_ALLOC_FAILED, CUSOLVER_STATUS_INVALID_VALUE,
        CUSOLVER_STATUS_ARCH_MISMATCH, CUSOLVER_STATUS_INTERNAL_ERROR, CUSOLVER_STATUS_ZERO_PIVOT}) {
    EXPECT_THROW(cuda::check(status, "a test"), EnvironmentError);
  }
  EXPECT_THROW(cuda::to_int(std::int64_t{1} << 40, "a test"), UsageError);
}

TEST_F(CudaBackendTest, LargeTilesGiveTheSameAsSmallOnes) {
  constexpr std::int64_t kPoints = 1030;
  CovarianceSpec spec;
  spec.factors = {{CovarianceKind::matern52, {0}, {0}, {}, 0}, {CovarianceKind::linear, {1}, {0}, {}, 1}};
  const auto covariance = backend_.load_covariance(spec);
  const Buffer u = resident(random(2 * kPoints));
  const Buffer theta = resident({-1, 0.2, 0.1, -3, 0, 0});
  const ConstView t{theta.data(), 6, 1, 6};
  const Buffer large = backend_.allocate(kPoints * kPoints);
  const Buffer small = backend_.allocate(kPoints * 10);
  const ConstView points{u.data(), 2, kPoints, 2};
  backend_.gram(*covariance, points, points, t, {large.data(), kPoints, kPoints, kPoints});
  backend_.gram(*covariance, points, {points.column(1020), 2, 10, 2}, t,
                {small.data(), kPoints, 10, kPoints});
  const auto whole = fetch(large);
  EXPECT_EQ(std::vector<double>(whole.end() - kPoints * 10, whole.end()), fetch(small));
}

TEST_F(CudaBackendTest, TheLargestComeInOrder) {
  auto values = random(700, -1, 1);
  values[10] = values[300] = 2;
  values[20] = std::nan("");
  values[600] = -std::numeric_limits<double>::infinity();
  const Buffer in = resident(values);
  const Buffer out = backend_.allocate(2 * 700);
  backend_.top_k({in.data(), 700, 1, 700}, {out.data(), 2, 700, 2});
  const auto found = fetch(out);
  values[20] = values[600];
  std::vector<std::size_t> order(700);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto i, auto j) { return values[i] > values[j]; });
  for (std::size_t k = 0; k < 700; ++k) {
    EXPECT_EQ(found[2 * k], values[order[k]]);
    EXPECT_EQ(found[2 * k + 1], static_cast<double>(order[k]));
  }
}

TEST_F(CudaBackendTest, CopiesOfEverySizeArrive) {
  // More small ones than the staging memory holds, and large ones.
  std::vector<Buffer> buffers;
  std::vector<std::vector<double>> sent;
  for (int i = 0; i < 60; ++i) sent.push_back(random(i % 20 == 19 ? 150'000 : 3'000));
  for (const auto& values : sent) buffers.push_back(resident(values));
  for (std::size_t i = 0; i < sent.size(); ++i) EXPECT_EQ(fetch(buffers[i]), sent[i]);
}

}  // namespace
}  // namespace krigon
