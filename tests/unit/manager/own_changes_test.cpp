// What a manager remembers of its own changes is what it would have read.
#include "manager/own_changes.hpp"

#include <random>

#include <gtest/gtest.h>

#include "storage/storage.hpp"

namespace krigon {
namespace {

StudySpec small_spec() {
  StudySpec spec;
  spec.name = "s";
  spec.objectives = {{"loss", Direction::minimize}};
  spec.space = Space({{"x", RealDomain{0, 1, Scale::linear, {}}, {}}});
  return spec;
}

void expect_same(const Delta& own, const Delta& read) {
  EXPECT_EQ(own.sequence, read.sequence);
  EXPECT_EQ(own.head.next_trial, read.head.next_trial);
  EXPECT_EQ(own.head.running, read.head.running);
  EXPECT_TRUE(read.reports.empty());
  EXPECT_TRUE(read.decisions.empty());
  ASSERT_EQ(own.trials.size(), read.trials.size());
  for (std::size_t i = 0; i < own.trials.size(); ++i) {
    const TrialRecord &a = own.trials[i], &b = read.trials[i];
    EXPECT_EQ(a.number, b.number);
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.parameters, b.parameters);
    EXPECT_EQ(a.metrics, b.metrics);
    EXPECT_EQ(a.attempts, b.attempts);
    EXPECT_EQ(a.ended_sequence, b.ended_sequence);
    EXPECT_EQ(a.started, b.started);
    EXPECT_EQ(a.ended_at, b.ended_at);
  }
}

TEST(OwnChanges, AreWhatWouldHaveBeenReadOrNothing) {
  const auto store = open_storage("memory:");
  const auto study = store->create_study(small_spec(), nullptr).id;
  OwnChanges own;
  std::minstd_rand random(7);
  std::vector<std::pair<std::int64_t, std::int64_t>> running;  // number, fence
  std::int64_t seen = 0;
  bool read_needed = false;  // another's event, or a report, since `seen`
  int kept = 0, read = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto chance = random() % 100;
    const bool others = random() % 20 == 0;
    Command command = CreateTrial{};
    if (running.empty() || chance < 30) {
      CreateTrial create;
      create.parameters = {{"x", static_cast<double>(random() % 1000) / 1000}};
      if (chance % 3 != 0) create.worker = "w";
      command = create;
    } else if (chance < 40) {
      command = LeaseNext{"w", "h", kSecond, nullptr, "", false};
    } else if (chance < 45) {
      command = RenewLease{running.back().first, running.back().second, kSecond};
    } else if (chance < 47) {
      command = TakeSuggester{"w", kSecond, "", 0};
    } else if (chance < 51) {
      command = ReportStep{running.back().first, running.back().second, i + 1, {{"loss", 0.5}}};
    } else if (chance < 55) {
      command =
          FailAttempt{running.back().first, running.back().second, Outcome::failed, "", 1, {}, "", false, 0};
    } else {
      command = CompleteTrial{running.back().first, running.back().second, {{"loss", 1.0 / (i + 1)}}, 0};
    }
    const auto before = store->head(study).sequence;
    const Applied applied = store->apply(study, command);
    if (!others) own.add(command, applied);
    if (applied.sequence > before && (others || std::holds_alternative<ReportStep>(command)))
      read_needed = true;
    if (applied.trial && ended(applied.trial->state)) {
      std::erase_if(running, [&](const auto& each) { return each.first == applied.trial->number; });
    } else if (applied.trial && applied.attempt && !std::holds_alternative<RenewLease>(command) &&
               !std::holds_alternative<ReportStep>(command)) {
      running.emplace_back(applied.trial->number, applied.attempt->fence);
    }
    if (random() % 4 != 0) continue;
    const StudyHead head = store->head(study);
    const auto delta = own.since(seen, head);
    EXPECT_EQ(delta.has_value(), !read_needed) << "after " << i;
    if (delta) {
      ++kept;
      expect_same(*delta, store->changes_since(study, seen));
    } else {
      ++read;
    }
    seen = head.sequence;
    read_needed = false;
  }
  EXPECT_GT(kept, 100);
  EXPECT_GT(read, 50);
}

TEST(OwnChanges, ThatAreManyAreReadInstead) {
  const auto store = open_storage("memory:");
  const auto study = store->create_study(small_spec(), nullptr).id;
  OwnChanges own;
  for (int i = 0; i < 1000; ++i) {
    CreateTrial create;
    create.parameters = {{"x", 0.5}};
    own.add(create, store->apply(study, create));
  }
  const StudyHead head = store->head(study);
  EXPECT_FALSE(own.since(0, head));
  EXPECT_TRUE(own.since(990, head));
}

}  // namespace
}  // namespace krigon
