#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "storage/storage.hpp"

namespace krigon::bench {

double microseconds(const std::function<void()>& body);
double quantile(std::vector<double> values, double q);

/// A study of ten parameters.
StudySpec spec(const std::string& name = "bench");
/// One trial from ask to tell: two durable transactions, and one more where it reports.
void cycle(Storage& storage, std::int64_t study, int i, bool reports = false);

struct Crowd {
  double seconds = 0, worst_ms = 0, p99_ms = 0;
  std::size_t cycles = 0, failed = 0;
  double rate() const { return static_cast<double>(cycles) / seconds; }
};

/// `processes` at once, each opening its own `work`, of its number, and calling it for `seconds`.
Crowd crowd(int processes, double seconds, const std::function<std::function<void(int)>(int)>& open);

/// One study at each of these numbers of trials, ascending.
void growth(const std::filesystem::path& folder, const std::vector<int>& sizes);

/// 64 connections to a server of its own in `folder`, durable; nothing where none is installed.
void postgres_transitions(const std::filesystem::path& folder, double seconds);

}  // namespace krigon::bench
