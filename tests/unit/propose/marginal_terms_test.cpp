#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/acquisition/marginal.hpp"

namespace krigon {
namespace {

using nlohmann::json;

constexpr std::array<double, 3> kSamples{-1.5, -1.25, -0.9375};

const char* name_of(MarginalKind kind) {
  switch (kind) {
#define KRIGON_NAME(name)  \
  case MarginalKind::name: \
    return #name;
    KRIGON_MARGINALS(KRIGON_NAME)
#undef KRIGON_NAME
  }
  return "";
}

std::vector<MarginalTerm> one_of_each() {
  return {log_ei(-0.125),
          log_pi(-0.125, 0.25),
          confidence_bound(1.75),
          log_probability_below(0.5, 0.0625),
          log_probability_above(0.5, 0.0625),
          minus_log_cost(0.5, 2.5, -3),
          log_gibbon(0.0625, kSamples.data(), 3),
          log_variance()};
}

MarginalTerm term_of(const json& row) {
  for (MarginalTerm term : one_of_each()) {
    if (row["kind"] != name_of(term.kind)) continue;
    const auto settings = row["settings"].get<std::vector<double>>();
    term.a = settings.size() > 0 ? settings[0] : 0;
    term.b = settings.size() > 1 ? settings[1] : 0;
    term.c = settings.size() > 2 ? settings[2] : 0;
    return term;
  }
  throw std::runtime_error("no such marginal: " + row["kind"].dump());
}

TEST(MarginalTerms, AgreeWithSixtyDigits) {
  const json reference =
      json::parse(std::ifstream(KRIGON_SOURCE_DIR "/tests/data/acquisition/reference.json"));
  std::vector<int> seen(one_of_each().size());
  for (const json& row : reference["marginal"]) {
    SCOPED_TRACE(row.dump());
    const MarginalTerm term = term_of(row);
    ++seen[static_cast<std::size_t>(term.kind)];
    const double variance = row["variance"];
    const Term found = marginal_term(term, row["mean"], variance);
    const double value = row["value"], d_mean = row["d_mean"], d_variance = row["d_variance"];
    EXPECT_NEAR(found.value, value, 1e-11 * std::max(1.0, std::abs(value)));
    EXPECT_NEAR(found.d_mean, d_mean, 1e-10 * std::max(1 / std::sqrt(variance), std::abs(d_mean)));
    EXPECT_NEAR(found.d_variance, d_variance, 1e-10 * std::max(1 / variance, std::abs(d_variance)));
  }
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_GT(seen[i], 0) << i;
}

TEST(MarginalTerms, EveryKindIsTested) {
  const auto terms = one_of_each();
  int kinds = 0;
#define KRIGON_COUNT(name) ++kinds;
  KRIGON_MARGINALS(KRIGON_COUNT)
#undef KRIGON_COUNT
  ASSERT_EQ(terms.size(), static_cast<std::size_t>(kinds));
  for (int i = 0; i < kinds; ++i) EXPECT_EQ(static_cast<int>(terms[static_cast<std::size_t>(i)].kind), i);
}

TEST(MarginalTerms, DerivativesAgreeWithDifferences) {
  for (const MarginalTerm& term : one_of_each()) {
    for (const double mean : {-20.0, -3.0, -0.2, 0.0, 0.4, 2.0, 12.0}) {
      for (const double variance : {0.01, 0.3, 1.0, 5.0}) {
        if (std::abs(mean) / std::sqrt(variance) > 60) continue;  // differences lose their digits there
        const double h = 1e-6, dv = h * variance;
        const auto value = [&](double m, double v) { return marginal_term(term, m, v).value; };
        const Term at = marginal_term(term, mean, variance);
        const double d_mean = (value(mean + h, variance) - value(mean - h, variance)) / (2 * h);
        const double d_variance = (value(mean, variance + dv) - value(mean, variance - dv)) / (2 * dv);
        EXPECT_NEAR(at.d_mean, d_mean, 1e-6 * (1 + std::abs(d_mean)))
            << name_of(term.kind) << ' ' << mean << ' ' << variance;
        EXPECT_NEAR(at.d_variance, d_variance, 1e-6 * (1 + std::abs(d_variance)))
            << name_of(term.kind) << ' ' << mean << ' ' << variance;
      }
    }
  }
}

TEST(MarginalTerms, FiniteForEveryFiniteArgument) {
  for (const MarginalTerm& term : one_of_each()) {
    for (const double mean : {0.0, 40.0, -40.0, 1e6, -1e6, 1e300, -1e300, 1.7e308, -1.7e308}) {
      for (const double variance : {5e-324, 1e-300, 1e-20, 1.0, 1e20, 1e300}) {
        const Term at = marginal_term(term, mean, variance);
        EXPECT_TRUE(std::isfinite(at.value)) << name_of(term.kind) << ' ' << mean << ' ' << variance;
        EXPECT_TRUE(std::isfinite(at.d_mean)) << name_of(term.kind) << ' ' << mean << ' ' << variance;
        EXPECT_TRUE(std::isfinite(at.d_variance)) << name_of(term.kind) << ' ' << mean << ' ' << variance;
      }
    }
  }
}

TEST(MarginalTerms, WithoutNoiseNothingBreaks) {
  for (const double mean : {1.0, -1e3, 1e300, -1e300}) {
    for (const double variance : {1e-300, 1.0, 1e300}) {
      const Term at = marginal_term(log_gibbon(0, kSamples.data(), 3), mean, variance);
      EXPECT_TRUE(std::isfinite(at.value) && std::isfinite(at.d_mean) && std::isfinite(at.d_variance))
          << mean << ' ' << variance << ' ' << at.value << ' ' << at.d_mean << ' ' << at.d_variance;
    }
  }
}

TEST(MarginalTerms, NanStaysNan) {
  for (const MarginalTerm& term : one_of_each()) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(std::isnan(marginal_term(term, 0, nan).value)) << name_of(term.kind);
  }
}

TEST(MarginalTerms, PreferWhatTheyPromise) {
  const auto value = [](const MarginalTerm& t, double m, double v) { return marginal_term(t, m, v).value; };
  EXPECT_GT(value(log_ei(0), -1, 1), value(log_ei(0), 1, 1));
  EXPECT_GT(value(log_pi(0), -1, 1), value(log_pi(0), 1, 1));
  EXPECT_GT(value(log_pi(0), -0.5, 1), value(log_pi(0, 0.2), -0.5, 1));
  EXPECT_GT(value(confidence_bound(2), 0, 4), value(confidence_bound(2), 0, 1));
  EXPECT_GT(value(minus_log_cost(1), -1, 1), value(minus_log_cost(1), 1, 1));
  EXPECT_GT(value(log_gibbon(0.1, kSamples.data(), 3), 0, 1),
            value(log_gibbon(0.1, kSamples.data(), 3), 3, 1));
  // A constraint and its opposite share all chance.
  EXPECT_NEAR(std::exp(value(log_probability_below(0.3, 1), 0, 1)) +
                  std::exp(value(log_probability_above(0.3, 1), 0, 1)),
              1, 1e-15);
}

}  // namespace
}  // namespace krigon
