#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "backend/backend.hpp"

namespace krigon::bench {

inline double seconds(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// The sizes of one run. `quick` ones show that everything works, and are held to no bar.
struct Sizes {
  bool quick = false;
  std::int64_t factor = 10'000;   ///< order of what is factorised
  std::int64_t fit = 10'000;      ///< points of the fit
  std::int64_t peer_fit = 2000;   ///< a second fit, for peers that cannot do that one in time
  std::int64_t posterior = 1000;  ///< points that candidates are judged by
  std::int64_t candidates = 100'000;
  int repeats = 5;
};

/// Whether likelihood, moments and adjoints agree with the CPU's, in orders that are factorised as a batch
/// and one by one; prints how far they are apart.
bool agrees_with_the_cpu(Backend& backend, const Sizes& sizes);

/// Each prints its lines of the table.
void time_factorisation(Backend& backend, int device, const Sizes& sizes);
void time_acquisition(Backend& backend, const Sizes& sizes);
/// Writes the fits' data into `folder` for peers to read, unless that is empty.
void time_fits(Backend& backend, const Sizes& sizes, const std::string& folder);

/// One line: what was measured, the figure, the bar and whether it was reached.
void line(const Sizes& sizes, const std::string& work, double figure, const std::string& unit, double bar,
          bool at_least);

}  // namespace krigon::bench
