#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "backend/tiles.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "model/likelihood.hpp"
#include "model/posterior_impl.hpp"
#include "model/vecchia.hpp"
#include "model/vecchia_anchors.hpp"
#include "model/vecchia_likelihood.hpp"

namespace krigon {

using detail::NearestPoints;
using detail::VecchiaSpace;
using detail::VecchiaTiles;

namespace {
constexpr std::size_t kAnchorEntries = std::size_t{1} << 26U;  ///< half a gigabyte of doubles
constexpr double kAnchorProducts = 8e10;                       ///< about two seconds of two processors

/// Of so many wanted, those that neither memory nor time is too dear for.
std::size_t anchor_count(std::size_t wanted, std::size_t n) {
  const auto quick = static_cast<std::size_t>(std::sqrt(kAnchorProducts / static_cast<double>(n)));
  return std::min({wanted, n, kAnchorEntries / n, std::max<std::size_t>(quick, 1)});
}
}  // namespace

struct VecchiaPosterior::Impl {
  Hyperparameters hyperparameters;
  OutputTransform transform;
  FitStatus status = FitStatus::ok;
  std::string note;
  std::size_t fallbacks = 0;
  CovarianceFactor factor;
  std::size_t columns = 0, dims = 0, width = 0, observed = 0;
  std::vector<double> inverse_length;  ///< dims
  double signal = 1, noise = 0;
  std::vector<double> points, targets, known;  ///< points: scaled, n x dims; known: n
  double best = std::numeric_limits<double>::infinity();
  const VecchiaTiles* tiles = nullptr;
  std::unique_ptr<detail::Pool> pool;
  std::unique_ptr<NearestPoints> nearest;               ///< of all points; null: to be made
  std::unique_ptr<detail::AnchoredPredictor> anchored;  ///< null: predictions by neighbours alone
  std::vector<VecchiaSpace> spaces;
  std::vector<std::int32_t> neighbours;
  std::vector<double> queries, d_mean, d_variance, by_x;
  std::vector<char> failed;

  std::size_t stage(std::span<const double> x, const char* what) const {
    if (columns == 0 || x.size() % columns != 0) {
      throw UsageError(
          fmt::format("{}: {} entries are not a multiple of {} columns", what, x.size(), columns));
    }
    return x.size() / columns;
  }
  void push_scaled(std::span<const double> x, std::vector<double>& to) const {
    for (std::size_t first = 0; first < x.size(); first += columns) {
      for (std::size_t k = 0; k < dims; ++k) {
        to.push_back(x[first + static_cast<std::size_t>(factor.columns[k])] * inverse_length[k]);
      }
    }
  }
  void predict(std::span<const double> x, std::span<double> mean, std::span<double> variance, bool gradient);
  /// Lanes of batch `first` .. that are still marked as failed, with this jitter.
  void predict_batch(VecchiaSpace& space, std::size_t first, std::size_t m, double jitter, bool gradient,
                     std::span<double> mean, std::span<double> variance);
};

void VecchiaPosterior::Impl::predict_batch(VecchiaSpace& space, std::size_t first, std::size_t m,
                                           double jitter, bool gradient, std::span<double> mean,
                                           std::span<double> variance) {
  const auto lanes = static_cast<std::size_t>(tiles->lanes);
  const std::size_t k = std::min(width, targets.size());
  const std::size_t used = std::min(lanes, m - first);
  const double diagonal = noise + jitter * (signal + noise);
  const auto target = static_cast<std::int64_t>(k);
  space.need(*tiles, target + 1, static_cast<std::int64_t>(dims));
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const std::size_t j = first + std::min(lane, used - 1);
    const auto l = static_cast<std::int64_t>(lane);
    std::int64_t count = 0;
    for (; count < target; ++count) {
      const std::int32_t point = neighbours[j * k + static_cast<std::size_t>(count)];
      if (point < 0) break;
      const auto i = static_cast<std::size_t>(point);
      space.set(count, l, &points[i * dims], targets[i] - hyperparameters.mean, diagonal + known[i]);
    }
    space.count(l, count);
    for (std::int64_t slot = count; slot <= target; ++slot) space.set(slot, l, &queries[j * dims], 0.0, 0.0);
  }
  tiles->predict(
      space.batch(static_cast<std::int32_t>(factor.kind), signal, detail::kSmallestVariance * signal),
      gradient, space.out());
  for (std::size_t lane = 0; lane < used; ++lane) {
    const std::size_t j = first + lane;
    if (failed[j] == 0) continue;
    const auto row = [&](std::size_t r) { return space.out()[r * lanes + lane]; };
    bool fine = std::isfinite(row(0)) && std::isfinite(row(1));
    for (std::size_t r = 2; gradient && r < 2 + 2 * dims; ++r) fine = fine && std::isfinite(row(r));
    if (!fine) continue;
    failed[j] = 0;
    mean[j] = hyperparameters.mean + row(0);
    variance[j] = std::max(row(1), detail::kSmallestVariance * signal);
    for (std::size_t r = 0; gradient && r < 2 * dims; ++r) by_x[j * 2 * dims + r] = row(2 + r);
  }
}

void VecchiaPosterior::Impl::predict(std::span<const double> x, std::span<double> mean,
                                     std::span<double> variance, bool gradient) {
  const std::size_t m = mean.size();
  failed.assign(m, 1);
  by_x.assign(gradient ? m * 2 * dims : 0, 0.0);
  if (status != FitStatus::failed && m > 0) {
    queries.clear();
    push_scaled(x, queries);
    if (anchored != nullptr) {
      fallbacks += anchored->predict(queries, mean, variance, by_x);
      for (std::size_t j = 0; j < m; ++j)
        failed[j] = std::isfinite(mean[j]) && std::isfinite(variance[j]) ? 0 : 1;
    }
    const std::size_t k = anchored != nullptr ? 0 : std::min(width, targets.size());
    neighbours.resize(m * k);
    if (k > 0) {
      if (nearest == nullptr) nearest = std::make_unique<NearestPoints>(*tiles, points, dims);
      nearest->find(*pool, queries, k, neighbours);
    }
    const auto lanes = static_cast<std::size_t>(tiles->lanes);
    const std::size_t batches = anchored != nullptr ? 0 : (m + lanes - 1) / lanes;
    pool->run(static_cast<std::int64_t>(batches), [&](std::int64_t task, int worker) {
      const std::size_t first = static_cast<std::size_t>(task) * lanes;
      for (const double jitter : detail::kJitterSteps) {
        predict_batch(spaces[static_cast<std::size_t>(worker)], first, m, jitter, gradient, mean, variance);
        const auto end = failed.begin() + static_cast<std::ptrdiff_t>(std::min(m, first + lanes));
        if (std::find(failed.begin() + static_cast<std::ptrdiff_t>(first), end, 1) == end) break;
      }
    });
  }
  for (std::size_t j = 0; j < m; ++j) {
    if (failed[j] == 0) continue;
    const auto row = x.subspan(j * columns, columns);
    const bool finite = std::all_of(row.begin(), row.end(), [](double v) { return std::isfinite(v); });
    ++fallbacks;
    mean[j] = finite ? hyperparameters.mean : std::numeric_limits<double>::quiet_NaN();
    variance[j] = finite ? signal : std::numeric_limits<double>::quiet_NaN();
  }
}

VecchiaPosterior::VecchiaPosterior(Backend& backend, const GpData& data,
                                   const Hyperparameters& hyperparameters, const OutputTransform& transform,
                                   const VecchiaOptions& vecchia)
    : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.factor = detail::stationary_factor(data.spec(), "VecchiaPosterior");
  data.spec().check();
  detail::check_count(hyperparameters, data.layout(), "VecchiaPosterior: the hyperparameters");
  if (data.columns.size() != data.n * data.column_count() || data.y.size() != data.n ||
      (!data.noise.empty() && data.noise.size() != data.n)) {
    throw UsageError("VecchiaPosterior: the shapes of n, columns, y and noise do not match");
  }
  if (vecchia.prediction_neighbours < 1) {
    throw UsageError(fmt::format("VecchiaPosterior: {} neighbours for predictions; allowed is 1 or more",
                                 vecchia.prediction_neighbours));
  }
  impl.hyperparameters = hyperparameters;
  impl.transform = transform;
  impl.columns = data.column_count();
  impl.dims = impl.factor.columns.size();
  impl.width = static_cast<std::size_t>(vecchia.prediction_neighbours);
  impl.observed = data.n;
  for (const std::int32_t group : impl.factor.groups) {
    impl.inverse_length.push_back(
        std::exp(-hyperparameters.log_lengthscale[static_cast<std::size_t>(group)]));
  }
  impl.signal = std::exp(hyperparameters.log_signal_variance.front());
  impl.noise = std::exp(hyperparameters.log_noise_variance);
  impl.points.reserve(data.n * impl.dims);
  impl.push_scaled(data.columns, impl.points);
  for (const double y : data.y) {
    impl.targets.push_back(transform.forward(y));
    impl.best = std::min(impl.best, impl.targets.back());
  }
  impl.known = detail::model_noise(data, transform);
  impl.known.resize(data.n, 0.0);
  impl.tiles = &detail::vecchia_tiles(backend);
  impl.pool = detail::vecchia_pool(backend, vecchia);
  impl.spaces.resize(static_cast<std::size_t>(impl.pool->threads()));
  const auto finite = [](const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  };
  if (!finite(impl.points) || !finite(impl.targets) || !finite(impl.known) || !std::isfinite(impl.signal) ||
      !std::isfinite(impl.noise) || !std::isfinite(hyperparameters.mean)) {
    impl.status = FitStatus::failed;
    impl.note = "the data or the hyperparameters are not finite: the prior is used";
    return;
  }
  if (vecchia.anchors == 0 || data.n == 0) return;
  std::vector<std::int32_t> anchors(data.n);
  std::iota(anchors.begin(), anchors.end(), 0);
  const std::size_t count = anchor_count(vecchia.anchors, data.n);
  Random random(0, data.n, Purpose::vecchia);
  for (std::size_t i = 0; i < count; ++i) std::swap(anchors[i], anchors[i + random.below(data.n - i)]);
  anchors.resize(count);
  std::sort(anchors.begin(), anchors.end());
  const detail::Tiles* tiles = detail::tiles_by_name(impl.tiles->name);
  impl.anchored = std::make_unique<detail::AnchoredPredictor>(
      *impl.pool, *tiles, *impl.tiles,
      detail::AnchoredPredictor::Model{impl.factor.kind, impl.signal, impl.noise, hyperparameters.mean,
                                       impl.dims},
      impl.points, impl.targets, impl.known, anchors, impl.width);
  if (!impl.anchored->ok()) {
    impl.anchored.reset();
    impl.status = FitStatus::fell_back;
    impl.note =
        "the anchors' covariance is not positive definite, whatever the jitter: neighbours alone are used";
  }
}

VecchiaPosterior::VecchiaPosterior(VecchiaPosterior&&) noexcept = default;
VecchiaPosterior& VecchiaPosterior::operator=(VecchiaPosterior&&) noexcept = default;
VecchiaPosterior::~VecchiaPosterior() = default;

FitStatus VecchiaPosterior::status() const {
  return impl_->status;
}
const std::string& VecchiaPosterior::note() const {
  return impl_->note;
}
std::size_t VecchiaPosterior::fallbacks() const {
  return impl_->fallbacks;
}
std::size_t VecchiaPosterior::size() const {
  return impl_->targets.size();
}
std::size_t VecchiaPosterior::pending() const {
  return impl_->targets.size() - impl_->observed;
}
std::size_t VecchiaPosterior::column_count() const {
  return impl_->columns;
}
const Hyperparameters& VecchiaPosterior::hyperparameters() const {
  return impl_->hyperparameters;
}
const OutputTransform& VecchiaPosterior::transform() const {
  return impl_->transform;
}
std::span<const double> VecchiaPosterior::targets() const {
  return impl_->targets;
}
double VecchiaPosterior::best_target() const {
  return impl_->best;
}

void VecchiaPosterior::evaluate(std::span<const double> x, std::span<double> mean,
                                std::span<double> variance) {
  const std::size_t m = impl_->stage(x, "VecchiaPosterior::evaluate");
  if (mean.size() != m || variance.size() != m) {
    throw UsageError(fmt::format("VecchiaPosterior::evaluate: {} candidates, room for {} and {}", m,
                                 mean.size(), variance.size()));
  }
  impl_->predict(x, mean, variance, false);
}

void VecchiaPosterior::evaluate_with_gradient(std::span<const double> x, std::span<double> mean,
                                              std::span<double> variance, const Adjoint& adjoint,
                                              std::span<double> dx) {
  Impl& impl = *impl_;
  const std::size_t m = impl.stage(x, "VecchiaPosterior::evaluate_with_gradient");
  if (mean.size() != m || variance.size() != m || dx.size() != x.size()) {
    throw UsageError(fmt::format(
        "VecchiaPosterior::evaluate_with_gradient: {} candidates, room for {}, {} and {} entries of dx", m,
        mean.size(), variance.size(), dx.size()));
  }
  impl.predict(x, mean, variance, true);
  impl.d_mean.assign(m, 0.0);
  impl.d_variance.assign(m, 0.0);
  adjoint(0, mean, variance, impl.d_mean, impl.d_variance);
  std::fill(dx.begin(), dx.end(), 0.0);
  for (std::size_t j = 0; j < m; ++j) {
    if (impl.failed[j] != 0) continue;  // the prior is flat
    const double* by_mean = &impl.by_x[j * 2 * impl.dims];
    const double* by_variance = by_mean + impl.dims;
    for (std::size_t k = 0; k < impl.dims; ++k) {
      dx[j * impl.columns + static_cast<std::size_t>(impl.factor.columns[k])] +=
          (impl.d_mean[j] * by_mean[k] + impl.d_variance[j] * by_variance[k]) * impl.inverse_length[k];
    }
  }
}

void VecchiaPosterior::condition_on(std::span<const double> x) {
  Impl& impl = *impl_;
  const std::size_t m = impl.stage(x, "VecchiaPosterior::condition_on");
  for (std::size_t j = 0; j < m; ++j) {
    const auto row = x.subspan(j * impl.columns, impl.columns);
    double mean = 0;
    double variance = 0;
    impl.predict(row, {&mean, 1}, {&variance, 1}, false);
    if (!std::isfinite(mean)) throw UsageError("VecchiaPosterior::condition_on: a point is not finite");
    impl.push_scaled(row, impl.points);
    if (impl.anchored != nullptr) {
      impl.anchored->add(std::span(impl.points).last(impl.dims), mean, 0.0);
    }
    impl.targets.push_back(mean);
    impl.known.push_back(0.0);
    impl.nearest.reset();
  }
}

void VecchiaPosterior::forget_pending() {
  Impl& impl = *impl_;
  if (impl.targets.size() == impl.observed) return;
  if (impl.anchored != nullptr) impl.anchored->drop(pending());
  impl.targets.resize(impl.observed);
  impl.known.resize(impl.observed);
  impl.points.resize(impl.observed * impl.dims);
  impl.nearest.reset();
}

}  // namespace krigon
