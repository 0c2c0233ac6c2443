#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace krigon::bench {

/// Medians over seeds; infinite where most did not reach the target.
struct Spent {
  double steps = 0, time = 0, trials = 0, busy = 0;
  double missed = 0;  ///< share of the seeds that did not reach it
};

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/// work(item) for each, on all processors; nothing is shared between them. Throws what the first threw.
template <class Item, class Work>
void all_at_once(std::vector<Item>& items, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex lock;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < items.size(); at = next++) {
        try {
          work(items[at]);
        } catch (...) {
          const std::lock_guard guard(lock);
          if (!failure) failure = std::current_exception();
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace krigon::bench
