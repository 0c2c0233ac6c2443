#include "model/limits.hpp"

#include <fstream>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "gp_samples.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

using testing::HasSubstr;

TEST(Limits, TheLargestNFitsAndOneMoreDoesNot) {
  for (const std::uint64_t memory :
       {std::uint64_t{1} << 20U, std::uint64_t{1} << 33U, std::uint64_t{1} << 40U}) {
    const std::size_t n = largest_exact_n(10, memory, 2);
    EXPECT_GT(n, 0U);
    EXPECT_LE(exact_bytes(n, 10, 2), memory);
    EXPECT_GT(exact_bytes(n + 1, 10, 2), memory);
  }
  EXPECT_EQ(largest_exact_n(10, 0), 0U);
  EXPECT_EQ(exact_bytes(std::numeric_limits<std::size_t>::max(), 10),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_NO_THROW(check_exact_fits(1000, 10, std::uint64_t{1} << 30U));
  try {
    check_exact_fits(100000, 10, std::uint64_t{8} << 30U);
    FAIL();
  } catch (const EnvironmentError& error) {
    EXPECT_THAT(error.what(), HasSubstr("100000 points"));
    EXPECT_THAT(error.what(), HasSubstr("8.0 GB"));
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(largest_exact_n(10, std::uint64_t{8} << 30U))));
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Limits, AFitAndAPosteriorTakeWhatWasSaid) {
  const auto status = [](const std::string& key) {
    std::ifstream file("/proc/self/status");
    std::string word;
    double kilobytes = 0;
    while (file >> word) {
      if (word == key && file >> kilobytes) break;
    }
    return kilobytes * 1024;
  };
  const GpData data = sample_data(1500, 4, 1);
  const auto backend = make_cpu_backend({.threads = 2, .simd = ""});
  FitOptions options;
  options.max_iterations = 1;
  fit(*backend, sample_data(200, 4, 1), options);  // libraries' own memory
  const double before = status("VmRSS:");
  if (std::ofstream reset("/proc/self/clear_refs"); !(reset << 5 << std::flush)) {
    GTEST_SKIP() << "the system does not let a process reset its peak of memory";
  }
  for (const bool several : {false, true}) {
    options.starts = several ? 4 : 1;
    const FitResult result = fit(*backend, data, options);
    const Posterior posterior(*backend, data, result.hyperparameters, result.transform);
    const double taken = status("VmHWM:") - before;
    const auto said = static_cast<double>(exact_bytes(data.n, 4, several ? 2 : 1));
    EXPECT_LT(taken, 1.1 * said + (8 << 20)) << several;
    EXPECT_GT(taken, 0.8 * said) << several;
  }
}
#endif

TEST(Limits, ChoosesByNumberMemoryAndCovariance) {
  const std::uint64_t plenty = std::uint64_t{64} << 30U;
  EXPECT_EQ(choose_method(1000, 10, plenty).method, GpMethod::exact);
  EXPECT_EQ(choose_method(kExactPoints + 1, 10, plenty).method, GpMethod::vecchia);
  EXPECT_EQ(choose_method(3000, 10, std::uint64_t{128} << 20U).method, GpMethod::vecchia);
  EXPECT_EQ(choose_method(3000, 10, 0).method, GpMethod::exact);
  EXPECT_THAT(choose_method(20000, 10, plenty).reason, HasSubstr("20000 points"));
  GpData data = sample_data(5000, 2, 1);
  EXPECT_EQ(choose_method(data, plenty).method, GpMethod::vecchia);
  data.covariance = CovarianceSpec::matern52(data.groups);
  data.covariance.factors.front().kind = CovarianceKind::linear;
  EXPECT_EQ(choose_method(data, plenty).method, GpMethod::exact);
  EXPECT_THROW(choose_method(data, std::uint64_t{1} << 20U), EnvironmentError);
}

TEST(Limits, TheSystemSaysHowMuchMemoryThereIs) {
  EXPECT_GT(available_memory(), std::uint64_t{1} << 20U);
}

}  // namespace
}  // namespace krigon
