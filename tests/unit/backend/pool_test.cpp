#include "backend/pool.hpp"

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace krigon::detail {
namespace {

TEST(Pool, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 5}) {
    Pool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const std::int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<int> done(static_cast<std::size_t>(count));
      pool.run(count, [&](std::int64_t task, int) { ++done[static_cast<std::size_t>(task)]; });
      EXPECT_EQ(std::accumulate(done.begin(), done.end(), 0), count);
      EXPECT_TRUE(std::all_of(done.begin(), done.end(), [](int n) { return n == 1; }));
    }
  }
}

TEST(Pool, ManySmallCallsInARow) {
  Pool pool(3);
  std::vector<double> value(3);
  for (int call = 0; call < 3000; ++call) {
    pool.run(3, [&](std::int64_t task, int) { value[static_cast<std::size_t>(task)] += 1; });
  }
  EXPECT_EQ(value, std::vector<double>(3, 3000.0));
}

TEST(Pool, TasksOfOneWorkerDoNotOverlap) {
  Pool pool(4);
  std::vector<std::atomic<int>> busy(4);
  std::atomic<bool> overlap{false};
  pool.run(400, [&](std::int64_t, int worker) {
    auto& mine = busy[static_cast<std::size_t>(worker)];
    if (mine.fetch_add(1) != 0) overlap = true;
    std::this_thread::yield();
    mine.fetch_sub(1);
  });
  EXPECT_FALSE(overlap);
}

TEST(Pool, WithinATaskItRunsInPlaceAsTheSameWorker) {
  Pool pool(3);
  std::atomic<int> inner{0};
  std::atomic<bool> moved{false};
  pool.run(6, [&](std::int64_t, int worker) {
    const auto thread = std::this_thread::get_id();
    pool.run(5, [&](std::int64_t, int inner_worker) {
      ++inner;
      if (inner_worker != worker || std::this_thread::get_id() != thread) moved = true;
    });
  });
  EXPECT_EQ(inner, 30);
  EXPECT_FALSE(moved);
}

TEST(Pool, AloneKeepsEverythingOnThisThread) {
  Pool pool(4);
  const auto thread = std::this_thread::get_id();
  bool moved = false;
  Pool::alone([&] {
    pool.run(50,
             [&](std::int64_t, int worker) { moved |= worker != 0 || std::this_thread::get_id() != thread; });
  });
  EXPECT_FALSE(moved);
}

TEST(Pool, AnExceptionReachesTheCallerAndThePoolGoesOn) {
  Pool pool(3);
  std::atomic<int> done{0};
  EXPECT_THROW(pool.run(20,
                        [&](std::int64_t task, int) {
                          ++done;
                          if (task % 5 == 1) throw std::runtime_error("task");
                        }),
               std::runtime_error);
  EXPECT_EQ(done, 20);
  pool.run(10, [&](std::int64_t, int) { ++done; });
  EXPECT_EQ(done, 30);
}

TEST(Pool, SeveralPoolsAtOnce) {
  std::vector<std::thread> users;
  std::atomic<int> done{0};
  for (int user = 0; user < 3; ++user) {
    users.emplace_back([&] {
      Pool pool(2);
      for (int call = 0; call < 200; ++call) pool.run(4, [&](std::int64_t, int) { ++done; });
    });
  }
  for (auto& user : users) user.join();
  EXPECT_EQ(done, 3 * 200 * 4);
}

}  // namespace
}  // namespace krigon::detail
