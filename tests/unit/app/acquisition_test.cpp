// The acquisitions of the library surface, as an outside project sees them.

#include "krigon/acquisition.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/acquisitions.hpp"

namespace krigon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Acquisition, GradientsAgreeWithDifferences) {
  Two two;
  for (const std::string& name : acquisition_names()) {
    for (const Direction direction : {Direction::minimize, Direction::maximize}) {
      AcquisitionOptions options = cheap(name);
      options.direction = direction;
      options.q = several(name) ? 3 : 1;
      const std::size_t dims = 2 * options.q;
      const auto at = points(2 * options.q, 0.37);
      std::vector<double> value(2), gradient(2 * dims), high(2), low(2), again(2);
      evaluate_acquisition(two.of(name), options, at, value, gradient);
      PreparedAcquisition prepared(two.of(name), options);
      prepared.evaluate(at, again);
      for (std::size_t g = 0; g < 2; ++g) {
        EXPECT_NEAR(again[g], value[g], 1e-12 * (1 + std::abs(value[g]))) << name;
      }
      for (std::size_t i = 0; i < at.size(); ++i) {
        constexpr double kStep = 1e-5;
        auto up = at, down = at;
        up[i] += kStep;
        down[i] -= kStep;
        prepared.evaluate(up, high);
        prepared.evaluate(down, low);
        const double difference = (high[i / dims] - low[i / dims]) / (2 * kStep);
        EXPECT_NEAR(gradient[i], difference, 1e-4 * (1 + std::abs(difference))) << name << " " << i;
      }
    }
  }
}

TEST(Acquisition, ManyGroupsAreAsFew) {
  Two two;
  AcquisitionOptions options = cheap("q-log-nei");
  options.samples = 1024;
  PreparedAcquisition prepared(two.first, options);
  const auto at = points(4200);  // their moments do not fit in one portion
  std::vector<double> value(4200), gradient(8400), one(1), slope(2);
  prepared.evaluate(at, value, gradient);
  for (const std::size_t g : {0, 4090, 4091, 4199}) {
    prepared.evaluate(std::span(at).subspan(2 * g, 2), one, slope);
    EXPECT_NEAR(one[0], value[g], 1e-9 * (1 + std::abs(one[0])));
    EXPECT_NEAR(slope[1], gradient[2 * g + 1], 1e-6 * (1 + std::abs(slope[1])));
  }
  prepared.evaluate({}, {});
}

TEST(Acquisition, MaximaAreAtLeastAsGoodAsTheBestOf4096RandomPoints) {
  Two two;
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> a(0, 10), b(-1, 1);
  std::vector<double> x(2 * 2 * 4096);
  for (std::size_t i = 0; i < x.size(); i += 2) x[i] = a(random), x[i + 1] = b(random);
  for (const std::string& name : acquisition_names()) {
    AcquisitionOptions options = cheap(name);
    options.q = several(name) ? 2 : 1;
    const AcquisitionMaximum found = maximize_acquisition(two.of(name), options);
    ASSERT_EQ(found.x.size(), 2 * options.q) << name;
    std::vector<double> value(4096), there(1);
    evaluate_acquisition(two.of(name), options, std::span(x).first(2 * options.q * 4096), value);
    // To what L-BFGS-B takes for a gain.
    EXPECT_GE(found.value, *std::max_element(value.begin(), value.end()) - 1e-8) << name;
    evaluate_acquisition(two.of(name), options, found.x, there);
    EXPECT_NEAR(there[0], found.value, 1e-6 * (1 + std::abs(found.value))) << name;
    // Whatever was evaluated before.
    PreparedAcquisition prepared(two.of(name), options);
    prepared.evaluate(found.x, there);
    const AcquisitionMaximum again = prepared.maximize();
    EXPECT_EQ(again.x, found.x) << name;
    EXPECT_EQ(again.value, found.value) << name;
    for (std::size_t i = 0; i < found.x.size(); i += 2) {
      EXPECT_TRUE(found.x[i] >= 0 && found.x[i] <= 10 && std::abs(found.x[i + 1]) <= 1) << name;
    }
  }
}

TEST(Acquisition, ChoosesAmongCategories) {
  std::vector<double> x, y, other;
  for (int i = 0; i < 30; ++i) {
    const double a = (i % 10) / 9.0;
    const double kind = i / 10 == 0 ? 7 : (i / 10 == 1 ? 3 : 5);
    x.insert(x.end(), {a, kind});
    y.push_back(std::sin(4 * a) - (kind == 5 ? 4 : 0));
    other.push_back(a - (kind == 5 ? 4 : 0));
  }
  GpOptions options;
  options.kernel = Kernel::matern52({0}) * Kernel::categorical({1});
  options.noise = 1e-3;
  GaussianProcess first = GaussianProcess::fit(x, 2, y, options);
  GaussianProcess second = GaussianProcess::fit(x, 2, other, options);
  const std::vector<GaussianProcess*> both = {&first, &second};
  for (const char* name : {"log-ei", "q-log-nei", "thompson", "log-kg", "log-ehvi"}) {
    AcquisitionOptions acquisition = cheap(name);
    if (acquisition.name == "log-ehvi") {
      acquisition.reference = {0, 0};
      acquisition.directions = {};
    }
    const auto found =
        maximize_acquisition(std::span(both).first(acquisition.name == "log-ehvi" ? 2 : 1), acquisition);
    EXPECT_EQ(found.x[1], 5) << name;
    std::vector<double> value(1), gradient(2);
    evaluate_acquisition(std::span(both).first(acquisition.name == "log-ehvi" ? 2 : 1), acquisition, found.x,
                         value, gradient);
    EXPECT_EQ(gradient[1], 0) << name;
  }
}

TEST(Acquisition, WhatCannotBeIsRefusedInWords) {
  Two two;
  GaussianProcess shorter = GaussianProcess::fit(points(24), 2, surface_at(points(24)), boxed());
  GaussianProcess elsewhere = GaussianProcess::fit(points(25, 0.2), 2, surface_at(points(25)), boxed());
  const auto refused = [](std::vector<GaussianProcess*> of, const AcquisitionOptions& options) {
    return [of = std::move(of), options] { maximize_acquisition(of, options); };
  };
  AcquisitionOptions options = cheap("log-ie");
  EXPECT_THAT(refused({&two.first}, options),
              ThrowsMessage<UsageError>(AllOf(HasSubstr("\"log-ie\""), HasSubstr("q-log-nei, gibbon"))));
  for (const auto& [name, instead] : {std::pair("log-ei", "try \"q-log-ei\""),
                                      {"log-gibbon", "try \"gibbon\""},
                                      {"log-ehvi", "try \"q-log-ehvi\""},
                                      {"log-kg", "of several are q-log-ei"}}) {
    options = cheap(name);
    options.q = 2;
    EXPECT_THAT(refused({&two.first}, options), ThrowsMessage<UsageError>(HasSubstr(instead))) << name;
  }
  EXPECT_THAT(refused(two.both, cheap("q-log-nei")),
              ThrowsMessage<UsageError>(AllOf(HasSubstr("of one process, not of 2"), HasSubstr("log-ehvi"))));
  EXPECT_THAT(refused({}, cheap("log-ei")), ThrowsMessage<UsageError>(HasSubstr("not of 0")));
  EXPECT_THAT(refused({&two.first, nullptr}, cheap("log-ehvi")),
              ThrowsMessage<UsageError>(HasSubstr("process 1 is null")));
  EXPECT_THAT(refused({&two.first, &two.first}, cheap("log-ehvi")),
              ThrowsMessage<UsageError>(HasSubstr("there twice")));
  EXPECT_THAT(refused({&two.first, &shorter}, cheap("log-ehvi")),
              ThrowsMessage<UsageError>(HasSubstr("process 1 has 24")));
  EXPECT_THAT(refused({&two.first, &elsewhere}, cheap("log-ehvi")),
              ThrowsMessage<UsageError>(HasSubstr("in the same order")));
  options = cheap("log-ehvi");
  options.reference = {1};
  EXPECT_THAT(refused(two.both, options),
              ThrowsMessage<UsageError>(HasSubstr("2 processes, but 1 entries of the reference")));
  options.reference = {1, std::nan("")};
  EXPECT_THAT(refused(two.both, options), ThrowsMessage<UsageError>(HasSubstr("nan")));
  options = cheap("q-log-ehvi");
  options.q = 9;
  EXPECT_THAT(refused(two.both, options), ThrowsMessage<UsageError>(HasSubstr("1 to 8 points")));
  options = cheap("gibbon");
  options.minima = 17;
  EXPECT_THAT(refused({&two.first}, options), ThrowsMessage<UsageError>(HasSubstr("1 to 16")));
  options = cheap("q-log-nei");
  options.baseline = 0;
  EXPECT_THAT(refused({&two.first}, options), ThrowsMessage<UsageError>(HasSubstr("baseline = 0")));
  options = cheap("log-kg");
  options.places = 0;
  EXPECT_THAT(refused({&two.first}, options), ThrowsMessage<UsageError>(HasSubstr("places = 0")));
  options = cheap("log-ei");
  options.lower = {0};
  EXPECT_THAT(refused({&two.first}, options), ThrowsMessage<UsageError>(HasSubstr("1 lower")));
  std::vector<double> x(3), value(1);
  EXPECT_THAT([&] { evaluate_acquisition(two.first, cheap("log-ei"), x, value); },
              ThrowsMessage<UsageError>(HasSubstr("3 numbers are no groups of 1 points of 2 columns")));
}

TEST(Acquisition, SeveralPointsTogetherAreSpreadAndWorthMoreThanOne) {
  const auto x = points(15);
  GaussianProcess process = GaussianProcess::fit(x, 2, surface_at(x), boxed());
  AcquisitionOptions options;
  options.name = "q-log-ei";
  options.raw = 256;
  options.starts = 8;
  double last = -1e300;
  for (const std::size_t q : {1, 2, 4}) {
    options.q = q;
    const AcquisitionMaximum found = maximize_acquisition(process, options);
    EXPECT_GT(found.value, last);
    last = found.value;
    for (std::size_t i = 0; i < q; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        EXPECT_GT(std::hypot(found.x[2 * i] - found.x[2 * j], found.x[2 * i + 1] - found.x[2 * j + 1]), 0.05);
      }
    }
  }
}

TEST(Acquisition, FindsTheMinimumOfAFunctionInFewSteps) {
  auto x = points(8);
  auto y = surface_at(x);
  for (int step = 0; step < 15; ++step) {
    GaussianProcess process = GaussianProcess::fit(x, 2, y, boxed());
    const AcquisitionMaximum next = maximize_acquisition(process);
    x.insert(x.end(), next.x.begin(), next.x.end());
    y.push_back(surface(next.x[0], next.x[1]));
  }
  double lowest = 1e300;
  for (int i = 0; i <= 10000; ++i) lowest = std::min(lowest, surface(i / 1000.0, 0));
  EXPECT_NEAR(*std::min_element(y.begin(), y.end()), lowest, 0.05);
}

}  // namespace
}  // namespace krigon
