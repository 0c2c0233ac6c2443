// Against scikit-learn (tests/data/gp/make_sklearn.py), to within max(1e-8, 100 eps cond(K)) of the
// values' scale.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "backend/backend.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"

namespace krigon {
namespace {

using nlohmann::json;

CovarianceSpec spec_of(const json& factors) {
  CovarianceSpec spec;
  for (const json& f : factors) {
    spec.factors.push_back({static_cast<CovarianceKind>(f["kind"].get<int>()),
                            f["columns"].get<std::vector<std::int32_t>>(),
                            f["groups"].get<std::vector<std::int32_t>>(),
                            f["periods"].get<std::vector<std::int32_t>>(), f["term"].get<std::int32_t>()});
  }
  return spec;
}

void expect_close(const std::vector<double>& found, const std::vector<double>& expected, double relative,
                  const char* what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  double scale = 1;
  for (const double value : expected) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], relative * scale) << what << " entry " << i;
  }
}

TEST(GpAgainstScikitLearn, LikelihoodGradientAndPosterior) {
  std::ifstream file(KRIGON_SOURCE_DIR "/tests/data/gp/sklearn.json");
  const json reference = json::parse(file);
  const auto backend = make_cpu_backend({.threads = 2, .simd = {}});
  ASSERT_EQ(reference["cases"].size(), 7u);
  for (const json& c : reference["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    const double tolerance =
        std::max(1e-8, 100 * std::numeric_limits<double>::epsilon() * c["condition"].get<double>());
    GpData data;
    data.n = c["n"].get<std::size_t>();
    data.columns = c["columns"].get<std::vector<double>>();
    data.y = c["targets"].get<std::vector<double>>();
    data.noise = c["noise"].get<std::vector<double>>();
    data.covariance = spec_of(c["factors"]);
    for (std::size_t k = 0; k < data.columns.size() / data.n; ++k)
      data.groups.push_back(static_cast<std::int32_t>(k));
    const auto theta = c["theta"].get<std::vector<double>>();
    const ThetaLayout layout = data.layout();
    ASSERT_EQ(theta.size(), static_cast<std::size_t>(layout.parameters()));
    const Hyperparameters h = detail::unpack(theta, layout);
    EXPECT_EQ(detail::pack(h), theta);

    std::vector<double> with_jitter = theta;
    with_jitter.push_back(0);
    const auto resident =
        backend->load({static_cast<std::int64_t>(data.n), data.columns, data.y, data.noise, data.covariance});
    std::vector<double> out(theta.size() + 2);
    const std::int64_t rows = layout.rows();
    backend->mll_value_grad(*resident, {with_jitter.data(), rows, 1, rows},
                            {out.data(), rows + 1, 1, rows + 1});
    EXPECT_EQ(out[0], 0);
    expect_close({out[1]}, {c["likelihood"].get<double>()}, tolerance, "likelihood");
    // scikit-learn has no mean to differentiate by.
    expect_close({out.begin() + 2, out.end() - 1}, c["gradient"].get<std::vector<double>>(), tolerance,
                 "gradient");

    Posterior posterior(*backend, data, h, OutputTransform{});
    ASSERT_EQ(posterior.status(), FitStatus::ok) << posterior.note();
    const auto x = c["candidates"].get<std::vector<double>>();
    const auto mean = c["mean"].get<std::vector<double>>();
    const std::size_t q = mean.size();
    std::vector<double> moments(q + q * q);
    posterior.evaluate_joint(x, q, moments);
    expect_close({moments.begin(), moments.begin() + static_cast<std::ptrdiff_t>(q)}, mean, tolerance,
                 "mean");
    expect_close({moments.begin() + static_cast<std::ptrdiff_t>(q), moments.end()},
                 c["covariance"].get<std::vector<double>>(), tolerance, "covariance");
  }
}

}  // namespace
}  // namespace krigon
