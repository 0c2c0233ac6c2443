#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.hpp"
#include "storage/storage.hpp"
#include "tests/unit/worker/fakes.hpp"
#include "worker/run_loop.hpp"

namespace krigon {
namespace {

TEST(WorkerName, TellsTheLivingFromTheDead) {
  EXPECT_EQ(worker_alive(local_worker_name()), true);
  int channel[2];
  ASSERT_EQ(::pipe(channel), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string name = local_worker_name();
    [[maybe_unused]] const auto n = ::write(channel[1], name.data(), name.size());
    ::_exit(0);
  }
  char name[300] = {};
  ASSERT_GT(::read(channel[0], name, sizeof(name) - 1), 0);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(worker_alive(name), false);
}

TEST(WorkerName, ANumberUsedAgainIsAnotherProcess) {
  EXPECT_EQ(worker_alive(dead_worker_name()), false);
}

TEST(WorkerName, OtherHostsAndClientsAreNotForUsToSay) {
  EXPECT_EQ(worker_alive("some-other-host:1:1"), std::nullopt);
  EXPECT_EQ(worker_alive("client"), std::nullopt);
  EXPECT_EQ(worker_alive(""), std::nullopt);
  EXPECT_EQ(worker_alive(local_worker_name() + "x"), std::nullopt);
  // The same host's name and number in another container.
  EXPECT_EQ(worker_alive(local_worker_name() + "1"), std::nullopt);
}

TEST(Recover, OnlyTheTrialsOfDeadManagersAreRequeued) {
  FakeStudy study({});
  auto& manager = *study.manager;
  const std::string dead = dead_worker_name();
  manager.ask({dead, "h", 0});                                  // 0: dead
  manager.ask({local_worker_name(), "h", 0});                   // 1: alive
  manager.ask({"client", "", 0});                               // 2: a person's
  manager.ask({"elsewhere:1:1", "elsewhere", 1});               // 3: its lease is over
  manager.ask({"elsewhere:1:1", "elsewhere", 3600 * kSecond});  // 4: its lease holds
  ::usleep(1000);
  RecordingObserver observer;
  EXPECT_EQ(recover_lost_trials(manager, observer), 2);
  EXPECT_EQ(observer.notes.size(), 2u);
  std::vector<TrialState> states;
  for (const auto& t : manager.storage().trials(manager.study().id, {})) states.push_back(t.state);
  using enum TrialState;
  EXPECT_THAT(states, ::testing::ElementsAre(queued, running, running, queued, running));
  EXPECT_EQ(recover_lost_trials(manager, observer), 0);
}

/// A clock of the store's that a test sets.
class SetClock final : public Clock {
 public:
  TimeUs now() const override { return time; }
  TimeUs time = 1'800'000'000 * kSecond;
};

TEST(Recover, AfterAClockWasSetBackTheDeadAreToldFromTheLivingByTheirSilence) {
  SetClock clock;
  FakeStudy study({}, open_storage("memory:", {.clock = &clock}));
  auto& manager = *study.manager;
  const TimeUs lease = 60 * kSecond;
  manager.ask({"elsewhere:1:1", "elsewhere", lease});                             // 0: dies
  const auto alive = manager.ask({"elsewhere:2:1", "elsewhere", lease}).value();  // 1: lives
  manager.ask({"client", "", 0});                                                 // 2: a person's
  double seconds = 0;
  LeaseWatch watch(lease, [&] { return seconds; });
  RecordingObserver observer;
  seconds = 1000;
  EXPECT_EQ(recover_lost_trials(manager, observer, &watch), 0);
  clock.time -= 24 * 3600 * kSecond;
  seconds = 1015;
  EXPECT_EQ(recover_lost_trials(manager, observer, &watch), 0);
  manager.apply(RenewLease{1, alive.attempt.fence, lease});
  seconds = 1074;
  EXPECT_EQ(recover_lost_trials(manager, observer, &watch), 0);
  // The store's clock stands still; this worker's goes on.
  seconds = 1075;
  EXPECT_EQ(recover_lost_trials(manager, observer, &watch), 1);
  manager.apply(RenewLease{1, alive.attempt.fence, lease + 1});
  seconds = 1200;
  EXPECT_EQ(recover_lost_trials(manager, observer, &watch), 0);
  std::vector<TrialState> states;
  for (const auto& t : manager.storage().trials(manager.study().id, {})) states.push_back(t.state);
  using enum TrialState;
  EXPECT_THAT(states, ::testing::ElementsAre(queued, running, running));
}

TEST(Recover, AnAnswerThatTookLongDoesNotMakeALeaseOlder) {
  double seconds = 0;
  LeaseWatch watch(60 * kSecond, [&] { return seconds; });
  watch.ask();
  seconds = 50;  // only now the first answer is there
  EXPECT_LE(watch.stood(7, 1), 0);
  seconds = 110;
  watch.ask();
  seconds = 1000;
  EXPECT_EQ(watch.stood(7, 1), 1);
  EXPECT_LT(watch.stood(7, 2), 0);  // renewed
  EXPECT_LT(watch.stood(8, 1), 0);
}

}  // namespace
}  // namespace krigon
