// Against GPyTorch and BoTorch (tests/data/gp/make_botorch.py): processes, and acquisitions over them by
// the same finite sums, to within max(1e-8, 100 eps cond) of the values' scale.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "backend/backend.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"
#include "propose/acquisition/boxes.hpp"
#include "propose/acquisition/table.hpp"

namespace krigon {
namespace {

using nlohmann::json;
using Doubles = std::vector<double>;

const json& reference() {
  static const json data = json::parse(std::ifstream(KRIGON_SOURCE_DIR "/tests/data/gp/botorch.json"));
  return data;
}

Doubles doubles(const json& values) {
  return values.get<Doubles>();
}

double tolerance_of(double condition) {
  return std::max(1e-8, 100 * std::numeric_limits<double>::epsilon() * condition);
}

void expect_close(const Doubles& found, const Doubles& expected, double relative, const char* what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  double scale = 1;
  for (const double value : expected) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], relative * scale) << what << " entry " << i;
  }
}

GpData data_of(const json& c, const json& targets) {
  GpData data;
  data.n = c["n"].get<std::size_t>();
  data.columns = doubles(c["columns"]);
  data.y = doubles(targets);
  for (std::size_t k = 0; k < data.columns.size() / data.n; ++k) {
    data.groups.push_back(static_cast<std::int32_t>(k));
  }
  return data;
}

/// Value and gradient over q rows of an acquisition of joint moments.
struct AtRows {
  double value = 0;
  Doubles gradient;
};

AtRows at_rows(Posterior& posterior, const Doubles& rows, std::size_t q, const char* name,
               const AcquisitionSettings& settings) {
  AtRows result{0, Doubles(rows.size())};
  Doubles moments(q + q * q), scratch;
  posterior.evaluate_joint_with_gradient(
      rows, q, moments,
      [&](std::span<const double> m, std::span<double> adjoint) {
        result.value = evaluate_acquisition(find_acquisition(name), settings, m, adjoint, scratch);
      },
      result.gradient);
  return result;
}

void expect_rows(const AtRows& found, const json& expected, double relative, const char* what) {
  expect_close({found.value}, {expected["value"].get<double>()}, relative, what);
  expect_close(found.gradient, doubles(expected["gradient"]), relative, what);
}

/// The noisy improvement, from the joint moments of the baseline's b points and then the q candidates:
/// given sample s of the former, the latter have the means m + L_qb z_s and share L_qq L_qq'.
double noisy_value(Posterior& posterior, const json& c, const Doubles& rows, std::size_t q) {
  const Doubles baseline = doubles(c["q_log_nei"]["baseline"]), base = doubles(c["q_log_nei"]["base"]);
  const std::size_t b = baseline.size() / posterior.column_count(), all = b + q;
  const auto samples = c["samples"].get<std::size_t>();
  Doubles both = baseline, moments(all + all * all);
  both.insert(both.end(), rows.begin(), rows.end());
  posterior.evaluate_joint(both, all, moments);
  Doubles l(all * all);
  for (std::size_t i = 0; i < all; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = moments[all + i * all + j];
      for (std::size_t k = 0; k < j; ++k) sum -= l[i * all + k] * l[j * all + k];
      l[i * all + j] = i == j ? std::sqrt(sum) : sum / l[j * all + j];
    }
  }
  Doubles given, bests, own;
  for (std::size_t s = 0; s < samples; ++s) {
    double least = INFINITY;
    for (std::size_t i = 0; i < all; ++i) {
      double mean = moments[i];
      for (std::size_t k = 0; k <= std::min(i, b - 1); ++k) mean += l[i * all + k] * base[s * all + k];
      if (i < b) {
        least = std::min(least, mean);
      } else {
        given.push_back(mean);
        own.push_back(base[s * all + i]);
      }
    }
    bests.push_back(least);
  }
  for (std::size_t i = b; i < all; ++i) {
    for (std::size_t j = b; j < all; ++j) {
      double sum = 0;
      for (std::size_t k = b; k <= std::min(i, j); ++k) sum += l[i * all + k] * l[j * all + k];
      given.push_back(sum);
    }
  }
  AcquisitionSettings settings;
  settings.q = static_cast<std::int32_t>(q);
  settings.samples = static_cast<std::int32_t>(samples);
  settings.base = own.data();
  settings.bests = bests.data();
  Doubles adjoint(given.size()), scratch;
  return evaluate_acquisition(find_acquisition("q-log-nei"), settings, given, adjoint, scratch);
}

TEST(AgainstBoTorch, Process) {
  const auto backend = make_cpu_backend({.threads = 2, .simd = {}});
  ASSERT_EQ(reference()["cases"].size(), 3u);
  for (const json& c : reference()["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    const double tolerance = tolerance_of(c["condition"].get<double>());
    const GpData data = data_of(c, c["targets"]);
    Doubles theta = doubles(c["theta"]);
    const Hyperparameters h = detail::unpack(theta, data.layout());
    theta.push_back(0);  // jitter
    const auto resident =
        backend->load({static_cast<std::int64_t>(data.n), data.columns, data.y, {}, data.spec()});
    const auto rows = static_cast<std::int64_t>(theta.size());
    Doubles out(theta.size() + 1);
    backend->mll_value_grad(*resident, {theta.data(), rows, 1, rows}, {out.data(), rows + 1, 1, rows + 1});
    EXPECT_EQ(out[0], 0);
    expect_close({out[1]}, {c["likelihood"].get<double>()}, tolerance, "likelihood");
    expect_close({out.begin() + 2, out.end()}, doubles(c["gradient"]), tolerance, "gradient");

    Posterior posterior(*backend, data, h, OutputTransform{});
    const Doubles x = doubles(c["candidates"]), mean = doubles(c["mean"]);
    const std::size_t q = mean.size();
    Doubles moments(q + q * q);
    posterior.evaluate_joint(x, q, moments);
    expect_close({moments.begin(), moments.begin() + static_cast<std::ptrdiff_t>(q)}, mean, tolerance,
                 "mean");
    expect_close({moments.begin() + static_cast<std::ptrdiff_t>(q), moments.end()}, doubles(c["covariance"]),
                 tolerance, "covariance");
  }
}

TEST(AgainstBoTorch, Acquisitions) {
  const auto backend = make_cpu_backend({.threads = 2, .simd = {}});
  for (const json& c : reference()["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    const double tolerance =
        tolerance_of(std::max(c["condition"].get<double>(), c["joint_condition"].get<double>()));
    const GpData data = data_of(c, c["targets"]);
    Posterior posterior(*backend, data, detail::unpack(doubles(c["theta"]), data.layout()),
                        OutputTransform{});
    const Doubles x = doubles(c["candidates"]), base = doubles(c["base"]);
    const std::size_t q = c["mean"].size(), d = data.column_count();
    AcquisitionSettings settings;
    settings.best = c["best"].get<double>();
    for (std::size_t i = 0; i < q; ++i) {
      const Doubles row(x.begin() + static_cast<std::ptrdiff_t>(i * d),
                        x.begin() + static_cast<std::ptrdiff_t>((i + 1) * d));
      expect_rows(at_rows(posterior, row, 1, "log-ei", settings), c["log_ei"][i], tolerance, "log-ei");
    }
    settings.q = static_cast<std::int32_t>(q);
    settings.samples = c["samples"].get<std::int32_t>();
    settings.base = base.data();
    settings.kappa = c["kappa"].get<double>();
    expect_rows(at_rows(posterior, x, q, "q-log-ei", settings), c["q_log_ei"], tolerance, "q-log-ei");
    expect_rows(at_rows(posterior, x, q, "q-ucb", settings), c["q_ucb"], tolerance, "q-ucb");
    expect_close({noisy_value(posterior, c, x, q)}, {c["q_log_nei"]["value"].get<double>()}, tolerance,
                 "q-log-nei");
  }
}

TEST(AgainstBoTorch, HypervolumeImprovement) {
  const auto backend = make_cpu_backend({.threads = 2, .simd = {}});
  ASSERT_EQ(reference()["hypervolume"].size(), 2u);
  for (const json& c : reference()["hypervolume"]) {
    const std::size_t count = c["objectives"].size(), n = c["n"].get<std::size_t>();
    SCOPED_TRACE(std::to_string(count) + " objectives");
    const auto q = c["q"].get<std::size_t>();
    const Doubles x = doubles(c["candidates"]), base = doubles(c["base"]);
    Doubles points(n * count);
    std::vector<Posterior> posteriors;
    for (std::size_t m = 0; m < count; ++m) {
      const json& o = c["objectives"][m];
      const GpData data = data_of(c, o["targets"]);
      for (std::size_t i = 0; i < n; ++i) points[i * count + m] = data.y[i];
      posteriors.emplace_back(*backend, data, detail::unpack(doubles(o["theta"]), data.layout()),
                              OutputTransform{});
    }
    const Boxes boxes = improvement_boxes(points, doubles(c["reference"]));
    AcquisitionSettings settings;
    settings.boxes = boxes.view();
    Doubles adjoint, scratch;
    for (std::size_t i = 0; i < q; ++i) {
      const std::span<const double> row = std::span(x).subspan(i * x.size() / q, x.size() / q);
      Doubles moments(2 * count);
      for (std::size_t m = 0; m < count; ++m) {
        posteriors[m].evaluate(row, std::span(moments).subspan(2 * m, 1),
                               std::span(moments).subspan(2 * m + 1, 1));
      }
      adjoint.assign(moments.size(), 0);
      expect_close({evaluate_acquisition(find_acquisition("log-ehvi"), settings, moments, adjoint, scratch)},
                   {c["log_ehvi"][i].get<double>()}, 1e-8, "log-ehvi");
    }
    // The smoothed sum depends on how the space was cut: as BoTorch did.
    Boxes cells{count, {}, doubles(c["cells"]["upper"])};
    for (const json& v : c["cells"]["lower"])
      cells.lower.push_back(v.is_null() ? -INFINITY : v.get<double>());
    settings.boxes = cells.view();
    settings.q = static_cast<std::int32_t>(q);
    settings.samples = c["samples"].get<std::int32_t>();
    settings.base = base.data();
    Doubles moments(count * q * (q + 1));
    for (std::size_t m = 0; m < count; ++m) {
      posteriors[m].evaluate_joint(x, q, std::span(moments).subspan(m * q * (q + 1), q * (q + 1)));
    }
    adjoint.assign(moments.size(), 0);
    expect_close({evaluate_acquisition(find_acquisition("q-log-ehvi"), settings, moments, adjoint, scratch)},
                 {c["q_log_ehvi"].get<double>()}, 1e-8, "q-log-ehvi");
  }
}

}  // namespace
}  // namespace krigon
