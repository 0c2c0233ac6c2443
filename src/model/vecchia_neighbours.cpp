#include "model/vecchia_neighbours.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/random.hpp"

namespace krigon::detail {

namespace {

constexpr std::size_t kChunk = 1024;  ///< points whose distances a thread holds
constexpr std::size_t kGroup = 32;    ///< distances that are passed over together
constexpr std::size_t kQueries = 4;   ///< of one call of the tiles
constexpr std::size_t kTask = 64;     ///< queries that go through a chunk together

/// Squares of it and their sums stay finite.
float held(double value) {
  return static_cast<float>(std::clamp(value, -1e15, 1e15));
}

std::vector<double> mean_of(std::span<const double> x, std::size_t dims) {
  std::vector<double> mean(dims, 0.0);
  const std::size_t n = dims > 0 ? x.size() / dims : 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < dims; ++k) mean[k] += x[i * dims + k] / static_cast<double>(n);
  }
  return mean;
}

/// The k nearest so far: a heap with the farthest on top.
class Nearest {
 public:
  using Entry = std::pair<float, std::int32_t>;

  void begin(std::size_t k) {
    k_ = k;
    heap_.clear();
    heap_.reserve(k);
  }
  /// Entries come in the order of their index: one that ties with the worst is not better.
  float worst() const {
    return heap_.size() < k_ ? std::numeric_limits<float>::infinity() : heap_.front().first;
  }
  void offer(float distance, std::int32_t index) {
    if (heap_.size() < k_) {
      heap_.emplace_back(distance, index);
      std::push_heap(heap_.begin(), heap_.end());
    } else if (distance < heap_.front().first) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = {distance, index};
      std::push_heap(heap_.begin(), heap_.end());
    }
  }
  void write(std::span<std::int32_t> out) {
    std::sort_heap(heap_.begin(), heap_.end());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = i < heap_.size() ? heap_[i].second : -1;
  }

 private:
  std::size_t k_ = 0;
  std::vector<Entry> heap_;
};

}  // namespace

std::vector<std::int32_t> vecchia_order(Pool& pool, std::span<const double> x, std::size_t dims,
                                        std::uint64_t seed) {
  const std::size_t n = x.size() / dims;
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  Random random(seed, n, Purpose::vecchia);
  for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  const std::size_t spread = std::min(n, kSpreadPoints);
  if (spread < 2) return order;

  std::vector<float> points(n * dims);
  const std::vector<double> mean = mean_of(x, dims);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < dims; ++k) {
      points[i * dims + k] = held(x[i * dims + k] - mean[k]);
    }
  }
  constexpr std::size_t kPart = 4096;
  const std::size_t parts = (n + kPart - 1) / kPart;
  std::vector<float> gap(n, std::numeric_limits<float>::infinity());
  std::vector<std::size_t> farthest(parts);
  // The first "farthest" is the nearest to the centre, by the same sweep with the sign turned.
  std::vector<float> from(dims, 0.0F);
  std::vector<std::int32_t> chosen;
  std::vector<char> taken(n, 0);
  for (std::size_t step = 0; step < spread; ++step) {
    pool.run(static_cast<std::int64_t>(parts), [&](std::int64_t task, int) {
      const std::size_t first = static_cast<std::size_t>(task) * kPart;
      const std::size_t last = std::min(n, first + kPart);
      std::size_t best = n;
      float best_gap = -1;
      for (std::size_t i = first; i < last; ++i) {
        float distance = 0;
        for (std::size_t k = 0; k < dims; ++k) {
          const float difference = points[i * dims + k] - from[k];
          distance += difference * difference;
        }
        const float value = step == 0 ? 1.0F / (1.0F + distance) : std::min(gap[i], distance);
        if (step > 0) gap[i] = value;
        if (taken[i] == 0 && value > best_gap) {
          best_gap = value;
          best = i;
        }
      }
      farthest[static_cast<std::size_t>(task)] = best;
    });
    std::size_t next = n;
    float next_gap = -1;
    for (const std::size_t i : farthest) {
      if (i == n) continue;
      float value = gap[i];
      if (step == 0) {
        float distance = 0;
        for (std::size_t k = 0; k < dims; ++k) distance += points[i * dims + k] * points[i * dims + k];
        value = 1.0F / (1.0F + distance);
      }
      if (value > next_gap) {
        next_gap = value;
        next = i;
      }
    }
    taken[next] = 1;
    chosen.push_back(static_cast<std::int32_t>(next));
    std::copy_n(points.begin() + static_cast<std::ptrdiff_t>(next * dims), dims, from.begin());
  }
  std::vector<std::int32_t> all = chosen;
  all.reserve(n);
  for (const std::int32_t i : order) {
    if (taken[static_cast<std::size_t>(i)] == 0) all.push_back(i);
  }
  return all;
}

NearestPoints::NearestPoints(const VecchiaTiles& tiles, std::span<const double> x, std::size_t dims)
    : tiles_(&tiles),
      n_(x.size() / dims),
      dims_(dims),
      leading_((n_ + kGroup - 1) / kGroup * kGroup),
      centre_(mean_of(x, dims)),
      x_(leading_ * dims, 0.0F) {
  for (std::size_t i = 0; i < n_; ++i) {
    for (std::size_t k = 0; k < dims; ++k) x_[k * leading_ + i] = held(x[i * dims + k] - centre_[k]);
  }
}

void NearestPoints::search(Pool& pool, std::size_t m, std::span<const float> queries,
                           std::span<const std::int32_t> limits, std::size_t k,
                           std::span<std::int32_t> out) const {
  // Few queries: a thread takes four at a time, so that all have work.
  const std::size_t per_task = m < kTask * static_cast<std::size_t>(pool.threads()) ? kQueries : kTask;
  struct Space {
    std::vector<Nearest> nearest = std::vector<Nearest>(kTask);
    std::vector<float> z, distance = std::vector<float>(kQueries * kChunk);
  };
  std::vector<Space> spaces(static_cast<std::size_t>(pool.threads()));
  pool.run(static_cast<std::int64_t>((m + per_task - 1) / per_task), [&](std::int64_t task, int worker) {
    Space& space = spaces[static_cast<std::size_t>(worker)];
    const std::size_t first = static_cast<std::size_t>(task) * per_task;
    const std::size_t count = std::min(per_task, m - first);
    space.z.assign((count + kQueries - 1) / kQueries * kQueries * dims_, 0.0F);
    std::size_t most = 0;
    for (std::size_t j = 0; j < count; ++j) {
      space.nearest[j].begin(k);
      float* z = &space.z[j / kQueries * kQueries * dims_ + j % kQueries];
      for (std::size_t d = 0; d < dims_; ++d) z[kQueries * d] = queries[(first + j) * dims_ + d];
      most = std::max(most, static_cast<std::size_t>(limits[first + j]));
    }
    for (std::size_t begin = 0; begin < most; begin += kChunk) {
      const std::size_t end = std::min(most, begin + kChunk);
      for (std::size_t j = 0; j < count; j += kQueries) {
        const std::size_t group = std::min(kQueries, count - j);
        const auto limit = std::max_element(limits.begin() + static_cast<std::ptrdiff_t>(first + j),
                                            limits.begin() + static_cast<std::ptrdiff_t>(first + j + group));
        if (static_cast<std::size_t>(*limit) <= begin) continue;
        tiles_->distances(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end),
                          static_cast<std::int64_t>(dims_), x_.data(), static_cast<std::int64_t>(leading_),
                          &space.z[j * dims_], space.distance.data(), static_cast<std::int64_t>(kChunk));
        for (std::size_t q = 0; q < group; ++q) {
          Nearest& nearest = space.nearest[j + q];
          const std::size_t stop = std::min(end, static_cast<std::size_t>(limits[first + j + q]));
          const float* distance = &space.distance[q * kChunk];
          for (std::size_t i = begin; i < stop; i += kGroup) {
            if (!(tiles_->smallest(kGroup, distance + (i - begin)) < nearest.worst())) continue;
            const std::size_t group_end = std::min(stop, i + kGroup);
            for (std::size_t p = i; p < group_end; ++p) {
              nearest.offer(distance[p - begin], static_cast<std::int32_t>(p));
            }
          }
        }
      }
    }
    for (std::size_t j = 0; j < count; ++j) space.nearest[j].write(out.subspan((first + j) * k, k));
  });
}

void NearestPoints::find(Pool& pool, std::span<const double> queries, std::size_t k,
                         std::span<std::int32_t> out) const {
  const std::size_t m = queries.size() / dims_;
  std::vector<float> z(m * dims_);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = held(queries[i] - centre_[i % dims_]);
  const std::vector<std::int32_t> limits(m, static_cast<std::int32_t>(n_));
  search(pool, m, z, limits, k, out);
}

void NearestPoints::find_before(Pool& pool, std::span<const std::int32_t> which, std::size_t k,
                                std::span<std::int32_t> out) const {
  std::vector<float> z(which.size() * dims_);
  for (std::size_t j = 0; j < which.size(); ++j) {
    for (std::size_t d = 0; d < dims_; ++d) {
      z[j * dims_ + d] = x_[d * leading_ + static_cast<std::size_t>(which[j])];
    }
  }
  search(pool, which.size(), z, which, k, out);
}

}  // namespace krigon::detail
