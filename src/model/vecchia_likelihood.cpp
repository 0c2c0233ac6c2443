// Vecchia's likelihood: terms in batches of the vectors' lanes, batches in tasks of a fixed size whose sums
// are added in order, so that results do not depend on threads.

#include "model/vecchia_likelihood.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <numeric>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "model/likelihood.hpp"

namespace krigon::detail {

namespace {

constexpr std::size_t kTerms = 128;  ///< of a task

}  // namespace

CovarianceFactor stationary_factor(const CovarianceSpec& spec, std::string_view what) {
  if (spec.factors.size() != 1) {
    throw UsageError(fmt::format(
        "{}: the covariance has {} factors; Vecchia's approximation takes one stationary factor (matern52, "
        "matern32 or rbf): use the exact process",
        what, spec.factors.size()));
  }
  const CovarianceFactor& factor = spec.factors.front();
  if (factor.kind == CovarianceKind::linear || factor.kind == CovarianceKind::periodic) {
    throw UsageError(
        fmt::format("{}: the covariance is {}; Vecchia's approximation takes matern52, matern32 or rbf: use "
                    "the exact process",
                    what, factor.kind == CovarianceKind::linear ? "linear" : "periodic"));
  }
  return factor;
}

std::unique_ptr<Pool> vecchia_pool(const Backend& backend, const VecchiaOptions& options) {
  return std::make_unique<Pool>(options.threads > 0 ? options.threads : backend.info().threads);
}

const VecchiaTiles& vecchia_tiles(const Backend& backend) {
  return vecchia_tiles(backend.info().instructions);
}

void VecchiaSpace::need(const VecchiaTiles& tiles, std::int64_t slots, std::int64_t dims) {
  if (slots_ == slots && dims_ == dims && lanes_ == tiles.lanes) return;
  slots_ = slots;
  dims_ = dims;
  lanes_ = tiles.lanes;
  const auto size = [&](std::int64_t rows) { return static_cast<std::size_t>(rows * lanes_); };
  const std::size_t x = size(padded_slots(slots) * dims);
  const std::size_t out = size(5 + 2 * dims);
  constexpr std::size_t kLine = 8;
  memory_.assign(x + 2 * size(slots) + out + size(vecchia_work(slots)) + kLine, 0.0);
  // On a cache line's border: an entry is then never split.
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
  x_ = memory_.data() + (64 - address % 64) % 64 / sizeof(double);
  residual_ = x_ + x;
  diagonal_ = residual_ + size(slots);
  out_ = diagonal_ + size(slots);
  work_ = out_ + out;
}

VecchiaLikelihood::VecchiaLikelihood(Pool& pool, const VecchiaTiles& tiles, const GpData& data,
                                     std::span<const double> z, std::span<const double> noise,
                                     const Priors* priors)
    : pool_(pool),
      tiles_(tiles),
      factor_(stationary_factor(data.spec(), "VecchiaLikelihood")),
      layout_(data.layout()),
      priors_(priors),
      n_(data.n),
      dims_(factor_.columns.size()),
      z_(z.begin(), z.end()),
      noise_(noise.begin(), noise.end()),
      spaces_(static_cast<std::size_t>(pool.threads())) {
  x_.reserve(n_ * dims_);
  for (std::size_t i = 0; i < n_; ++i) {
    for (const std::int32_t column : factor_.columns) {
      x_.push_back(data.columns[i * data.column_count() + static_cast<std::size_t>(column)]);
    }
  }
  order_.resize(n_);
  std::iota(order_.begin(), order_.end(), 0);
  if (priors != nullptr) prior_bounds(*priors, layout_, lower_, upper_);
}

void VecchiaLikelihood::scale(std::span<const double> theta) {
  std::vector<double> inverse;
  for (const std::int32_t group : factor_.groups) {
    inverse.push_back(std::exp(-theta[static_cast<std::size_t>(group)]));
  }
  scaled_.resize(n_ * dims_);
  constexpr std::size_t kPart = 4096;
  pool_.run(static_cast<std::int64_t>((n_ + kPart - 1) / kPart), [&](std::int64_t task, int) {
    const std::size_t first = static_cast<std::size_t>(task) * kPart;
    const std::size_t last = std::min(n_, first + kPart);
    for (std::size_t i = first; i < last; ++i) {
      const double* from = &x_[static_cast<std::size_t>(order_[i]) * dims_];
      for (std::size_t k = 0; k < dims_; ++k) scaled_[i * dims_ + k] = from[k] * inverse[k];
    }
  });
}

void VecchiaLikelihood::condition(std::span<const double> theta, std::size_t neighbours, std::size_t terms,
                                  std::uint64_t seed) {
  std::iota(order_.begin(), order_.end(), 0);
  terms_.resize(n_);
  std::iota(terms_.begin(), terms_.end(), 0);
  width_ = n_ > 0 ? std::min(neighbours, n_ - 1) : 0;
  weight_ = 1;
  if (n_ == 0) return;
  scale(theta);
  order_ = vecchia_order(pool_, scaled_, dims_, seed);
  scale(theta);
  target_.clear();
  known_.clear();
  for (const std::int32_t i : order_) {
    target_.push_back(z_[static_cast<std::size_t>(i)]);
    known_.push_back(noise_.empty() ? 0.0 : noise_[static_cast<std::size_t>(i)]);
  }
  if (terms < n_) {
    Random random(seed, n_ + 1, Purpose::vecchia);
    for (std::size_t i = 0; i < terms; ++i) std::swap(terms_[i], terms_[i + random.below(n_ - i)]);
    terms_.resize(terms);
    std::sort(terms_.begin(), terms_.end());
    weight_ = static_cast<double>(n_) / static_cast<double>(terms);
  }
  neighbours_.resize(terms_.size() * width_);
  if (width_ > 0) {
    NearestPoints(tiles_, scaled_, dims_).find_before(pool_, terms_, width_, neighbours_);
  }
}

void VecchiaLikelihood::operator()(std::span<const double> theta, double& value, std::span<double> gradient) {
  scale(theta);
  bool fine = false;
  for (const double jitter : kJitterSteps) {
    jitter_ = jitter;
    ++evaluations_;
    fine = evaluate(theta, jitter, value, gradient);
    if (fine) break;
  }
  if (!fine) {
    value = std::numeric_limits<double>::quiet_NaN();
    std::fill(gradient.begin(), gradient.end(), value);
    return;
  }
  if (priors_ != nullptr) add_negative_log_prior(*priors_, layout_, theta, value, gradient);
}

bool VecchiaLikelihood::evaluate(std::span<const double> theta, double jitter, double& value,
                                 std::span<double> gradient) {
  const auto at = [&](std::int64_t row) { return theta[static_cast<std::size_t>(row)]; };
  const double signal = std::exp(at(layout_.signal()));
  const double noise = std::exp(at(layout_.noise()));
  const double mean = at(layout_.mean());
  const double diagonal = noise + jitter * (signal + noise);
  const std::size_t tasks = (terms_.size() + kTerms - 1) / kTerms;
  const std::size_t sums = dims_ + 5;  // log density, mean, signal, trace, failures; columns
  const auto lanes = static_cast<std::size_t>(tiles_.lanes);
  const auto slots = static_cast<std::int64_t>(width_ + 1);
  partial_.assign(tasks * sums, 0.0);
  pool_.run(static_cast<std::int64_t>(tasks), [&](std::int64_t task, int worker) {
    VecchiaSpace& space = spaces_[static_cast<std::size_t>(worker)];
    space.need(tiles_, slots, static_cast<std::int64_t>(dims_));
    double* sum = &partial_[static_cast<std::size_t>(task) * sums];
    const std::size_t end = std::min(terms_.size(), (static_cast<std::size_t>(task) + 1) * kTerms);
    for (std::size_t first = static_cast<std::size_t>(task) * kTerms; first < end; first += lanes) {
      const std::size_t used = std::min(lanes, end - first);
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        // Lanes beyond the last term repeat it.
        const std::size_t t = first + std::min(lane, used - 1);
        const auto put = [&](std::int64_t slot, std::int32_t point) {
          const auto i = static_cast<std::size_t>(point);
          space.set(slot, static_cast<std::int64_t>(lane), &scaled_[i * dims_], target_[i] - mean,
                    diagonal + known_[i]);
        };
        std::int64_t count = 0;
        for (; count + 1 < slots; ++count) {
          const std::int32_t point = neighbours_[t * width_ + static_cast<std::size_t>(count)];
          if (point < 0) break;
          put(count, point);
        }
        space.count(static_cast<std::int64_t>(lane), count);
        put(slots - 1, terms_[t]);
        for (std::int64_t slot = count; slot + 1 < slots; ++slot) {
          space.set(slot, static_cast<std::int64_t>(lane),
                    &scaled_[static_cast<std::size_t>(terms_[t]) * dims_], 0.0, 0.0);
        }
      }
      tiles_.likelihood(space.batch(static_cast<std::int32_t>(factor_.kind), signal, 0.0), true, space.out());
      const double* out = space.out();
      for (std::size_t lane = 0; lane < used; ++lane) {
        const auto row = [&](std::size_t r) { return out[r * lanes + lane]; };
        const double v = row(0);
        const double square = row(1) * row(1);
        if (!(v > 0) || !std::isfinite(v) || !std::isfinite(square)) sum[4] += 1;
        sum[0] -= 0.5 * (std::log(v) + square + std::log(2 * std::numbers::pi));
        sum[1] += row(2);
        sum[2] += 0.5 * (square - 1) - row(4) + jitter * signal * row(3);
        sum[3] += row(3);
        for (std::size_t k = 0; k < dims_; ++k) sum[5 + k] += row(5 + k);
      }
    }
  });
  value = 0;
  std::fill(gradient.begin(), gradient.end(), 0.0);
  const auto add = [&](std::int64_t row, double amount) {
    gradient[static_cast<std::size_t>(row)] -= weight_ * amount;
  };
  double failures = 0;
  for (std::size_t task = 0; task < tasks; ++task) {
    const double* sum = &partial_[task * sums];
    value -= weight_ * sum[0];
    failures += sum[4];
    add(layout_.mean(), sum[1]);
    add(layout_.signal(), sum[2]);
    add(layout_.noise(), noise * (1 + jitter) * sum[3]);
    for (std::size_t k = 0; k < dims_; ++k) add(factor_.groups[k], sum[5 + k]);
  }
  return failures == 0 && std::isfinite(value) &&
         std::all_of(gradient.begin(), gradient.end(), [](double g) { return std::isfinite(g); });
}

}  // namespace krigon::detail
