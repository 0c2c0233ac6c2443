#include "manager/manager.hpp"

#include <atomic>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "krigon/error.hpp"
#include "storage/storage.hpp"
#include "tests/support/temporary_folder.hpp"

namespace krigon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Proposes a number that depends on all it saw, so that a proposal from an older state shows.
class EchoSampler final : public Sampler {
 public:
  explicit EchoSampler(std::int64_t points = INT64_MAX) : points_(points) {}
  std::string_view name() const override { return "echo"; }
  Suggestion propose(const History& history, std::int64_t number) override {
    ++asked;
    Suggestion s;
    s.exhausted = number >= points_;
    s.proposal.sampler = "echo";
    double sum = 0;
    for (const auto n : history.ended()) {
      if (history.trial(n).state == TrialState::completed) sum += history.value(n);
    }
    s.parameters = {{"x", Random(static_cast<std::uint64_t>(sum * 1e6), static_cast<std::uint64_t>(number),
                                 Purpose::random_sampler)
                              .uniform()}};
    return s;
  }
  std::string describe(const Space&) const override { return "echoes"; }
  static inline std::atomic<int> asked = 0;

 private:
  std::int64_t points_;
};

/// Stops whatever reports a loss above its limit.
class LimitScheduler final : public Scheduler {
 public:
  std::string_view name() const override { return "limit"; }
  void observe_parameters(std::int64_t trial, const Parameters& point) override { parameters[trial] = point; }
  void observe(std::int64_t trial, std::int64_t, std::int64_t step, double loss) override {
    seen.emplace_back(trial, step);
    last_[trial] = loss;
  }
  void observe_completed(std::int64_t trial, double) override {
    EXPECT_TRUE(parameters.contains(trial)) << "parameters come first";
    completed.push_back(trial);
  }
  Judgement judge(std::int64_t trial) override {
    EXPECT_TRUE(parameters.contains(trial)) << "parameters come first";
    if (last_[trial] <= 0.5) return {Verdict::go_on, {{"loss", last_[trial]}}, ""};
    return {Verdict::stop, {{"loss", last_[trial]}}, "above the limit"};
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> seen;
  std::vector<std::int64_t> completed;
  std::map<std::int64_t, Parameters> parameters;

 private:
  std::map<std::int64_t, double> last_;
};

StudySpec spec(Direction direction = Direction::minimize) {
  StudySpec s;
  s.name = "s";
  s.objectives = {{"loss", direction}};
  s.space = Space({{"x", RealDomain{0, 1}}});
  s.seed = 7;
  return s;
}

struct Fixture {
  explicit Fixture(std::shared_ptr<Storage> store = open_storage("memory:"), std::int64_t points = INT64_MAX,
                   Direction direction = Direction::minimize)
      : storage(std::move(store)) {
    auto study = storage->find_study("s");
    if (!study) study = storage->create_study(spec(direction), nullptr);
    auto limit = std::make_unique<LimitScheduler>();
    scheduler = limit.get();
    manager = std::make_unique<StudyManager>(storage, *study, std::make_unique<EchoSampler>(points),
                                             std::move(limit));
  }
  Asked ask(const std::string& key = "") { return *manager->ask({"w", "h", 0}, key); }
  void tell(const Asked& a, double value) {
    manager->apply(CompleteTrial{a.trial.number, a.attempt.fence, {{"loss", value}}, {}});
  }
  std::shared_ptr<Storage> storage;
  LimitScheduler* scheduler = nullptr;
  std::unique_ptr<StudyManager> manager;
};

TEST(Manager, ProposalsRecordWhatTheySaw) {
  Fixture f;
  const auto a = f.ask(), b = f.ask();
  f.tell(a, 0.25);
  const auto c = f.ask();
  EXPECT_TRUE(a.trial.proposal.pending.empty());
  EXPECT_THAT(b.trial.proposal.pending, ElementsAre(0));
  EXPECT_THAT(c.trial.proposal.pending, ElementsAre(1));
  EXPECT_EQ(a.trial.proposal.saw_sequence, 0);
  EXPECT_EQ(c.trial.proposal.saw_sequence, 3);
  EXPECT_EQ(c.trial.proposal.sampler, "echo");
}

TEST(Manager, OfVeryManyTrialsTheNewestAndTheOpenOnesAreJudgedBy) {
  constexpr std::int64_t kTrials = 80'000, kWindow = 50'000;
  Fixture f;
  const auto begin = [&] {
    CreateTrial create;
    create.parameters = {{"x", 0.5}};
    create.worker = "w";
    create.proposal.saw_sequence = f.storage->head(1).sequence;
    return f.storage->apply(1, create).attempt->fence;
  };
  const auto end = [&](std::int64_t trial, std::int64_t fence) {
    f.storage->apply(1, CompleteTrial{trial, fence, {{"loss", 0.1}}, {}});
  };
  const auto report = [&](std::int64_t trial, std::int64_t fence, std::int64_t step) {
    f.storage->apply(1, ReportStep{trial, fence, step, {{"loss", 0.1}, {"accuracy", 0.9}}});
  };
  const auto oldest = begin();
  report(0, oldest, 1);
  for (std::int64_t i = 1; i < kTrials; ++i) {
    const auto fence = begin();
    if (i == 10 || i == 60'000) report(i, fence, 1);
    if (i == 60'000) report(0, oldest, 2);
    end(i, fence);
  }
  EXPECT_EQ(f.manager->report(0, oldest, 3, {{"loss", 0.2}}).verdict, Verdict::go_on);
  EXPECT_THAT(f.scheduler->seen,
              ElementsAre(std::pair(0, 1), std::pair(0, 2), std::pair(0, 3), std::pair(60'000, 1)));
  const auto [first, last] =
      std::minmax_element(f.scheduler->completed.begin(), f.scheduler->completed.end());
  EXPECT_LE(*first, kWindow);
  EXPECT_GE(*first, kWindow - 1);
  EXPECT_EQ(*last, kTrials - 1);
}

TEST(Manager, ANewManagerGoesOnExactlyWhereTheOldOneWas) {
  Fixture whole;
  std::vector<double> expected;
  for (int i = 0; i < 12; ++i) {
    const auto a = whole.ask();
    expected.push_back(std::get<double>(a.trial.parameters.at("x")));
    whole.tell(a, expected.back() / 2);
  }
  auto storage = open_storage("memory:");
  std::vector<double> resumed;
  for (int i = 0; i < 12; ++i) {
    Fixture f(storage);  // a fresh one each time
    const auto a = f.ask();
    resumed.push_back(std::get<double>(a.trial.parameters.at("x")));
    f.tell(a, resumed.back() / 2);
  }
  EXPECT_EQ(resumed, expected);
}

TEST(Manager, SeedsAreSmallAndTheTrialsOwn) {
  Fixture f;
  std::set<std::uint64_t> seeds;
  for (int i = 0; i < 20; ++i) seeds.insert(f.ask().seed);
  EXPECT_EQ(seeds.size(), 20u);
  EXPECT_LT(*seeds.rbegin(), std::uint64_t{1} << 31);
  Fixture again;
  EXPECT_TRUE(seeds.contains(again.ask().seed));
}

TEST(Manager, AKeyGivesTheSameTrialWithoutAskingTheSampler) {
  Fixture f;
  const auto first = f.ask("k");
  const int before = EchoSampler::asked;
  const auto again = f.ask("k");
  EXPECT_EQ(EchoSampler::asked, before);
  EXPECT_TRUE(again.repeated);
  EXPECT_FALSE(first.repeated);
  EXPECT_EQ(again.trial.number, first.trial.number);
}

class ManagerOverStores : public ::testing::TestWithParam<bool> {
 protected:
  std::shared_ptr<Storage> store() {
    return open_storage(GetParam() ? "sqlite://" + (folder_.path() / "krigon.db").string() : "memory:");
  }
  TemporaryFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Stores, ManagerOverStores, ::testing::Bool());

TEST_P(ManagerOverStores, EnqueuedPointsComeFirstAndAreCompleted) {
  Fixture f(store());
  f.manager->propose();
  const auto mine = f.manager->enqueue({{"x", std::int64_t{1}}});
  EXPECT_EQ(mine.state, TrialState::queued);
  const auto asked = f.ask("key");
  EXPECT_EQ(asked.trial.number, mine.number);
  EXPECT_EQ(asked.trial.proposal.sampler, "enqueued");
  EXPECT_TRUE(same_value(asked.trial.parameters.at("x"), 1.0));
  EXPECT_EQ(f.ask("key").trial.number, mine.number);
  EXPECT_EQ(f.ask().trial.number, 0) << "the queued proposal is next";
  EXPECT_THROW(f.manager->enqueue({{"x", 3.0}}), SpaceError);
}

TEST(Manager, AnExhaustedSamplerEndsTheAsking) {
  Fixture f(open_storage("memory:"), 2);
  f.ask();
  f.ask();
  EXPECT_FALSE(f.manager->ask({"w", "h", 0}));
  EXPECT_FALSE(f.manager->propose());
}

TEST(Manager, VerdictsAreRecordedAndStick) {
  Fixture f;
  const auto a = f.ask();
  const auto report = [&](std::int64_t step, double loss) {
    return f.manager->report(0, a.attempt.fence, step, {{"loss", loss}}).verdict;
  };
  EXPECT_EQ(report(1, 0.4), Verdict::go_on);
  EXPECT_FALSE(f.manager->should_stop(0));
  EXPECT_EQ(report(2, 0.6), Verdict::stop);
  EXPECT_TRUE(f.manager->should_stop(0));
  EXPECT_EQ(report(3, 0.1), Verdict::stop) << "once told to stop, told so again";
  const auto decisions = f.storage->decisions(f.manager->study().id, 0);
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions[1].verdict, "stop");
  EXPECT_EQ(decisions[1].step, 2);
  EXPECT_EQ(decisions[1].basis.at("loss"), 0.6);

  Fixture resumed(f.storage);
  EXPECT_TRUE(resumed.manager->should_stop(0)) << "a new manager knows the verdict from the store";
  EXPECT_THAT(resumed.scheduler->seen, ElementsAre(std::pair{0, 1}, std::pair{0, 2}, std::pair{0, 3}));
}

TEST(Manager, TheSchedulerSeesLossesWhateverTheDirection) {
  Fixture f(open_storage("memory:"), INT64_MAX, Direction::maximize);
  const auto a = f.ask();
  EXPECT_EQ(f.manager->report(0, a.attempt.fence, 1, {{"loss", 100.0}}).verdict, Verdict::go_on);
  EXPECT_EQ(f.manager->report(0, a.attempt.fence, 2, {{"loss", -100.0}}).verdict, Verdict::stop);
}

TEST(Manager, OtherMetricsAreKeptButNotJudged) {
  Fixture f;
  const auto a = f.ask();
  EXPECT_EQ(f.manager->report(0, a.attempt.fence, 1, {{"memory", 1e9}}).verdict, Verdict::go_on);
  EXPECT_TRUE(f.scheduler->seen.empty());
  EXPECT_EQ(f.storage->reports(f.manager->study().id, 0).size(), 1u);
}

TEST(Manager, CompletedTrialsAreShownToTheSchedulerOnce) {
  Fixture f;
  for (int i = 0; i < 3; ++i) f.tell(f.ask(), 0.1 * i);
  f.manager->should_stop(0);
  f.manager->should_stop(1);
  EXPECT_THAT(f.scheduler->completed, ElementsAre(0, 1, 2));
  EXPECT_EQ(f.manager->best()->number, 0);
}

TEST(Manager, ManyThreadsAndTwoManagersNeverProposeFromAnOldState) {
  const auto storage = open_storage("memory:");
  Fixture one(storage), two(storage);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Fixture& f = t % 2 == 0 ? one : two;
      for (int i = 0; i < 25; ++i) {
        const auto a = f.ask();
        f.manager->report(a.trial.number, a.attempt.fence, 1, {{"loss", 0.1}});
        f.tell(a, 0.2);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto trials = storage->trials(one.manager->study().id, {});
  ASSERT_EQ(trials.size(), 200u);
  for (const auto& t : trials) {
    // Every trial before it had ended or was known to be pending: none was overlooked.
    std::size_t ended_by_then = 0;
    for (const auto& other : trials) {
      ended_by_then += other.ended_sequence != 0 && other.ended_sequence <= t.proposal.saw_sequence;
    }
    EXPECT_EQ(ended_by_then + t.proposal.pending.size(), static_cast<std::size_t>(t.number));
  }
}

}  // namespace
}  // namespace krigon
