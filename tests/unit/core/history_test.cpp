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
  h.apply({4, {}, {retried}, {}, {}});
  EXPECT_TRUE(h.reports(0).empty());
  h.apply({5, {}, {retried}, {{0, 2, 1, "loss", 0.7}}, {}});
  ASSERT_EQ(h.reports(0).size(), 1u);
  EXPECT_EQ(h.reports(0)[0].value, 0.7);
  EXPECT_TRUE(h.reports(5).empty());
}

TEST(History, AGapInTheTrialsIsAnError) {
  auto h = history();
  EXPECT_THROW(h.apply({1, {}, {trial(1, TrialState::running)}, {}, {}}), StorageError);
}

}  // namespace
}  // namespace krigon
