#include "worker/outage.hpp"

#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/storage.hpp"
#include "tests/simulation/forwarding.hpp"
#include "tests/unit/worker/fakes.hpp"

namespace krigon {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A store that can be away for as long as a test says.
struct Away final : simulation::Forwarding {
  Away() : Forwarding(open_storage("memory:")) {}
  void set_patience(const Patience& patience) override { asked = patience; }
  Patience asked;
};

struct OutageTest : ::testing::Test {
  Away store;
  RecordingObserver observer;
  int looked = 0;
  bool leaves = false;
  std::optional<Outage> outage{std::in_place, store, std::chrono::minutes(10), observer, [this] {
                                 ++looked;
                                 return leaves;
                               }};
};

TEST_F(OutageTest, IsWaitedForAsLongAsIsAllowedAndSaidOnce) {
  EXPECT_TRUE(store.asked(seconds(4), "gone"));
  EXPECT_THAT(observer.notes, IsEmpty());
  EXPECT_TRUE(store.asked(seconds(5), "gone"));
  EXPECT_TRUE(store.asked(seconds(599), "gone"));
  EXPECT_FALSE(store.asked(seconds(600), "gone"));
  EXPECT_THAT(observer.notes,
              ElementsAre(AllOf(HasSubstr("gone"), HasSubstr("trials run on"), HasSubstr("600 s"))));
  EXPECT_EQ(looked, 4);
}

TEST_F(OutageTest, OneThatLeavesWaitsNoLongerThanAnybody) {
  leaves = true;
  EXPECT_TRUE(store.asked(kPatience - seconds(1), "gone"));
  EXPECT_FALSE(store.asked(kPatience, "gone"));
}

TEST_F(OutageTest, ItsEndIsSaidWhereItsBeginWas) {
  EXPECT_TRUE(store.asked(seconds(2), "gone"));
  outage->over();
  EXPECT_THAT(observer.notes, IsEmpty());
  EXPECT_TRUE(store.asked(seconds(9), "gone"));
  outage->over();
  outage->over();
  EXPECT_THAT(observer.notes, ElementsAre(HasSubstr("gone"), HasSubstr("back")));
}

TEST_F(OutageTest, OtherThreadsLeaveTheWaitingToTheFirst) {
  bool waits = true;
  std::thread([&] { waits = store.asked(seconds(1), "gone"); }).join();
  EXPECT_FALSE(waits);
  EXPECT_EQ(looked, 0);
}

TEST_F(OutageTest, WhatFailsMeanwhileEndsTheWait) {
  outage.reset();
  outage.emplace(store, std::chrono::minutes(10), observer,
                 []() -> bool { throw std::runtime_error("no more processes"); });
  EXPECT_FALSE(store.asked(seconds(1), "gone"));
}

TEST_F(OutageTest, LeavesTheStoreAsItWas) {
  EXPECT_TRUE(store.asked);
  outage.reset();
  EXPECT_FALSE(store.asked);
}

}  // namespace
}  // namespace krigon
