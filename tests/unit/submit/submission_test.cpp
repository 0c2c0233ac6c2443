#include "submit/submission.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"
#include "submissions.hpp"

namespace krigon {
namespace {

using krigon::testing::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1u << 20;

TEST(Engines, HaveNames) {
  for (const Engine engine : {Engine::slurm, Engine::kubernetes, Engine::local}) {
    EXPECT_EQ(engine_of(to_string(engine)), engine);
  }
  EXPECT_THAT(message_of<UsageError>([] { engine_of("pbs"); }),
              AllOf(HasSubstr("\"pbs\""), HasSubstr("slurm, kubernetes, local")));
}

TEST(Resources, AreWhatTheTrialsTake) {
  ResourceSpec trial;
  const auto least = worker_resources(trial, 3, {});
  EXPECT_EQ(least.cpus, 3);
  EXPECT_EQ(least.gpus, 0);
  EXPECT_EQ(least.memory, std::nullopt);
  trial.cpus_per_trial = 4;
  trial.gpus_per_trial = 2;
  trial.memory = 100 * kMiB;
  const auto three = worker_resources(trial, 3, {});
  EXPECT_EQ(three.cpus, 12);
  EXPECT_EQ(three.gpus, 6);
  EXPECT_EQ(three.memory, 812 * kMiB) << "the worker takes some itself";
}

TEST(Resources, MayBeMoreButNotLess) {
  ResourceSpec trial;
  trial.cpus_per_trial = 4;
  trial.gpus_per_trial = 1;
  trial.memory = 100 * kMiB;
  const auto more = worker_resources(trial, 2, {10, 3, 500 * kMiB});
  EXPECT_EQ(more.cpus, 10);
  EXPECT_EQ(more.gpus, 3);
  EXPECT_EQ(more.memory, 500 * kMiB);
  EXPECT_NO_THROW(worker_resources(trial, 2, {8, 2, 200 * kMiB}));
  EXPECT_THAT(message_of<UsageError>([&] {
                worker_resources(trial, 2, {7, {}, {}});
              }),
              HasSubstr("--cpus-per-worker: found 7, but 2 trial(s) at a time take 8 CPUs"));
  EXPECT_THAT(message_of<UsageError>([&] {
                worker_resources(trial, 2, {{}, 1, {}});
              }),
              HasSubstr("--gpus-per-worker"));
  EXPECT_THAT(message_of<UsageError>([&] {
                worker_resources(trial, 2, {{}, {}, 200 * kMiB - 1});
              }),
              HasSubstr("--memory"));
}

TEST(Resources, HaveTheGpusThatTheStudyNames) {
  ResourceSpec trial;
  trial.gpus = {0, 3};
  trial.gpus_per_trial = 1;
  EXPECT_EQ(worker_resources(trial, 1, {}).gpus, 4);
  EXPECT_EQ(worker_resources(trial, 1, {{}, 4, {}}).gpus, 4);
  EXPECT_THAT(message_of<UsageError>([&] {
                worker_resources(trial, 1, {{}, 3, {}});
              }),
              AllOf(HasSubstr("--gpus-per-worker: found 3"), HasSubstr("names GPU 3")));
}

TEST(Leaving, TakesTheGraceAndHalfAMinute) {
  EXPECT_EQ(leaving_seconds(Milliseconds(0)), 30);
  EXPECT_EQ(leaving_seconds(Milliseconds(10'000)), 40);
  EXPECT_EQ(leaving_seconds(Milliseconds(10'001)), 41);
}

TEST(Passwords, AreFoundHoweverTheyAreWritten) {
  for (const char* secret :
       {"postgresql://me:s3cret@db/tuning", "postgres://me:s3cret@db/tuning",
        "postgresql://db/tuning?password=s3cret", "postgresql://db/tuning?user=me&pass%77ord=s3cret",
        "postgresql://db/tuning?sslpassword=s3cret", "postgresql://me%3as3cret@db/"}) {
    EXPECT_TRUE(holds_password(secret)) << secret;
  }
  for (const char* open : {"postgresql://me@db/tuning", "postgresql://db:5432/tuning", "postgresql:///tuning",
                           "sqlite:///home/me:you@here/krigon.db", "memory:"}) {
    EXPECT_FALSE(holds_password(open)) << open;
  }
}

TEST(Stores, HaveToBeSharedByTheWorkers) {
  for (const Engine engine : {Engine::slurm, Engine::kubernetes}) {
    EXPECT_NO_THROW(check_store(engine, "postgresql://db/tuning"));
    EXPECT_NO_THROW(check_store(engine, "postgres://db/tuning"));
    for (const char* file : {"sqlite:///shared/krigon.db", "sqlite:krigon.db", "krigon.db"}) {
      EXPECT_THAT(message_of<UsageError>([&] { check_store(engine, file); }),
                  AllOf(HasSubstr(file), HasSubstr("postgresql://"), HasSubstr("--engine local")));
    }
  }
  EXPECT_NO_THROW(check_store(Engine::local, "sqlite:///home/me/krigon.db"));
  for (const Engine engine : {Engine::slurm, Engine::kubernetes, Engine::local}) {
    EXPECT_THAT(message_of<UsageError>([&] { check_store(engine, "memory:"); }), HasSubstr("postgresql://"));
  }
}

TEST(Stores, OfThisMachineAloneAreWarnedOf) {
  for (const char* here :
       {"postgresql:///tuning", "postgresql://localhost/tuning", "postgresql://me@127.0.0.1:5433/t",
        "postgresql://me:a@[::1]:5433/t", "postgresql://me@/t?host=/run/postgresql",
        "postgresql://db/t?host=localhost", "postgresql://%2Frun%2Fpg/t",
        "postgresql://localhost,127.0.0.1/t", "postgresql://"}) {
    EXPECT_THAT(reach_warning(here), HasSubstr("this machine alone")) << here;
  }
  for (const char* far : {"postgresql://db/tuning", "postgresql://me:a@db.example:5433/t",
                          "postgresql://10.0.0.7/t", "postgresql://localhost,db/t",
                          "postgresql://localhost/t?host=db", "postgresql://[fe80::1]/t", "sqlite:///x"}) {
    EXPECT_EQ(reach_warning(far), "") << far;
  }
  EXPECT_THAT(reach_warning("postgresql://me:s3cret@localhost/t"), ::testing::Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace krigon
