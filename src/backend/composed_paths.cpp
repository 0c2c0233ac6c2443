// Sample paths conditioned by Matheron's rule (Wilson, Borovitskiy, Terenin, Mostowsky, Deisenroth 2020,
// "Efficiently sampling functions from Gaussian process posteriors"):
//   f(x) = prior(x) + k(x, X) K^-1 (y - prior(X) - noise)

#include <algorithm>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "backend/composed.hpp"
#include "krigon/error.hpp"

namespace krigon {

using detail::ComposedPosterior;

namespace {

class ComposedPaths final : public ResidentPaths {
 public:
  explicit ComposedPaths(Backend& backend) : work(backend) {}
  std::int64_t waves = 0;
  std::int64_t features = 0;
  std::int64_t n = 0;
  Buffer wave;     ///< F + 2 x R
  Buffer weight;   ///< R x S
  Buffer linear;   ///< F x S, or empty
  Buffer updates;  ///< n x S: K^-1 (y - prior(X) - noise)
  std::vector<double> host_wave, host_weight;
  std::vector<Buffer> slope;  ///< of single paths, made when asked for: F + 2 x R, see slope_of
  std::shared_ptr<const ResidentCovariance> covariance;
  Buffer theta;   ///< one column
  Buffer points;  ///< F x n, the features
  detail::WorkSpace work;

  ConstView wave_view() const { return {wave.data(), features + 2, waves, features + 2}; }
  ConstView weight_view() const { return {weight.data(), waves, samples, std::max<std::int64_t>(waves, 1)}; }
  ConstView linear_view() const { return {linear.data(), features, samples, features}; }
  View updates_view() const { return {updates.data(), n, samples, std::max<std::int64_t>(n, 1)}; }
  View theta_view() const { return {theta.data(), covariance->layout.rows(), 1, covariance->layout.rows()}; }
  ConstView mean_view() const { return {theta.data() + covariance->layout.mean(), 1, 1, 1}; }
  View points_view() const { return {points.data(), features, n, features}; }

  /// The waves whose sum is what path `sample` changes by along each frequency: of
  /// w a cos(f'u + p) that is -w a sin(f'u + p) = -w a cos(f'u + p - pi/2).
  ConstView slope_of(Backend& backend, std::size_t sample) {
    slope.resize(static_cast<std::size_t>(samples));
    const auto rows = static_cast<std::size_t>(features + 2), count = static_cast<std::size_t>(waves);
    if (slope[sample].size() == 0 && count > 0) {
      std::vector<double> made = host_wave;
      for (std::size_t r = 0; r < count; ++r) {
        made[r * rows + rows - 2] -= std::numbers::pi / 2;
        made[r * rows + rows - 1] *= -host_weight[sample * count + r];
      }
      slope[sample] = backend.allocate(made.size());
      backend.upload(made, slope[sample].data());
    }
    return {slope[sample].data(), features + 2, waves, features + 2};
  }
};

enum PathSlot : std::size_t { kWaves, kFeatures, kCross, kFeatureChange };

void check(const HostPaths& host, std::int64_t n, std::int64_t features) {
  const auto size = [](std::int64_t count) { return static_cast<std::size_t>(count); };
  const std::size_t waves = size(host.waves);
  const std::size_t samples = size(host.samples);
  if (host.samples < 0 || host.waves < 0 || host.frequencies.size() != size(features) * waves ||
      host.phases.size() != waves || host.amplitudes.size() != waves ||
      host.weights.size() != waves * samples ||
      (!host.linear.empty() && host.linear.size() != size(features) * samples) ||
      host.noise.size() != size(n) * samples) {
    throw UsageError(
        fmt::format("prepare_paths: the shapes do not match {} samples, {} waves, {} points, {} features",
                    host.samples, host.waves, n, features));
  }
}

}  // namespace

ComposedBackend::PathBasis ComposedBackend::path_basis(ResidentPosterior& resident) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  return {model.covariance,
          model.theta_view(),
          model.features_view(),
          model.factor_view(),
          {model.targets.data(), model.n, 1, model.leading()}};
}

std::unique_ptr<ResidentPaths> ComposedBackend::prepare_paths(ResidentPosterior& model,
                                                              const HostPaths& host) {
  const PathBasis basis = path_basis(model);
  const std::int64_t features = basis.covariance->features;
  check(host, model.n, features);
  auto paths = std::make_unique<ComposedPaths>(*this);
  paths->samples = host.samples;
  paths->waves = host.waves;
  paths->features = features;
  paths->n = model.n;
  paths->covariance = basis.covariance;
  paths->theta = allocate(static_cast<std::size_t>(basis.theta.rows));
  add(1, basis.theta, 0, paths->theta_view());
  paths->points = allocate(static_cast<std::size_t>(features * model.n));
  add(1, basis.features, 0, paths->points_view());
  const auto put = [this](std::span<const double> values) {
    Buffer buffer = allocate(values.size());
    if (!values.empty()) upload(values, buffer.data());
    return buffer;
  };
  std::vector<double> wave;
  for (std::size_t r = 0; r < host.phases.size(); ++r) {
    const auto frequency =
        host.frequencies.subspan(r * static_cast<std::size_t>(features), static_cast<std::size_t>(features));
    wave.insert(wave.end(), frequency.begin(), frequency.end());
    wave.insert(wave.end(), {host.phases[r], host.amplitudes[r]});
  }
  paths->wave = put(wave);
  paths->host_wave = std::move(wave);
  paths->host_weight.assign(host.weights.begin(), host.weights.end());
  paths->weight = put(host.weights);
  paths->linear = put(host.linear);
  paths->updates = put(host.noise);
  const View updates = paths->updates_view();
  if (updates.rows == 0 || updates.columns == 0) return paths;
  const View at_points = paths->work.matrix(kWaves, host.waves, model.n);
  waves(paths->wave_view(), paths->points_view(), at_points);
  // updates holds the noise: y - c - noise - prior(X), column by column.
  gemm(-1, at_points, Transpose::yes, paths->weight_view(), Transpose::no, -1, updates);
  if (paths->linear.size() > 0) {
    gemm(-1, paths->points_view(), Transpose::yes, paths->linear_view(), Transpose::no, 1, updates);
  }
  const View columns{updates.data, model.n, 1, updates.leading, host.samples, updates.leading};
  add(1, basis.targets, 1, columns);
  add(-1, paths->mean_view(), 1, updates);
  triangular_solve(basis.factor, Transpose::no, updates);
  triangular_solve(basis.factor, Transpose::yes, updates);
  return paths;
}

void ComposedBackend::paths(ResidentPosterior& model, ResidentPaths& drawn, ConstView x, View out) {
  auto& paths = static_cast<ComposedPaths&>(drawn);
  if (x.rows != model.columns || out.rows != paths.samples || out.columns != x.columns) {
    throw UsageError(fmt::format("paths: x needs {} rows, out {}, and as many columns each", model.columns,
                                 paths.samples));
  }
  const std::int64_t portion =
      std::max<std::int64_t>(1, work_budget() / (paths.n + paths.waves + paths.features + 1));
  for (std::int64_t first = 0; first < x.columns; first += portion) {
    const std::int64_t count = std::min(portion, x.columns - first);
    const View to{out.column(first), out.rows, count, out.leading};
    const View z = paths.work.matrix(kFeatures, paths.features, count);
    features(*paths.covariance, {x.column(first), x.rows, count, x.leading}, paths.theta_view(), z);
    const View wave = paths.work.matrix(kWaves, paths.waves, count);
    waves(paths.wave_view(), z, wave);
    add(1, paths.mean_view(), 0, to);
    gemm(1, paths.weight_view(), Transpose::yes, wave, Transpose::no, 1, to);
    if (paths.linear.size() > 0) gemm(1, paths.linear_view(), Transpose::yes, z, Transpose::no, 1, to);
    const View k = paths.work.matrix(kCross, paths.n, count);
    gram(*paths.covariance, paths.points_view(), z, paths.theta_view(), k);
    gemm(1, paths.updates_view(), Transpose::yes, k, Transpose::no, 1, to);
  }
}

void ComposedBackend::path(ResidentPosterior& model, ResidentPaths& drawn, std::int64_t sample, ConstView x,
                           View out, View dx) {
  auto& paths = static_cast<ComposedPaths&>(drawn);
  const bool slopes = dx.data != nullptr;
  if (x.rows != model.columns || out.rows != 1 || out.columns != x.columns || sample < 0 ||
      sample >= paths.samples || (slopes && (dx.rows != x.rows || dx.columns != x.columns))) {
    throw UsageError(
        fmt::format("path: path {} of {}; x and dx need {} rows, out 1, and as many columns each", sample,
                    paths.samples, model.columns));
  }
  const std::int64_t features = paths.features;
  const ResidentCovariance& covariance = *paths.covariance;
  const ConstView all = paths.weight_view();
  const ConstView weight{all.column(sample), all.rows, 1, all.leading};
  const ConstView linear = paths.linear.size() == 0
                               ? ConstView{}
                               : ConstView{paths.linear_view().column(sample), features, 1, features};
  const View update{paths.updates.data() + sample * paths.n, paths.n, 1, std::max<std::int64_t>(paths.n, 1)};
  const std::int64_t portion =
      std::max<std::int64_t>(1, work_budget() / (2 * paths.n + paths.waves + 2 * features + 1));
  for (std::int64_t first = 0; first < x.columns; first += portion) {
    const std::int64_t m = std::min(portion, x.columns - first);
    const ConstView at{x.column(first), x.rows, m, x.leading};
    const View to{out.column(first), 1, m, out.leading};
    const View z = paths.work.matrix(kFeatures, features, m);
    this->features(covariance, at, paths.theta_view(), z);
    const View wave = paths.work.matrix(kWaves, paths.waves, m);
    waves(paths.wave_view(), z, wave);
    add(1, paths.mean_view(), 0, to);
    gemm(1, weight, Transpose::yes, wave, Transpose::no, 1, to);
    if (linear.data != nullptr) gemm(1, linear, Transpose::yes, z, Transpose::no, 1, to);
    const View k = paths.work.matrix(kCross, paths.n, m);
    gram(covariance, paths.points_view(), z, paths.theta_view(), k);
    gemm(1, update, Transpose::yes, k, Transpose::no, 1, to);
    if (!slopes) continue;
    const View dz = paths.work.matrix(kFeatureChange, features, m);
    waves(paths.slope_of(*this, static_cast<std::size_t>(sample)), z, wave);
    gemm(1, {paths.wave.data(), features, paths.waves, features + 2}, Transpose::no, wave, Transpose::no, 0,
         dz);
    // One column for every candidate: members of a batch.
    if (linear.data != nullptr) add(1, linear, 1, {dz.data, features, 1, dz.leading, m, dz.leading});
    if (paths.n > 0) {
      add(1, update, 0, {k.data, paths.n, 1, k.leading, m, k.leading});
      gram_vjp(covariance, paths.points_view(), z, paths.theta_view(), k, {}, dz, {});
    }
    const View change{dx.column(first), dx.rows, m, dx.leading};
    add(0, {}, 0, change);
    features_vjp(covariance, at, paths.theta_view(), dz, {}, change);
  }
}

}  // namespace krigon
