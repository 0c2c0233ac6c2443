// Against numbers of 50 digits (tests/data/gp/make_reference.py), to within
// max(1e-8, 100 eps cond(K)) of the values' scale, with every instruction set that this CPU has.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "backend/backend.hpp"
#include "kernels/normal.hpp"
#include "model/gp.hpp"

namespace krigon {
namespace {

using nlohmann::json;

const json& reference() {
  static const json data = [] {
    std::ifstream file(KRIGON_SOURCE_DIR "/tests/data/gp/reference.json");
    return json::parse(file);
  }();
  return data;
}

double tolerance(const json& c) {
  return std::max(1e-8, 100 * std::numeric_limits<double>::epsilon() * c["condition"].get<double>());
}

void expect_close(const std::vector<double>& found, const std::vector<double>& expected, double relative,
                  const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  double scale = 1;
  for (const double value : expected) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], relative * scale) << what << " entry " << i;
  }
}

class GpReference : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Backend> backend_ = make_cpu_backend({.threads = 2, .simd = GetParam()});
};

TEST_P(GpReference, LikelihoodAndItsGradient) {
  for (const json& c : reference()["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    const auto columns = c["columns"].get<std::vector<double>>();
    const auto targets = c["targets"].get<std::vector<double>>();
    const auto groups = c["groups"].get<std::vector<std::int32_t>>();
    auto theta = c["theta"].get<std::vector<double>>();
    const auto parameters = static_cast<std::int64_t>(theta.size());
    theta.push_back(0);
    const auto data =
        backend_->load({c["n"].get<std::int64_t>(), columns, targets, {}, CovarianceSpec::matern52(groups)});
    std::vector<double> out(static_cast<std::size_t>(parameters) + 2);
    backend_->mll_value_grad(*data, ConstView{theta.data(), parameters + 1, 1, parameters + 1},
                             View{out.data(), parameters + 2, 1, parameters + 2});
    EXPECT_EQ(out[0], 0);
    expect_close({out[1]}, {c["likelihood"].get<double>()}, tolerance(c), "likelihood");
    expect_close({out.begin() + 2, out.end()}, c["gradient"].get<std::vector<double>>(), tolerance(c),
                 "gradient");
  }
}

Posterior posterior_of(Backend& backend, const json& c) {
  GpData data;
  data.n = c["n"].get<std::size_t>();
  data.columns = c["columns"].get<std::vector<double>>();
  data.y = c["targets"].get<std::vector<double>>();
  data.groups = c["groups"].get<std::vector<std::int32_t>>();
  const auto theta = c["theta"].get<std::vector<double>>();
  Hyperparameters h;
  h.log_lengthscale.assign(theta.begin(), theta.end() - 3);
  h.log_signal_variance = {theta[theta.size() - 3]};
  h.log_noise_variance = theta[theta.size() - 2];
  h.mean = theta.back();
  return {backend, data, h, OutputTransform{}};
}

TEST_P(GpReference, PosteriorAndItsGradients) {
  for (const json& c : reference()["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    Posterior posterior = posterior_of(*backend_, c);
    EXPECT_EQ(posterior.status(), FitStatus::ok) << posterior.note();
    const auto x = c["candidates"].get<std::vector<double>>();
    const auto expected_mean = c["mean"].get<std::vector<double>>();
    const std::size_t m = expected_mean.size();
    std::vector<double> mean(m);
    std::vector<double> variance(m);
    std::vector<double> dx(x.size());
    posterior.evaluate(x, mean, variance);
    expect_close(mean, expected_mean, tolerance(c), "mean");
    expect_close(variance, c["variance"].get<std::vector<double>>(), tolerance(c), "variance");
    for (const bool of_mean : {true, false}) {
      posterior.evaluate_with_gradient(
          x, mean, variance,
          [&](std::size_t, auto, auto, std::span<double> d_mean, std::span<double> d_variance) {
            std::fill(d_mean.begin(), d_mean.end(), of_mean ? 1.0 : 0.0);
            std::fill(d_variance.begin(), d_variance.end(), of_mean ? 0.0 : 1.0);
          },
          dx);
      expect_close(mean, expected_mean, tolerance(c), "mean");
      expect_close(dx, c[of_mean ? "mean_gradient" : "variance_gradient"].get<std::vector<double>>(),
                   tolerance(c), of_mean ? "mean gradient" : "variance gradient");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, GpReference, testing::ValuesIn(cpu_simd_choices()),
                         [](const auto& instance) { return instance.param; });

TEST(LogHReference, ValueAndDerivativeKeepTheirDigitsFarDown) {
  for (const json& row : reference()["log_h"]) {
    const LogH found = log_h(row["u"].get<double>());
    SCOPED_TRACE(row["u"].dump());
    const double value = row["value"].get<double>();
    const double derivative = row["derivative"].get<double>();
    EXPECT_NEAR(found.value, value, 2e-13 * std::max(1.0, std::abs(value)));
    EXPECT_NEAR(found.derivative, derivative, 2e-12 * derivative);
  }
}

TEST(LogEiReference, ValueAndPartials) {
  for (const json& row : reference()["log_ei"]) {
    const LogEi found = log_expected_improvement(row["mean"].get<double>(), row["variance"].get<double>(),
                                                 row["best"].get<double>());
    SCOPED_TRACE(row.dump());
    for (const auto& [name, value] : {std::pair{"value", found.value}, std::pair{"d_mean", found.d_mean},
                                      std::pair{"d_variance", found.d_variance}}) {
      const double expected = row[name].get<double>();
      EXPECT_NEAR(value, expected, 1e-12 * std::max(1.0, std::abs(expected))) << name;
    }
  }
}

}  // namespace
}  // namespace krigon
