#include "core/history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

using ::testing::ElementsAre;

TrialRecord trial(std::int64_t number, TrialState state, std::int64_t ended_sequence = 0, double value = 0) {
  TrialRecord record;
  record.number = number;
  record.state = state;
  record.attempts = 1;
  record.ended_sequence = ended_sequence;
  if (state == TrialState::completed) record.metrics = {{"loss", value}};
  return record;
}

History history() {
  return History(Space({{"x", RealDomain{}}}), {"loss", Direction::maximize}, 9);
}

TEST(History, EndsAreInTheOrderOfTheirEvents) {
  auto h = history();
  h.apply({7,
           {},
           {trial(0, TrialState::completed, 7, 1), trial(1, TrialState::completed, 5, 2),
            trial(2, TrialState::running)},
           {},
           {}});
  EXPECT_THAT(h.ended(), ElementsAre(1, 0));
  EXPECT_THAT(h.pending(), ElementsAre(2));
  EXPECT_EQ(h.value(1), 2.0);
  EXPECT_EQ(h.loss(2.0), -2.0);
  h.apply({9, {}, {trial(2, TrialState::stopped, 9)}, {}, {}});
  EXPECT_THAT(h.ended(), ElementsAre(1, 0, 2));
  EXPECT_TRUE(h.pending().empty());
  EXPECT_EQ(h.sequence(), 9);
}

TEST(History, CancelledTrialsAreForgotten) {
  auto h = history();
  h.apply({2, {}, {trial(0, TrialState::cancelled, 2)}, {}, {}});
  EXPECT_TRUE(h.ended().empty());
  EXPECT_TRUE(h.pending().empty());
}

TEST(History, TheNewestAttemptsReportsCount) {
  auto h = history();
  h.apply({3,
           {},
           {trial(0, TrialState::running)},
           {{0, 1, 1, "loss", 0.5}, {0, 1, 2, "loss", 0.6}, {0, 1, 2, "other", 9}},
           {}});
  ASSERT_EQ(h.reports(0).size(), 2u);
  EXPECT_EQ(h.reports(0)[1].value, 0.6);
  auto retried = trial(0, TrialState::running);
  retried.attempts = 2;
  h.apply({5, {}, {retried}, {{0, 2, 1, "loss", 0.7}}, {}});
  ASSERT_EQ(h.reports(0).size(), 1u);
  EXPECT_EQ(h.reports(0)[0].value, 0.7);
  EXPECT_TRUE(h.reports(5).empty());
  // Late words of an attempt that is over.
  h.apply({6, {}, {}, {{0, 1, 3, "loss", 0.8}}, {}});
  EXPECT_EQ(h.reports(0).size(), 1u);
}

TEST(History, AnAttemptThatGoesOnFromACheckpointKeepsWhatWasBefore) {
  auto h = history();
  h.apply({3,
           {},
           {trial(0, TrialState::paused)},
           {{0, 1, 1, "loss", 0.5}, {0, 1, 2, "loss", 0.6}, {0, 1, 3, "loss", 0.7}},
           {}});
  EXPECT_THAT(h.pending(), ElementsAre(0));
  auto resumed = trial(0, TrialState::running);
  resumed.attempts = 2;
  h.apply({5, {}, {resumed}, {{0, 2, 3, "loss", 0.9}}, {}});
  ASSERT_EQ(h.reports(0).size(), 3u);
  EXPECT_EQ(h.reports(0)[1].value, 0.6);
  EXPECT_EQ(h.reports(0)[2].value, 0.9);
}

/// A history as one process has it that followed the study, and as one that comes to it later.
TEST(History, AWindowIsTheSameHoweverItWasReached) {
  const History::Window window{10, 3};
  const Space space({{"x", RealDomain{}}});
  const Objective objective{"loss", Direction::maximize};
  std::vector<TrialRecord> rows;
  History followed(space, objective, 9, window);
  std::int64_t sequence = 0;
  const auto fresh = [&] {
    History h(space, objective, 9, window);
    const auto first = h.first_of(static_cast<std::int64_t>(rows.size()));
    Delta delta;
    delta.sequence = sequence;
    delta.head.next_trial = static_cast<std::int64_t>(rows.size());
    std::vector<std::pair<double, std::int64_t>> best;
    for (const auto& row : rows) {
      if (row.number < first && row.state == TrialState::completed)
        best.emplace_back(-row.metrics.at("loss"), row.number);
    }
    std::sort(best.begin(), best.end());
    if (best.size() > 3) best.resize(3);
    for (const auto& row : rows) {
      const bool good =
          std::any_of(best.begin(), best.end(), [&](const auto& b) { return b.second == row.number; });
      if (row.number >= first || !ended(row.state) || good) delta.trials.push_back(row);
    }
    h.reset(delta);
    return h;
  };
  const auto put = [&](TrialRecord row) {
    const auto number = row.number;
    if (number == static_cast<std::int64_t>(rows.size())) rows.emplace_back();
    rows.at(static_cast<std::size_t>(number)) = row;
    Delta delta;
    delta.sequence = ++sequence;
    delta.head.next_trial = static_cast<std::int64_t>(rows.size());
    delta.trials = {std::move(row)};
    followed.apply(delta);
    if (followed.first() != followed.first_of(delta.head.next_trial)) followed = fresh();
  };
  int windows = 0;
  for (std::int64_t i = 0; i < 120; ++i) {
    const auto before = followed.first();
    put(trial(i, TrialState::running));
    windows += followed.first() != before;
    // Every seventh is told long after, when the window has left it behind.
    const auto late = i - 45;
    if (i % 7 != 3)
      put(trial(i, i % 5 == 1 ? TrialState::failed : TrialState::completed, sequence + 1,
                static_cast<double>((i * 37) % 101)));
    if (late >= 0 && late % 7 == 3) {
      put(trial(late, late % 2 == 0 ? TrialState::stopped : TrialState::completed, sequence + 1,
                static_cast<double>((late * 53) % 103)));
    }
    const History other = fresh();
    ASSERT_EQ(other.first(), followed.first());
    ASSERT_EQ(other.pending(), followed.pending()) << i;
    ASSERT_EQ(std::vector(other.ended().begin(), other.ended().end()),
              std::vector(followed.ended().begin(), followed.ended().end()))
        << i;
    ASSERT_EQ(other.trials().size(), followed.trials().size());
    for (const auto number : other.ended())
      ASSERT_EQ(other.trial(number).state, followed.trial(number).state);
  }
  EXPECT_GT(windows, 5);
  EXPECT_LE(followed.older().size(), 3u + followed.pending().size());
}

TEST(History, AGapInTheTrialsIsAnError) {
  auto h = history();
  EXPECT_THROW(h.apply({1, {}, {trial(1, TrialState::running)}, {}, {}}), StorageError);
}

}  // namespace
}  // namespace krigon
