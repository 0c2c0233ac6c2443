#include <atomic>
#include <cmath>
#include <set>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/krigon.hpp"
#include "tests/support/temporary_folder.hpp"

namespace krigon {
namespace {

using ::testing::HasSubstr;

Space square() {
  return Space({{"x", RealDomain{-5, 5}},
                {"n", IntegerDomain{1, 4}},
                {"kind", CategoricalDomain{{std::string("a"), std::string("b")}}}});
}

double bowl(const Trial& t) {
  return std::pow(t.real("x") - 2, 2) + std::abs(t.real("n") - 3) + (t.text("kind") == "b" ? 0 : 1);
}

template <class E>
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "no error";
}

TEST(Study, ADozenLinesFindTheBowlsFloor) {
  Study study(square(), {.name = "bowl", .seed = 1});
  EXPECT_EQ(study.optimize([](Trial& t) { return bowl(t); }, {.trials = 40}), 40);
  const auto best = study.best();
  ASSERT_TRUE(best);
  EXPECT_LT(best->metrics.at("value"), 0.05);
  EXPECT_EQ(std::get<std::int64_t>(best->parameters.at("n")), 3);
  EXPECT_EQ(to_string(best->parameters.at("kind")), "b");
  EXPECT_EQ(study.trials().size(), 40u);
}

TEST(Study, TrialsIsTheTotalOverAllCalls) {
  Study study(square(), {.sampler = "sobol"});
  EXPECT_EQ(study.optimize(bowl, {.trials = 5}), 5);
  EXPECT_EQ(study.optimize(bowl, {.trials = 8}), 3);
  EXPECT_EQ(study.optimize(bowl, {.trials = 8}), 0);
}

TEST(Study, ParallelCallsRunAtOnceAndLoseNothing) {
  Study study(square(), {.sampler = "sobol"});
  std::atomic<int> now = 0, most = 0;
  study.optimize(
      [&](Trial& t) {
        const int running = ++now;
        for (int seen = most; running > seen && !most.compare_exchange_weak(seen, running);) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        t.report(1, bowl(t));
        --now;
        return bowl(t);
      },
      {.trials = 64, .parallel = 8});
  EXPECT_GT(most, 1);
  EXPECT_LE(most, 8);
  std::set<std::int64_t> numbers;
  for (const auto& t : study.trials()) {
    EXPECT_EQ(t.state, TrialState::completed);
    EXPECT_EQ(t.step, 1);
    numbers.insert(t.number);
  }
  EXPECT_EQ(numbers.size(), 64u);
}

TEST(Study, WhatTheObjectiveThrowsFailsTheTrialAndNotTheStudy) {
  Study study(square(), {.sampler = "random"});
  int call = 0;
  study.optimize(
      [&](Trial&) -> double {
        switch (call++) {
          case 0:
            throw std::runtime_error("no memory");
          case 1:
            throw 7;
          case 2:
            return NAN;
          default:
            return 1.5;
        }
      },
      {.trials = 4});
  const auto trials = study.trials();
  EXPECT_EQ(trials[0].state, TrialState::failed);
  EXPECT_EQ(trials[0].reason, "no memory");
  EXPECT_EQ(trials[1].state, TrialState::failed);
  EXPECT_THAT(trials[2].reason, HasSubstr("returned nan"));
  EXPECT_EQ(trials[3].state, TrialState::completed);
  EXPECT_EQ(study.best()->number, 3);
}

TEST(Study, BadTrialsAreStoppedEarly) {
  Study study(square(), {.objective = {"accuracy", Direction::maximize},
                         .sampler = "random",
                         .early_stopping = {.type = "asha", .max_steps = 9, .reduction = 3}});
  std::atomic<int> steps = 0;
  study.optimize(
      [&](Trial& t) {
        for (int step = 1; step <= 9; ++step) {
          ++steps;
          if (t.report(step, -bowl(t) + step)) break;
        }
        return -bowl(t) + 9;
      },
      {.trials = 30});
  int stopped = 0;
  for (const auto& t : study.trials()) {
    stopped += t.state == TrialState::stopped;
    if (t.state == TrialState::stopped) {
      EXPECT_LT(t.step, 9);
      EXPECT_EQ(t.metrics.count("accuracy"), 1u) << "what it reached is shown";
    }
  }
  EXPECT_GT(stopped, 10);
  EXPECT_LT(steps, 30 * 9 / 2);
}

TEST(Study, NoTrialIsLeftPausedAtTheEnd) {
  Study study(square(), {.sampler = "random", .early_stopping = {.type = "hyperband", .max_steps = 9}});
  const auto objective = [&](Trial& t) {
    for (int step = 1; step <= 9; ++step) {
      if (t.report(step, bowl(t))) break;
    }
    return bowl(t);
  };
  study.optimize(objective, {.trials = 6});
  std::size_t ended = 0;
  for (const auto& t : study.trials()) {
    EXPECT_NE(t.state, TrialState::paused) << t.number;
    ended += t.state == TrialState::completed || t.state == TrialState::stopped ? 1 : 0;
  }
  EXPECT_EQ(ended, study.trials().size());
  EXPECT_GT(ended, 6u) << "some were paused when the sixth ended";
}

TEST(Study, AskAndTellFromTheOutside) {
  Study study(square(), {.objective = {"loss"}, .sampler = "sobol"});
  const Trial first = study.ask("client-1");
  EXPECT_EQ(study.ask("client-1").number(), first.number());
  EXPECT_NE(study.ask().number(), first.number());
  EXPECT_FALSE(study.report(first.number(), 1, {{"loss", 2.0}}));
  study.tell(first.number(), 0.5);
  study.tell(first.number(), 0.5);
  EXPECT_THAT(error_of<ConflictError>([&] { study.tell(first.number(), 0.6); }),
              HasSubstr("the first stands"));
  EXPECT_THAT(error_of<NotFoundError>([&] { study.tell(99, 0.5); }), HasSubstr("there is no trial 99"));
  study.tell_failed(1, "diverged");
  EXPECT_EQ(study.trials()[1].reason, "diverged");
  EXPECT_LT(first.seed(), std::uint64_t{1} << 31);
}

TEST(Study, ParametersAreReadByTheirTypes) {
  Study study(Space({{"x", RealDomain{0, 1}},
                     {"n", IntegerDomain{1, 2}},
                     {"k", CategoricalDomain{{std::string("u")}}}}),
              {.sampler = "random"});
  const Trial t = study.ask();
  EXPECT_GE(t.real("x"), 0);
  EXPECT_EQ(t.real("n"), static_cast<double>(t.integer("n")));
  EXPECT_EQ(t.text("k"), "u");
  EXPECT_FALSE(t.has("y"));
  EXPECT_THAT(error_of<UsageError>([&] { t.real("y"); }), HasSubstr("no active parameter \"y\""));
  EXPECT_THAT(error_of<UsageError>([&] { t.real("k"); }), HasSubstr("is the text \"u\""));
  EXPECT_THAT(error_of<UsageError>([&] { t.integer("x"); }), HasSubstr("not an integer"));
}

TEST(Study, EnqueuedPointsAreTriedFirst) {
  Study study(square(), {.sampler = "random"});
  const auto number = study.enqueue({{"x", 2.0}, {"n", std::int64_t{3}}, {"kind", std::string("b")}});
  study.optimize(bowl, {.trials = 1});
  EXPECT_EQ(study.best()->number, number);
  EXPECT_EQ(study.best()->metrics.at("value"), 0);
  EXPECT_THROW(study.enqueue({{"x", 9.0}}), SpaceError);
}

TEST(Study, AStoredStudyGoesOnWhereItWas) {
  TemporaryFolder folder;
  const auto url = "sqlite://" + (folder.path() / "store.db").string();
  const auto options = [&](const std::string& storage) {
    return StudyOptions{.name = "s", .storage = storage, .seed = 5};
  };
  Study whole(square(), options("memory:"));
  whole.optimize(bowl, {.trials = 25});
  for (int trials = 5; trials <= 25; trials += 5) {
    Study part(square(), options(url));
    part.optimize(bowl, {.trials = trials});
  }
  const auto a = whole.trials(), b = Study(square(), options(url)).trials();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(same_value(a[i].parameters.at("x"), b[i].parameters.at("x"))) << i;
  }
  EXPECT_THAT(error_of<UsageError>([&] {
                Study(Space({{"y", RealDomain{0, 1}}}), options(url));
              }),
              HasSubstr("has another space"));
}

TEST(Study, TimeEndsIt) {
  Study study(square(), {.sampler = "random"});
  const auto ended = study.optimize(
      [](Trial& t) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return bowl(t);
      },
      {.trials = 1'000'000, .seconds = 0.1});
  EXPECT_GE(ended, 1);
  EXPECT_LE(ended, 6);
}

TEST(Study, AnExhaustedGridEndsIt) {
  Study study(Space({{"n", IntegerDomain{1, 5}}}), {.sampler = "grid"});
  EXPECT_EQ(study.optimize([](Trial& t) { return t.real("n"); }, {.trials = 100}), 5);
  EXPECT_THAT(error_of<UsageError>([&] { study.ask(); }), HasSubstr("exhausted"));
}

TEST(Study, WrongOptionsAreNamed) {
  EXPECT_THAT(error_of<UsageError>([&] { Study(square(), {.sampler = "gpp"}); }),
              HasSubstr("unknown sampler \"gpp\""));
  EXPECT_THAT(error_of<UsageError>([&] { Study(square(), {.storage = "redis://x"}); }), HasSubstr("redis"));
  Study study(square(), {});
  EXPECT_THAT(error_of<UsageError>([&] { study.optimize(bowl, {.parallel = 0}); }),
              HasSubstr("parallel is 0"));
}

}  // namespace
}  // namespace krigon
