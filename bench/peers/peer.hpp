#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "backend/backend.hpp"
#include "model/gp.hpp"

namespace krigon::bench {

inline constexpr int kThreads = 2;
inline constexpr std::size_t kColumns = 10;

/// A Python program of this folder that answers each line with a line of JSON. Errors are a UsageError.
class Peer {
 public:
  explicit Peer(const std::string& script);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  /// Hands the task over in a file, whose name is the line.
  nlohmann::json ask(const nlohmann::json& task);

 private:
  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

/// n points in the unit cube of ten columns, outputs around 0, smaller is better.
GpData sample_data(std::size_t n);
/// Its outputs in model units.
std::vector<double> standardised(const GpData& data);

nlohmann::json written(const Priors& priors);

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <typename Work>
double milliseconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// Each prints a table; false where a bar of its is not reached. `quick` runs are not judged.
bool bench_fit(bool quick);
bool bench_acquisition(bool quick);
bool bench_ask(bool quick);

}  // namespace krigon::bench
