#include "model/limits.hpp"

#include <algorithm>
#include <fstream>
#include <limits>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "backend/tiles.hpp"
#include "krigon/error.hpp"

namespace krigon {

namespace {

/// As backend/cpu_posterior.cpp keeps room.
std::uint64_t capacity_of(std::uint64_t n) {
  return n + std::max<std::uint64_t>(16, n / 8);
}

std::uint64_t padded(std::uint64_t n) {
  return static_cast<std::uint64_t>(detail::padded_rows(static_cast<std::int64_t>(n)));
}

std::string in_words(std::uint64_t bytes) {
  const auto b = static_cast<double>(bytes);
  if (bytes < (1U << 20U)) return fmt::format("{} kB", (bytes + 1023) / 1024);
  return b < 1024.0 * 1024 * 1024 ? fmt::format("{:.1f} MB", b / (1 << 20))
                                  : fmt::format("{:.1f} GB", b / (1 << 30));
}

bool vecchia_takes(const CovarianceSpec& spec) {
  return spec.factors.size() == 1 && spec.factors.front().kind != CovarianceKind::linear &&
         spec.factors.front().kind != CovarianceKind::periodic;
}

std::uint64_t first_number(const char* path, std::string_view key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    if (!key.empty() && word != key) continue;
    if (!key.empty() && !(file >> word)) return 0;
    if (word.empty() || word.size() > 18 || word.find_first_not_of("0123456789") != std::string::npos)
      return 0;
    return std::stoull(word);
  }
  return 0;
}

}  // namespace

std::uint64_t exact_bytes(std::size_t n, std::size_t columns, int threads) {
  if (n > std::numeric_limits<std::uint32_t>::max()) return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t rows = n;
  const std::uint64_t ld = padded(rows);
  const bool lean = rows > static_cast<std::uint64_t>(kLeanAbove);
  const std::uint64_t spaces = threads > 1 && !lean ? 2 : 1;
  const std::uint64_t triangles = (rows + 24) * (rows + 48);  // stripes have 24 rows at most
  const std::uint64_t matrices = triangles + (lean ? 0 : ld * rows);
  const std::uint64_t fit = spaces * (matrices + 2 * ld * columns);
  const std::uint64_t capacity = capacity_of(rows);
  const std::uint64_t leading = padded(capacity);
  // Packed triangles, a panel's rows rounded up.
  const std::uint64_t posterior = leading * capacity + capacity * (capacity + 32) + leading * columns;
  return 8 * (fit + posterior);
}

std::size_t largest_exact_n(std::size_t columns, std::uint64_t memory, int threads) {
  std::size_t low = 0;
  std::size_t high = std::size_t{1} << 24U;  // 256 TB per matrix
  while (low < high) {
    const std::size_t middle = low + (high - low + 1) / 2;
    if (exact_bytes(middle, columns, threads) <= memory) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

void check_exact_fits(std::size_t n, std::size_t columns, std::uint64_t memory, int threads) {
  const std::uint64_t needed = exact_bytes(n, columns, threads);
  if (needed <= memory) return;
  throw EnvironmentError(fmt::format(
      "the exact Gaussian process of {} points takes {} of memory, there are {}: at most {} points fit; "
      "use Vecchia's approximation (a single matern52, matern32 or rbf covariance) or fewer points",
      n, in_words(needed), in_words(memory), largest_exact_n(columns, memory, threads)));
}

std::uint64_t available_memory() {
  std::uint64_t bytes = first_number("/proc/meminfo", "MemAvailable:") * 1024;
  const auto lower = [&](const char* limit, const char* used) {
    const std::uint64_t most = first_number(limit, "");
    if (most == 0 || most > (std::uint64_t{1} << 60U)) return;
    const std::uint64_t taken = std::min(most, first_number(used, ""));
    if (bytes == 0 || most - taken < bytes) bytes = most - taken;
  };
  lower("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
  lower("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes");
  return bytes;
}

MethodChoice choose_method(std::size_t n, std::size_t columns, std::uint64_t memory, int threads) {
  const std::uint64_t needed = exact_bytes(n, columns, threads);
  if (n > kExactPoints) {
    return {GpMethod::vecchia,
            fmt::format("Vecchia's approximation: {} points, the exact process is for up to {}", n,
                        kExactPoints)};
  }
  if (memory > 0 && needed > memory / 2) {
    return {
        GpMethod::vecchia,
        fmt::format("Vecchia's approximation: the exact process of {} points takes {}, more than half of {}",
                    n, in_words(needed), in_words(memory))};
  }
  return {GpMethod::exact, fmt::format("exact: {} points take {}", n, in_words(needed))};
}

MethodChoice choose_method(const GpData& data, std::uint64_t memory, int threads) {
  if (vecchia_takes(data.spec())) return choose_method(data.n, data.column_count(), memory, threads);
  if (memory > 0) check_exact_fits(data.n, data.column_count(), memory, threads);
  return {GpMethod::exact,
          fmt::format("exact: Vecchia's approximation does not take this covariance; {} points take {}",
                      data.n, in_words(exact_bytes(data.n, data.column_count(), threads)))};
}

}  // namespace krigon
