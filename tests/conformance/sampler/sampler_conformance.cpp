// The contract of core/sampler.hpp, one body for every sampler.

#include <cmath>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "core/encoding.hpp"
#include "krigon/error.hpp"
#include "propose/samplers.hpp"
#include "tests/support/random_space.hpp"
#include "tests/support/told.hpp"

namespace krigon {
namespace {

using testing::Told;

Space plain() {
  return Space({{"x", RealDomain{-5, 10, Scale::linear, {}}}, {"y", RealDomain{1e-4, 1, Scale::log, {}}}});
}

Space mixed() {
  return Space({{"kind", CategoricalDomain{{Value{"a"}, Value{"b"}, Value{"c"}}, false}},
                {"rate", RealDomain{1e-5, 0.1, Scale::log, {}}, {{"kind", {Value{"a"}, Value{"b"}}}}},
                {"depth", IntegerDomain{1, 6, Scale::linear, 1}, {{"kind", {Value{"b"}}}}},
                {"batch", CategoricalDomain{{std::int64_t{16}, std::int64_t{32}, std::int64_t{64}}, true}},
                {"fixed", ConstantDomain{Value{true}}}},
               {"batch * depth <= 128"});
}

Space finite() {
  return Space({{"a", IntegerDomain{1, 4, Scale::linear, 1}},
                {"b", CategoricalDomain{{Value{"u"}, Value{"v"}, Value{"w"}}, false}},
                {"c", RealDomain{0, 1, Scale::linear, 0.5}, {{"b", {Value{"v"}}}}}});
}
constexpr int kFinitePoints = 4 * (1 + 3 + 1);

// Any function with a clear best place in any of the spaces above.
double objective(const Encoding& encoding, const Parameters& point) {
  const auto u = *encoding.encode(point);
  double sum = 0;
  for (std::size_t i = 0; i < u.size(); ++i) sum += std::pow(u[i] - 0.3, 2) * static_cast<double>(i + 1);
  return sum;
}

std::string show(const Parameters& point) {
  std::string text;
  for (const auto& [name, value] : point) text += name + "=" + to_string(value) + " ";
  return text;
}

std::shared_ptr<Backend> backend() {
  static const std::shared_ptr<Backend> cpu = make_cpu_backend({.threads = 2, .simd = ""});
  return cpu;
}

class SamplerContract : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Sampler> make(const Space& space, std::uint64_t seed = 7) const {
    return make_sampler({GetParam(), 6}, space, seed, backend());
  }
  /// Whether it ends a study when every point of a small space was tried.
  bool runs_out(const Space& space) const {
    return GetParam() == "grid" || (GetParam() == "auto" && space.size() && *space.size() <= 16);
  }
};
INSTANTIATE_TEST_SUITE_P(All, SamplerContract, ::testing::ValuesIn(sampler_names()),
                         [](const auto& instance) { return instance.param; });

// Eighteen trials that ended in every way, two that run.
Told told(const Space& space, Sampler& sampler, double sign = 1, Direction direction = Direction::minimize) {
  Told study(space, {"value", direction}, 9);
  const Encoding encoding(space);
  for (int i = 0; i < 20; ++i) {
    const auto suggestion = sampler.propose(study.history(), study.next());
    if (suggestion.exhausted) break;
    const auto number = study.add(suggestion.parameters, suggestion.proposal);
    const double value = sign * objective(encoding, suggestion.parameters);
    study.report(number, 1, value + sign * 0.5);
    if (i % 7 == 3) {
      study.fail(number);
    } else if (i % 5 == 2) {
      study.report(number, 3, value + sign * 0.25);
      study.stop(number);
    } else if (i % 11 == 8) {
      study.cancel(number);
    } else if (i < 18) {
      study.complete(number, value);
    }
  }
  return study;
}

TEST_P(SamplerContract, AFreshObjectProposesWhatAUsedOneDoes) {
  for (const Space& space : {plain(), mixed(), finite()}) {
    const auto used = make(space);
    Told study = told(space, *used);
    for (int i = 0; i < 3; ++i) {
      const auto first = used->propose(study.history(), study.next());
      const auto fresh = make(space)->propose(study.history(), study.next());
      ASSERT_EQ(first.exhausted, fresh.exhausted);
      EXPECT_EQ(first.parameters, fresh.parameters)
          << show(first.parameters) << "vs " << show(fresh.parameters);
      EXPECT_EQ(first.proposal.model, fresh.proposal.model);
      EXPECT_EQ(first.proposal.note, fresh.proposal.note);
      // Asking again changes nothing either.
      EXPECT_EQ(used->propose(study.history(), study.next()).parameters, first.parameters);
      if (first.exhausted) break;
      study.complete(study.add(first.parameters, first.proposal), 0.1 * i);
    }
  }
}

TEST_P(SamplerContract, SeedsDiffer) {
  const Space space = plain();
  const Told study(space);
  EXPECT_NE(make(space, 1)->propose(study.history(), 0).parameters,
            make(space, 2)->propose(study.history(), 0).parameters);
}

TEST_P(SamplerContract, PointsAreCompleteAndFeasible) {
  for (const Space& space : {plain(), mixed(), finite()}) {
    const auto sampler = make(space);
    Told study = told(space, *sampler);
    for (const auto& trial : study.history().trials()) EXPECT_NO_THROW(space.validate(trial.parameters));
  }
}

TEST_P(SamplerContract, AnySpaceWillDo) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    const Space space = testing::random_space(seed);
    std::unique_ptr<Sampler> sampler;
    try {
      sampler = make(space);
    } catch (const UsageError&) {
      ASSERT_TRUE(runs_out(space));  // too many points for a grid
      continue;
    }
    const Encoding encoding(space);
    Told study(space);
    for (int i = 0; i < 9; ++i) {
      const auto suggestion = sampler->propose(study.history(), study.next());
      if (suggestion.exhausted) {
        ASSERT_TRUE(runs_out(space));
        break;
      }
      ASSERT_NO_THROW(space.validate(suggestion.parameters)) << show(suggestion.parameters);
      study.complete(study.add(suggestion.parameters, suggestion.proposal),
                     objective(encoding, suggestion.parameters));
    }
  }
}

TEST_P(SamplerContract, EightAsksWithoutATellAreSpread) {
  const Space space = plain();
  const Encoding encoding(space);
  for (const int before : {0, 12}) {
    const auto sampler = make(space);
    Told study(space);
    for (int i = 0; i < before; ++i) {
      const auto number = study.ask(*sampler);
      study.complete(number, objective(encoding, study.history().trial(number).parameters));
    }
    std::vector<std::vector<double>> points;
    for (int i = 0; i < 8; ++i) {
      points.push_back(*encoding.encode(study.history().trial(study.ask(*sampler)).parameters));
    }
    double closest = 10, widest = 0;
    for (std::size_t a = 0; a < 8; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const double distance = std::hypot(points[a][0] - points[b][0], points[a][1] - points[b][1]);
        closest = std::min(closest, distance);
        widest = std::max(widest, distance);
      }
    }
    EXPECT_GT(closest, 0.01) << "after " << before;
    EXPECT_GT(widest, 0.1) << "after " << before;
  }
}

TEST_P(SamplerContract, PendingPointsOfAFiniteSpaceAreNotProposedAgain) {
  const Space space = finite();
  const auto sampler = make(space);
  Told study(space);
  std::set<std::string> seen;
  for (int i = 0; i < kFinitePoints; ++i) {
    const auto suggestion = sampler->propose(study.history(), study.next());
    ASSERT_FALSE(suggestion.exhausted);
    EXPECT_TRUE(seen.insert(show(suggestion.parameters)).second) << i << ' ' << show(suggestion.parameters);
    study.add(suggestion.parameters, suggestion.proposal);
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kFinitePoints));
}

TEST_P(SamplerContract, AFiniteSpaceIsTriedOnceAndThenAnswersQuickly) {
  const Space space = finite();
  const Encoding encoding(space);
  const auto sampler = make(space);
  Told study(space);
  std::set<std::string> seen;
  for (int i = 0; i < kFinitePoints; ++i) {
    const auto number = study.ask(*sampler);
    const auto& parameters = study.history().trial(number).parameters;
    EXPECT_TRUE(seen.insert(show(parameters)).second) << i << ' ' << show(parameters);
    study.complete(number, objective(encoding, parameters));
  }
  for (int i = 0; i < 3; ++i) {
    const auto suggestion = sampler->propose(study.history(), study.next());
    if (runs_out(space)) {
      EXPECT_TRUE(suggestion.exhausted);
      EXPECT_TRUE(suggestion.parameters.empty());
      break;
    }
    EXPECT_FALSE(suggestion.exhausted);
    EXPECT_NO_THROW(space.validate(suggestion.parameters));
    EXPECT_NE(suggestion.proposal.note, "");
    study.complete(study.add(suggestion.parameters, suggestion.proposal), 1.0);
  }
}

TEST_P(SamplerContract, ACancelledPointIsFreeAgain) {
  const Space space(std::vector<Parameter>{{"a", IntegerDomain{1, 3, Scale::linear, 1}}});
  const auto sampler = make(space);
  Told study(space);
  for (int i = 0; i < 3; ++i) study.ask(*sampler);
  study.cancel(1);
  const auto suggestion = sampler->propose(study.history(), study.next());
  EXPECT_EQ(suggestion.parameters, study.history().trial(1).parameters);
  EXPECT_EQ(suggestion.proposal.note, "");
}

TEST_P(SamplerContract, MaximisingTheNegativeIsMinimising) {
  for (const Space& space : {plain(), mixed()}) {
    const auto down = make(space), up = make(space);
    const Told minimised = told(space, *down);
    const Told maximised = told(space, *up, -1, Direction::maximize);
    ASSERT_EQ(minimised.next(), maximised.next());
    for (std::int64_t i = 0; i < minimised.next(); ++i) {
      EXPECT_EQ(minimised.history().trial(i).parameters, maximised.history().trial(i).parameters) << i;
    }
  }
}

TEST_P(SamplerContract, FailuresAloneAreNoTrouble) {
  const Space space = plain();
  const auto sampler = make(space);
  Told study(space);
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    const auto number = study.ask(*sampler);
    EXPECT_TRUE(seen.insert(show(study.history().trial(number).parameters)).second);
    study.fail(number);
  }
}

TEST_P(SamplerContract, ExtremeAndEqualValuesAreNoTrouble) {
  const Space space = plain();
  for (const std::vector<double>& values :
       {std::vector<double>{1e300, -1e300, 1e-300, 0}, std::vector<double>{3, 3, 3, 3},
        std::vector<double>{std::numeric_limits<double>::max(), std::numeric_limits<double>::lowest(), 1,
                            2}}) {
    const auto sampler = make(space);
    Told study(space);
    for (std::size_t i = 0; i < 16; ++i) {
      const auto suggestion = sampler->propose(study.history(), study.next());
      ASSERT_NO_THROW(space.validate(suggestion.parameters));
      study.complete(study.add(suggestion.parameters, suggestion.proposal), values[i % values.size()]);
    }
  }
}

TEST_P(SamplerContract, TrialsOfAnotherSpaceAreLeftAside) {
  const Space space = plain();
  const auto sampler = make(space);
  Told study(space);
  for (int i = 0; i < 10; ++i) study.tell({{"x", 0.1 * i}, {"old", 1.0}}, 1.0 * i);
  for (int i = 0; i < 10; ++i) {
    const auto number = study.ask(*sampler);
    EXPECT_NO_THROW(space.validate(study.history().trial(number).parameters));
    study.complete(number, 1.0 * i);
  }
}

TEST_P(SamplerContract, TheSamePointToldManyTimesIsNoTrouble) {
  const Space space = plain();
  const auto sampler = make(space);
  Told study(space);
  for (int i = 0; i < 20; ++i) study.tell({{"x", 1.0}, {"y", 0.1}}, i % 3);
  for (int i = 0; i < 5; ++i) {
    const auto suggestion = sampler->propose(study.history(), study.next());
    EXPECT_NO_THROW(space.validate(suggestion.parameters));
    study.complete(study.add(suggestion.parameters, suggestion.proposal), 1.0 * i);
  }
}

TEST_P(SamplerContract, ASpaceWithoutFeasiblePointsIsRefusedWithItsConstraints) {
  const Space space(
      {{"x", RealDomain{0, 1, Scale::linear, {}}}, {"n", IntegerDomain{1, 3, Scale::linear, 1}}},
      {"x + n < 0.5"});
  try {
    const Told study(space);
    make(space)->propose(study.history(), 0);
    FAIL() << "no SpaceError";
  } catch (const SpaceError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("x + n < 0.5"));
  }
}

TEST_P(SamplerContract, ASpaceOfConstantsIsOnePoint) {
  const Space space(std::vector<Parameter>{{"c", ConstantDomain{Value{"only"}}}});
  const auto sampler = make(space);
  Told study(space);
  const auto suggestion = sampler->propose(study.history(), 0);
  EXPECT_EQ(suggestion.parameters, (Parameters{{"c", "only"}}));
  study.complete(study.add(suggestion.parameters, suggestion.proposal), 1);
  const auto again = sampler->propose(study.history(), 1);
  EXPECT_EQ(again.exhausted, runs_out(space));
}

TEST_P(SamplerContract, ItSaysWhatItWillDo) {
  EXPECT_GT(make(mixed())->describe(mixed()).size(), 20u);
}

TEST(Samplers, AnUnknownNameListsTheKnownOnes) {
  try {
    make_sampler({"bayes", {}}, plain(), 1, nullptr);
    FAIL() << "no UsageError";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("\"bayes\""));
    for (const auto& name : sampler_names()) EXPECT_THAT(error.what(), ::testing::HasSubstr(name));
  }
}

TEST(Samplers, ANegativeFirstPhaseIsRefused) {
  EXPECT_THROW(make_sampler({"sobol", -1}, plain(), 1, nullptr), UsageError);
}

TEST(Samplers, AGridThatIsTooLargeIsRefused) {
  const Space space(
      {{"a", IntegerDomain{1, 1000, Scale::linear, 1}}, {"b", IntegerDomain{1, 1000, Scale::linear, 1}}});
  EXPECT_THROW(make_sampler({"grid", {}}, space, 1, nullptr), UsageError);
}

TEST(Samplers, AGridHoldsEveryCombinationOnce) {
  const Space space({{"kind", CategoricalDomain{{Value{"a"}, Value{"b"}}, false}},
                     {"x", RealDomain{0.01, 100, Scale::log, {}}, {{"kind", {Value{"a"}}}}},
                     {"n", IntegerDomain{1, 3, Scale::linear, 1}}},
                    {"n != 2"});
  const auto sampler = make_sampler({"grid", {}}, space, 1, nullptr);
  Told study(space);
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    const auto suggestion = sampler->propose(study.history(), study.next());
    if (suggestion.exhausted) break;
    study.add(suggestion.parameters);
    EXPECT_TRUE(seen.insert(show(suggestion.parameters)).second);
  }
  EXPECT_EQ(seen.size(), (5u + 1u) * 2u);
  EXPECT_TRUE(seen.contains("kind=a n=1 x=0.01 "));
  EXPECT_TRUE(seen.contains("kind=a n=3 x=100 "));
}

}  // namespace
}  // namespace krigon
