#include "propose/gp_sampler.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/encoding.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "propose/surrogate.hpp"
#include "tests/support/faulty_backend.hpp"
#include "tests/support/told.hpp"

namespace krigon {
namespace {

using testing::FaultyBackend;
using ::testing::HasSubstr;
using testing::Told;

std::shared_ptr<Backend> cpu() {
  static const std::shared_ptr<Backend> backend = make_cpu_backend({.threads = 1, .simd = ""});
  return backend;
}

Space plane() {
  return Space({{"x", RealDomain{0, 1, Scale::linear, {}}}, {"y", RealDomain{0, 1, Scale::linear, {}}}});
}

double bowl(const Parameters& p) {
  return std::pow(as_number(p.at("x")) - 0.3, 2) + std::pow(as_number(p.at("y")) - 0.6, 2);
}

TEST(Hyperparameters, SurviveJsonBitForBit) {
  Random random(1, 0, Purpose::candidates);
  for (int i = 0; i < 100; ++i) {
    Hyperparameters h{
        {random.normal(), random.normal() * 1e-9, 1.0}, {random.normal()}, -18 * random.uniform(), 0.1};
    const auto text = to_json(h).dump();
    EXPECT_EQ(hyperparameters_from_json(nlohmann::json::parse(text), 3), h);
  }
}

TEST(Hyperparameters, FromWhatIsNoneAreNone) {
  const Hyperparameters h{{1, 2}, {0}, -3, 0};
  EXPECT_TRUE(hyperparameters_from_json(to_json(h), 2));
  EXPECT_FALSE(hyperparameters_from_json(to_json(h), 3));
  EXPECT_FALSE(hyperparameters_from_json(nullptr, 2));
  EXPECT_FALSE(hyperparameters_from_json({{"mean", 1}}, 2));
  auto wrong = to_json(h);
  wrong["log_lengthscale"][0] = "one";
  EXPECT_FALSE(hyperparameters_from_json(wrong, 2));
}

TEST(RefitDue, AtEveryTellFirstAndRarelyLater) {
  EXPECT_TRUE(refit_due(6, 5));
  EXPECT_FALSE(refit_due(5, 5));
  EXPECT_TRUE(refit_due(60, 59));
  EXPECT_FALSE(refit_due(515, 500));
  EXPECT_TRUE(refit_due(516, 500));
  EXPECT_TRUE(refit_due(400, 500));
}

TEST(GpSampler, TheFirstPhaseIsSobolAndItsLengthIsChosen) {
  EXPECT_EQ(default_initial(1), 5);
  EXPECT_EQ(default_initial(4), 8);
  EXPECT_EQ(default_initial(30), 20);
  GpSamplerOptions options;
  options.initial = 4;
  const auto sampler = make_gp_sampler(plane(), 1, cpu(), options);
  Told study(plane());
  for (int i = 0; i < 6; ++i) {
    const auto number = study.ask(*sampler);
    EXPECT_EQ(study.history().trial(number).proposal.sampler, i < 4 ? "sobol" : "gp") << i;
    study.complete(number, bowl(study.history().trial(number).parameters));
  }
}

TEST(GpSampler, FindsTheBottomOfABowl) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const auto sampler = make_gp_sampler(plane(), seed, cpu());
    Told study(plane());
    double best = 1;
    for (int i = 0; i < 20; ++i) {
      const auto number = study.ask(*sampler);
      const double value = bowl(study.history().trial(number).parameters);
      EXPECT_EQ(study.history().trial(number).proposal.note, "");
      best = std::min(best, value);
      study.complete(number, value);
    }
    EXPECT_LT(best, 1e-4) << seed;  // random search: about 0.01
  }
}

TEST(GpSampler, AmongGivenPointsItChoosesThoseAndEachOnce) {
  const Encoding encoding(plane());
  Random random(1, 0, Purpose::random_sampler);
  GpSamplerOptions options;
  while (options.among.size() < 200) {
    std::vector<double> point{random.uniform(), random.uniform()};
    encoding.canonicalise(point);
    options.among.push_back(point);
  }
  std::vector<double> values;
  for (const auto& point : options.among) values.push_back(bowl(encoding.decode(point)));
  const auto sampler = make_gp_sampler(plane(), 1, cpu(), options);
  Told study(plane());
  std::set<std::vector<double>> chosen;
  double best = 1;
  for (int i = 0; i < 20; ++i) {
    const auto number = study.ask(*sampler);
    const auto& trial = study.history().trial(number);
    EXPECT_EQ(trial.proposal.sampler, i < 5 ? "random" : "gp");
    const auto point = encoding.encode(trial.parameters).value();
    EXPECT_THAT(options.among, ::testing::Contains(point));
    EXPECT_TRUE(chosen.insert(point).second);
    best = std::min(best, bowl(trial.parameters));
    study.complete(number, bowl(trial.parameters));
  }
  EXPECT_EQ(best, *std::min_element(values.begin(), values.end()));
}

TEST(GpSampler, ManyObservationsAreModelledByAnApproximationThatProposesTheSame) {
  GpSamplerOptions approximate;
  approximate.exact = 100;
  const auto exact = make_gp_sampler(plane(), 3, cpu());
  const auto vecchia = make_gp_sampler(plane(), 3, cpu(), approximate);
  Told study(plane());
  Random random(1, 0, Purpose::candidates);
  for (int i = 0; i < 120; ++i) {
    const Parameters point{{"x", random.uniform()}, {"y", random.uniform()}};
    study.tell(point, bowl(point) + 0.01 * random.normal());
  }
  for (int i = 0; i < 3; ++i) {
    const auto expected = exact->propose(study.history(), study.next());
    const auto found = vecchia->propose(study.history(), study.next());
    EXPECT_FALSE(expected.proposal.model.contains("approximation"));
    EXPECT_EQ(found.proposal.model.at("approximation"), "vecchia");
    EXPECT_EQ(found.proposal.note, "");
    for (const char* name : {"x", "y"}) {
      EXPECT_NEAR(as_number(found.parameters.at(name)), as_number(expected.parameters.at(name)), 1e-3)
          << name;
    }
    study.ask(*exact);  // stays pending
  }
}

TEST(GpSampler, AResumedStudyGoesOnBitForBit) {
  // Everything that a store keeps of a proposal goes through JSON text on the way.
  const auto sampler = make_gp_sampler(plane(), 3, cpu());
  Told whole(plane()), resumed(plane());
  for (int i = 0; i < 30; ++i) {
    const auto direct = sampler->propose(whole.history(), whole.next());
    const auto again = make_gp_sampler(plane(), 3, cpu())->propose(resumed.history(), resumed.next());
    ASSERT_EQ(direct.parameters, again.parameters) << i;
    const double value = bowl(direct.parameters);
    whole.complete(whole.add(direct.parameters, direct.proposal), value);
    Proposal stored = again.proposal;
    stored.model = nlohmann::json::parse(stored.model.dump());
    resumed.complete(
        resumed.add(parameters_from_json(nlohmann::json::parse(to_json(again.parameters).dump())), stored),
        value);
  }
}

TEST(GpSampler, HyperparametersAreCarriedBetweenRefits) {
  const auto sampler = make_gp_sampler(plane(), 3, cpu());
  Told study(plane());
  Random random(1, 0, Purpose::candidates);
  for (int i = 0; i < 100; ++i) {
    const Parameters point{{"x", random.uniform()}, {"y", random.uniform()}};
    study.tell(point, bowl(point));
  }
  std::vector<std::int64_t> fitted_at;
  for (int i = 0; i < 8; ++i) {
    const auto number = study.ask(*sampler);
    fitted_at.push_back(study.history().trial(number).proposal.model.at("fitted_at"));
    study.complete(number, bowl(study.history().trial(number).parameters));
  }
  EXPECT_THAT(fitted_at, ::testing::ElementsAre(100, 100, 100, 103, 103, 103, 106, 106));
}

TEST(GpSampler, LearnsWhereTrialsFail) {
  // The lowest values lie at the edge of a region where every trial fails, a third of the space.
  const auto run = [](bool failures, std::uint64_t seed) {
    const auto sampler = make_gp_sampler(plane(), seed, cpu());
    Told study(plane());
    int failed = 0;
    double best = 10;
    for (int i = 0; i < 50; ++i) {
      const auto number = study.ask(*sampler);
      const auto& p = study.history().trial(number).parameters;
      const double x = as_number(p.at("x")), value = 1 - x + std::pow(as_number(p.at("y")) - 0.5, 2);
      if (failures && x > 0.66) {
        failed += i >= 10 ? 1 : 0;
        study.fail(number);
      } else {
        best = std::min(best, value);
        study.complete(number, value);
      }
    }
    return std::pair(failed, best);
  };
  // Of 40 each; without a model of failures nearly all, since values fall that way. A single search's number
  // is between 16 and 21.
  constexpr std::uint64_t kSeeds = 5;
  int all_failed = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto [failed, best] = run(true, seed);
    all_failed += failed;
    EXPECT_LT(best, 0.36) << "seed " << seed;  // 0.34 at the edge
  }
  EXPECT_LT(all_failed, 20 * static_cast<int>(kSeeds));
}

TEST(GpSampler, AStoppedTrialIsNotTakenForAFinishedOne) {
  // Losses rise with the step here: what stopped trials showed early is far below any final value.
  const auto sampler = make_gp_sampler(plane(), 5, cpu());
  Told study(plane(), {"value", Direction::minimize}, 27);
  double best = 10;
  for (int i = 0; i < 45; ++i) {
    const auto number = study.ask(*sampler);
    const auto& trial = study.history().trial(number);
    const double value = bowl(trial.parameters);
    if (i % 3 != 0 && value > 0.05) {
      study.report(number, 3, value - 2);
      study.stop(number);
    } else {
      best = std::min(best, value);
      study.complete(number, value);
    }
    if (i == 44) {
      EXPECT_TRUE(trial.proposal.model.at("step_column"));
      EXPECT_EQ(trial.proposal.model.at("hyperparameters").at("log_lengthscale").size(), 3u);
    }
  }
  EXPECT_LT(best, 1e-3);
}

TEST(GpSampler, NoiseDoesNotDriveItToRepeatALuckyPoint) {
  const auto sampler = make_gp_sampler(plane(), 5, cpu());
  Told study(plane());
  Random noise(9, 0, Purpose::candidates);
  for (int i = 0; i < 50; ++i) {
    const auto number = study.ask(*sampler);
    study.complete(number, bowl(study.history().trial(number).parameters) + 0.05 * noise.normal());
  }
  double sum = 0;
  for (std::int64_t i = 40; i < 50; ++i) sum += bowl(study.history().trial(i).parameters);
  EXPECT_LT(sum / 10, 0.1);  // uniform points: 0.21
}

TEST(GpSampler, AboveTheCapItSaysWhatTheModelWasTold) {
  GpSamplerOptions options;
  options.most = 30;
  const auto sampler = make_gp_sampler(plane(), 3, cpu(), options);
  Told study(plane());
  Random random(1, 0, Purpose::candidates);
  for (int i = 0; i < 50; ++i) {
    const Parameters point{{"x", random.uniform()}, {"y", random.uniform()}};
    study.tell(point, bowl(point));
  }
  EXPECT_THAT(sampler->propose(study.history(), study.next()).proposal.note,
              HasSubstr("30 of 50 observations"));
}

TEST(GpSampler, TimingsAreHandedOut) {
  AskTimings timings;
  GpSamplerOptions options;
  options.timings = &timings;
  const auto sampler = make_gp_sampler(plane(), 3, cpu(), options);
  Told study(plane());
  for (int i = 0; i < 8; ++i) study.complete(study.ask(*sampler), i);
  EXPECT_EQ(timings.observations, 7u);
  EXPECT_TRUE(timings.refitted);
  EXPECT_GT(timings.fit, 0);
  EXPECT_GT(timings.candidates, 0);
  EXPECT_GT(timings.refinement, 0);
}

TEST(GpSampler, NeedsABackend) {
  EXPECT_THROW(make_gp_sampler(plane(), 1, nullptr), UsageError);
}

class FallBack : public ::testing::Test {
 protected:
  FallBack()
      : backend_(std::make_shared<FaultyBackend>(cpu())),
        sampler_(make_gp_sampler(plane(), 3, backend_)),
        study_(plane()) {
    for (int i = 0; i < 8; ++i) {
      const auto number = study_.ask(*sampler_);
      study_.complete(number, bowl(study_.history().trial(number).parameters));
    }
  }
  Suggestion propose() { return sampler_->propose(study_.history(), study_.next()); }

  std::shared_ptr<FaultyBackend> backend_;
  std::unique_ptr<Sampler> sampler_;
  Told study_;
};

TEST_F(FallBack, AFailedFitTakesAnEarlierTrialsHyperparameters) {
  backend_->fail_likelihood = true;
  const auto suggestion = propose();
  EXPECT_EQ(suggestion.proposal.sampler, "gp");
  EXPECT_THAT(suggestion.proposal.note,
              HasSubstr("the fit failed; an earlier trial's hyperparameters are used"));
  EXPECT_EQ(suggestion.proposal.model.at("hyperparameters"),
            study_.history().trial(7).proposal.model.at("hyperparameters"));
  EXPECT_NO_THROW(plane().validate(suggestion.parameters));
}

TEST_F(FallBack, ThenThePriorsMode) {
  backend_->fail_likelihood = true;
  Told fresh(plane());
  for (const auto& trial : study_.history().trials()) fresh.tell(trial.parameters, bowl(trial.parameters));
  const auto suggestion = sampler_->propose(fresh.history(), fresh.next());
  EXPECT_EQ(suggestion.proposal.sampler, "gp");
  EXPECT_THAT(suggestion.proposal.note, HasSubstr("the fit failed; the prior's hyperparameters are used"));
}

TEST_F(FallBack, ThenASobolPoint) {
  backend_->fail_likelihood = true;
  backend_->fail_prepare = 1'000'000;
  const auto suggestion = propose();
  EXPECT_EQ(suggestion.proposal.sampler, "sobol");
  EXPECT_THAT(suggestion.proposal.note, HasSubstr("a Sobol' point instead"));
  EXPECT_NO_THROW(plane().validate(suggestion.parameters));
}

TEST_F(FallBack, AndAfterwardsAllIsWellAgain) {
  backend_->fail_likelihood = true;
  const auto suggestion = propose();
  study_.complete(study_.add(suggestion.parameters, suggestion.proposal), bowl(suggestion.parameters));
  backend_->fail_likelihood = false;
  EXPECT_EQ(propose().proposal.note, "");
}

}  // namespace
}  // namespace krigon
