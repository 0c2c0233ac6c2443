// One Storage shared by threads, and several openings of one store.
#include <set>
#include <thread>

#include "fixture.hpp"

namespace krigon::testing {
namespace {

class Threads : public StorageTest {
 protected:
  /// Runs body(0..count-1) at once.
  template <class Body>
  void together(int count, Body body) {
    std::vector<std::thread> threads;
    std::atomic<int> ready{0};
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        ++ready;
        while (ready < count) std::this_thread::yield();
        body(i);
      });
    }
    for (auto& t : threads) t.join();
  }
};
INSTANTIATE_TEST_SUITE_P(Storage, Threads, ::testing::ValuesIn(implementations()), implementation_name);

TEST_P(Threads, NumbersAndSequencesStayDense) {
  constexpr int kThreads = 8, kEach = 15;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    // Whole transactions only: counts, trials and events always agree.
    std::int64_t sequence = 0;
    while (!done) {
      const auto delta = storage->changes_since(study, 0);
      EXPECT_GE(delta.sequence, sequence);
      sequence = delta.sequence;
      std::int64_t completed = 0, running = 0;
      for (const auto& t : delta.trials) {
        completed += t.state == TrialState::completed;
        running += t.state == TrialState::running;
      }
      EXPECT_EQ(delta.head.completed, completed);
      EXPECT_EQ(delta.head.running, running);
      EXPECT_EQ(delta.head.next_trial, static_cast<std::int64_t>(delta.trials.size()));
    }
  });
  together(kThreads, [&](int thread) {
    for (int i = 0; i < kEach; ++i) {
      const auto asked = apply(running_trial(thread * kEach + i));
      const auto number = asked.trial->number;
      apply(ReportStep{number, fence(asked), 1, {{"loss", 1.0}}});
      apply(CompleteTrial{number, fence(asked), {{"loss", 0.5 + thread}}, 0});
    }
  });
  done = true;
  reader.join();
  const auto head = storage->head(study);
  EXPECT_EQ(head.next_trial, kThreads * kEach);
  EXPECT_EQ(head.completed, kThreads * kEach);
  EXPECT_EQ(head.sequence, 3 * kThreads * kEach);
  EXPECT_EQ(head.fence, kThreads * kEach);
  EXPECT_EQ(head.best_value, 0.5);
  const auto events = storage->events(study, 0, INT64_MAX);
  ASSERT_EQ(static_cast<std::int64_t>(events.size()), head.sequence);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence, static_cast<std::int64_t>(i + 1));
  }
}

TEST_P(Threads, AQueuedTrialIsLeasedOnce) {
  constexpr int kThreads = 4, kTrials = 25;
  for (int i = 0; i < kTrials; ++i) apply(queued_trial(i));
  std::array<std::set<std::int64_t>, kThreads> won;
  std::atomic<int> refused{0};
  together(kThreads, [&](int thread) {
    for (std::int64_t number = 0; number < kTrials; ++number) {
      try {
        apply(LeaseTrial{number, "worker-" + std::to_string(thread), "h", kSecond, nullptr});
        won[static_cast<std::size_t>(thread)].insert(number);
      } catch (const ConflictError&) {
        ++refused;
      }
    }
  });
  std::size_t total = 0;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    total += won[thread].size();
    for (const auto number : won[thread]) {
      const auto attempts = storage->attempts(study, number);
      ASSERT_EQ(attempts.size(), 1u);
      EXPECT_EQ(attempts[0].worker, "worker-" + std::to_string(thread));
    }
  }
  EXPECT_EQ(total, static_cast<std::size_t>(kTrials));
  EXPECT_EQ(refused, (kThreads - 1) * kTrials);
}

TEST_P(Threads, OneKeyMakesOneTrial) {
  std::array<std::int64_t, 8> numbers{};
  together(8, [&](int thread) {
    auto create = running_trial(thread);
    create.key = "the key";
    numbers[static_cast<std::size_t>(thread)] = apply(create).trial->number;
  });
  EXPECT_THAT(numbers, ::testing::Each(0));
  EXPECT_EQ(storage->head(study).next_trial, 1);
}

TEST_P(Threads, ExactlyOneOfTwoDifferentTellsWins) {
  for (int i = 0; i < 20; ++i) {
    const auto asked = apply(running_trial(i));
    std::atomic<int> told{0}, refused{0};
    together(2, [&](int thread) {
      try {
        apply(CompleteTrial{i, fence(asked), {{"loss", 1.0 + thread}}, 0});
        ++told;
      } catch (const ConflictError&) {
        ++refused;
      }
    });
    EXPECT_EQ(told, 1);
    EXPECT_EQ(refused, 1);
  }
}

TEST_P(Threads, OpeningsOfOneStoreTakeTurns) {
  if (!GetParam().durable) GTEST_SKIP() << "each opening is a store of its own";
  constexpr int kThreads = 6, kEach = 15;
  together(kThreads, [&](int thread) {
    const auto own = open_again();
    for (int i = 0; i < kEach; ++i) {
      const auto asked = own->apply(study, running_trial(thread * kEach + i));
      own->apply(study, CompleteTrial{asked.trial->number, asked.attempt->fence, {{"loss", 1.0}}, 0});
    }
  });
  EXPECT_EQ(storage->head(study).completed, kThreads * kEach);
  EXPECT_EQ(storage->head(study).sequence, 2 * kThreads * kEach);
}

TEST_P(Threads, StudiesOfOneNameAreMadeOnce) {
  std::atomic<int> made{0}, refused{0};
  together(6, [&](int) {
    try {
      storage->create_study(small_spec("wanted by all"), nullptr);
      ++made;
    } catch (const ConflictError&) {
      ++refused;
    }
  });
  EXPECT_EQ(made, 1);
  EXPECT_EQ(refused, 5);
}

}  // namespace
}  // namespace krigon::testing
