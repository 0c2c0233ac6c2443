// Batches that are wider than the device's memory go in portions; what does not fit by itself is an error in
// words.

#include <cmath>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "kernels/cuda/cuda_backend.hpp"
#include "krigon/error.hpp"
#include "tests/host_cuda/control.hpp"

namespace krigon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int64_t kPoints = 50;

/// While it lives, the device has so many bytes beyond those in use; below 0: not even what is in use.
class Limit {
 public:
  explicit Limit(std::ptrdiff_t bytes) {
    host_cuda::set_device_bytes(host_cuda::device_bytes_used() + static_cast<std::size_t>(bytes));
  }
  ~Limit() { host_cuda::set_device_bytes(std::size_t{8} << 30); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
};

/// A process on a device of its own; the same for every one of them.
class Process {
 public:
  Process()
      : data_(backend_.load(
            {kPoints, random(2 * kPoints), random(kPoints), {}, CovarianceSpec::matern52({0, 1})})) {
    std::vector<double> theta(static_cast<std::size_t>(rows()), -0.7);
    theta.back() = 0;
    theta_ = resident(theta);
    info_ = backend_.allocate(1);
  }

  void prepare() { model_ = backend_.prepare(*data_, {theta_.data(), rows(), 1, rows()}, info_.data()); }

  std::vector<double> likelihoods(std::int64_t count) {
    std::vector<double> thetas;
    for (std::int64_t b = 0; b < count; ++b) {
      for (std::int64_t row = 0; row < rows(); ++row) {
        thetas.push_back(row + 1 == rows() ? 0 : -0.7 - 0.01 * static_cast<double>(b));
      }
    }
    const Buffer theta = resident(thetas);
    const Buffer out = backend_.allocate(static_cast<std::size_t>(count * (rows() + 1)));
    const Limit limit(room);
    backend_.mll_value_grad(*data_, {theta.data(), rows(), count, rows()},
                            {out.data(), rows() + 1, count, rows() + 1});
    return fetch(out);
  }

  /// Moments of groups of q points and their adjoint, other moments asked for in between.
  std::vector<double> moments(std::int64_t q, std::int64_t groups, std::ptrdiff_t room_between = 0) {
    const std::int64_t height = q * (1 + q);
    const std::int64_t m = q * groups;
    const Buffer x = resident(random(2 * m));
    const Buffer adjoint = resident(random(height * groups));
    const Buffer out = backend_.allocate(static_cast<std::size_t>(height * groups));
    const Buffer other = backend_.allocate(static_cast<std::size_t>(height * groups));
    const Buffer dx = backend_.allocate(static_cast<std::size_t>(2 * m));
    auto limit = std::make_unique<Limit>(room);
    backend_.posterior_for_vjp(*model_, {x.data(), 2, m, 2}, q, {out.data(), height, groups, height});
    if (room_between > 0) {
      limit = nullptr;
      limit = std::make_unique<Limit>(room_between);
    }
    backend_.posterior(*model_, {x.data(), 2, m, 2}, q, {other.data(), height, groups, height});
    backend_.posterior_vjp(*model_, {adjoint.data(), height, groups, height}, {dx.data(), 2, m, 2});
    limit = nullptr;
    auto all = fetch(out);
    EXPECT_EQ(fetch(other), all);
    const auto gradient = fetch(dx);
    all.insert(all.end(), gradient.begin(), gradient.end());
    return all;
  }

  std::vector<double> path_values(std::int64_t count) {
    constexpr std::int64_t kWaves = 40;
    const auto draws = random(2 * kWaves + 3 * kWaves + kPoints);
    const std::span<const double> all(draws);
    const auto drawn = backend_.prepare_paths(*model_, {1,
                                                        kWaves,
                                                        all.first(2 * kWaves),
                                                        all.subspan(2 * kWaves, kWaves),
                                                        all.subspan(3 * kWaves, kWaves),
                                                        all.subspan(4 * kWaves, kWaves),
                                                        {},
                                                        all.last(kPoints)});
    const Buffer x = resident(random(2 * count));
    const Buffer out = backend_.allocate(static_cast<std::size_t>(count));
    const Buffer alone = backend_.allocate(static_cast<std::size_t>(count));
    const Buffer dx = backend_.allocate(static_cast<std::size_t>(2 * count));
    {
      const Limit limit(room);
      backend_.paths(*model_, *drawn, {x.data(), 2, count, 2}, {out.data(), 1, count, 1});
    }
    const Limit limit(room);
    backend_.path(*model_, *drawn, 0, {x.data(), 2, count, 2}, {alone.data(), 1, count, 1},
                  {dx.data(), 2, count, 2});
    auto results = fetch(out);
    for (const Buffer* more : {&alone, &dx}) {
      const auto values = fetch(*more);
      results.insert(results.end(), values.begin(), values.end());
    }
    return results;
  }

  std::ptrdiff_t room = std::ptrdiff_t{1}
                        << 30;  ///< on the device, beyond what the caller's own buffers take

 private:
  std::int64_t rows() const { return data_->layout.rows(); }
  std::vector<double> random(std::int64_t count) {
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = random_.uniform();
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

  cuda::CudaBackend backend_{{.device = 0, .batched_order = 64}};
  Random random_{3, 0, Purpose::candidates};
  std::unique_ptr<ResidentData> data_;
  Buffer theta_, info_;
  std::unique_ptr<ResidentPosterior> model_;
};

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const DeviceMemoryError& error) {
    return error.what();
  }
  return "nothing";
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-10 * (1 + std::abs(expected[i]))) << i;
  }
}

constexpr std::ptrdiff_t kKibibyte = 1024;
constexpr std::ptrdiff_t kNone = -4096 * kKibibyte;  // more than can be given back

TEST(CudaMemory, WideLikelihoodsGoInPortions) {
  Process plenty, little;
  little.room = 200 * kKibibyte;  // of some 1 MiB
  const auto expected = plenty.likelihoods(16);
  EXPECT_EQ(little.likelihoods(16), expected);
  EXPECT_EQ(little.likelihoods(16), expected);
  Process none;
  none.room = 20 * kKibibyte;  // one matrix takes as much
  EXPECT_THAT(error_of([&] { none.likelihoods(16); }),
              AllOf(HasSubstr("the likelihood of 50 points, for one set of hyperparameters at a time: out of "
                              "memory on cuda:0: "),
                    HasSubstr(" are free")));
  none.room = 200 * kKibibyte;
  EXPECT_EQ(none.likelihoods(16), expected);
}

TEST(CudaMemory, WideMomentsAndTheirAdjointGoInPortions) {
  for (const std::int64_t q : {1, 2}) {
    SCOPED_TRACE(q);
    const std::int64_t groups = 200 / q;
    Process plenty, little, later, none;
    for (Process* process : {&plenty, &little, &later, &none}) process->prepare();
    little.room = 75 * kKibibyte;  // of some 250
    for (int repeat = 0; repeat < 2; ++repeat) {
      const auto expected = plenty.moments(q, groups);
      expect_near(little.moments(q, groups), expected);
      // What was kept stays when memory runs out in what comes between.
      expect_near(later.moments(q, groups, 40 * kKibibyte), expected);
    }
    none.room = kNone;
    EXPECT_THAT(error_of([&] { none.moments(q, groups); }),
                HasSubstr(q == 1 ? "the posterior of 50 points, at one candidate at a time: out of memory"
                                 : "at one group of 2 candidates at a time: out of memory"));
  }
}

TEST(CudaMemory, WidePathsGoInPortions) {
  Process plenty, little;
  for (Process* process : {&plenty, &little}) process->prepare();
  little.room = 200 * kKibibyte;
  expect_near(little.path_values(1000), plenty.path_values(1000));
  little.room = kNone;
  EXPECT_THAT(error_of([&] { little.path_values(2000); }),
              HasSubstr("1 sample paths, at one candidate at a time: out of memory"));
}

TEST(CudaMemory, AProcessThatDoesNotFitIsAnErrorInWords) {
  Process process;
  const Limit limit(30 * kKibibyte);
  EXPECT_THAT(error_of([&] { process.prepare(); }), HasSubstr("a process of 50 points: out of memory on "));
}

}  // namespace
}  // namespace krigon
