#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "model/likelihood.hpp"
#include "model/vecchia.hpp"
#include "model/vecchia_likelihood.hpp"
#include "optim/lbfgsb.hpp"

namespace krigon {

namespace {

using detail::VecchiaLikelihood;

constexpr int kMemory = 25;
constexpr int kSampleIterations = 30;
constexpr int kFullIterations = 15;
/// Points that choose among starts.
constexpr std::size_t kFewPoints = 1000;
/// Beyond so many, iterations of the exact fit are as dear as all others together: so many are done, after
/// which held-out points are predicted no better.
constexpr std::size_t kManyPoints = 2000;
constexpr int kExactIterations = 12;
/// Of the single starts: by how much the logarithms of their lengthscales, and of their standard deviation,
/// exceed the prior's mode.
constexpr double kLonger[] = {0.0, 0.75, 1.5};
/// Points that candidates for the hyperparameters are judged by, at most; or a fifth of all.
constexpr std::size_t kHeldOut = 500;
/// In nats, of 1,000 points; both grow with sqrt(n / 1000).
constexpr double kMinDecrease = 0.02;

void check(const GpData& data, const VecchiaOptions& vecchia, std::string_view what) {
  detail::stationary_factor(data.spec(), what);
  data.spec().check();
  if (vecchia.neighbours < 1 || vecchia.prediction_neighbours < 1 || vecchia.subset < 1 ||
      vecchia.sample < 1) {
    throw UsageError(fmt::format(
        "{}: {} neighbours, {} for predictions, a subset of {}, a sample of {}; allowed is 1 or more", what,
        vecchia.neighbours, vecchia.prediction_neighbours, vecchia.subset, vecchia.sample));
  }
}

/// The best of the usual fit and of single starts, each searched to its end.
FitResult best_of_starts(Backend& backend, const GpData& data, const FitOptions& options) {
  FitResult best = fit(backend, data, options);
  const Priors priors = options.priors.value_or(Priors::for_groups(data.group_count()));
  const auto within = [](double value, const LogNormalPrior& prior) {
    return std::clamp(value, prior.lower, prior.upper);
  };
  for (const double longer : kLonger) {
    Hyperparameters start = prior_mode(priors, data);
    for (double& l : start.log_lengthscale) l = within(l + longer, priors.lengthscale);
    for (double& v : start.log_signal_variance) v = within(v + 2 * longer, priors.signal_variance);
    start.log_noise_variance = within(std::log(0.01), priors.noise_variance);
    FitOptions single = options;
    single.warm_start = start;
    single.starts = 1;
    FitResult other = fit(backend, data, single);
    if (other.status != FitStatus::failed &&
        (best.status == FitStatus::failed || other.log_posterior > best.log_posterior)) {
      best = std::move(other);
    }
  }
  return best;
}

/// `count` of the points, evenly by their index.
GpData every_so_many(const GpData& data, std::size_t count) {
  if (count == data.n) return data;
  GpData few;
  few.n = count;
  few.groups = data.groups;
  few.covariance = data.covariance;
  const std::size_t dims = data.column_count();
  for (std::size_t f = 0; f < count; ++f) {
    const std::size_t i = f * data.n / count;
    const auto row = data.columns.begin() + static_cast<std::ptrdiff_t>(i * dims);
    few.columns.insert(few.columns.end(), row, row + static_cast<std::ptrdiff_t>(dims));
    few.y.push_back(data.y[i]);
    if (!data.noise.empty()) few.noise.push_back(data.noise[i]);
  }
  return few;
}

/// The exact fit of at most `count` of the points, as hyperparameters in the units of z.
FitResult fit_subset(Backend& backend, const GpData& data, std::span<const double> z,
                     std::span<const double> noise, const FitOptions& options, std::size_t count) {
  std::vector<std::size_t> index(data.n);
  std::iota(index.begin(), index.end(), std::size_t{0});
  if (count < data.n) {
    Random random(options.seed, options.stream, Purpose::vecchia);
    for (std::size_t i = 0; i < count; ++i) std::swap(index[i], index[i + random.below(data.n - i)]);
    index.resize(count);
    std::sort(index.begin(), index.end());
  }
  GpData part;
  part.n = index.size();
  part.groups = data.groups;
  part.covariance = data.covariance;
  const std::size_t dims = data.column_count();
  for (const std::size_t i : index) {
    const auto row = data.columns.begin() + static_cast<std::ptrdiff_t>(i * dims);
    part.columns.insert(part.columns.end(), row, row + static_cast<std::ptrdiff_t>(dims));
    part.y.push_back(z[i]);
    if (!noise.empty()) part.noise.push_back(noise[i]);
  }
  FitOptions exact = options;
  exact.output = OutputScaling::standardise;
  // On few points from usual starts, and from where outputs vary slowly and much: short and long lengthscales
  // are often two optima, and the search would stay with the first that it meets. From there on twice as many
  // points at a time: the optimum moves on with their number, towards longer lengthscales.
  std::size_t some = std::min(part.n, kFewPoints);
  FitResult result = best_of_starts(backend, every_so_many(part, some), exact);
  while (some < part.n) {
    some = std::min(part.n, 2 * some);
    exact.warm_start = result.hyperparameters;
    exact.starts = 1;
    if (some > kManyPoints) exact.max_iterations = std::min(options.max_iterations, kExactIterations);
    result = fit(backend, every_so_many(part, some), exact);
  }
  // From the subset's standardised outputs back to all points'.
  const double spread = result.transform.spread / result.transform.factor;
  Hyperparameters& h = result.hyperparameters;
  const Priors priors = options.priors.value_or(Priors::for_groups(data.group_count()));
  const auto moved = [&](double log_variance, const LogNormalPrior& prior) {
    return std::clamp(log_variance + 2 * std::log(spread), prior.lower, prior.upper);
  };
  for (double& log_variance : h.log_signal_variance)
    log_variance = moved(log_variance, priors.signal_variance);
  h.log_noise_variance = moved(h.log_noise_variance, priors.noise_variance);
  h.mean = h.mean * spread + result.transform.centre / result.transform.factor;
  return result;
}

/// Mean log predictive density of a few points, given all others.
class HeldOut {
 public:
  HeldOut(Backend& backend, const GpData& data, const OutputTransform& transform, const FitOptions& options,
          const VecchiaOptions& vecchia)
      : backend_(backend), transform_(transform), vecchia_(vecchia) {
    const std::size_t count = std::min(kHeldOut, data.n / 5);
    const std::size_t dims = data.column_count();
    std::vector<char> out(data.n, 0);
    Random random(options.seed, options.stream + data.n, Purpose::vecchia);
    for (std::size_t left = count; left > 0;) {
      char& one = out[random.below(data.n)];
      left -= one == 0 ? 1 : 0;
      one = 1;
    }
    rest_.groups = held_.groups = data.groups;
    rest_.covariance = held_.covariance = data.covariance;
    for (std::size_t i = 0; i < data.n; ++i) {
      GpData& to = out[i] != 0 ? held_ : rest_;
      const auto row = data.columns.begin() + static_cast<std::ptrdiff_t>(i * dims);
      to.columns.insert(to.columns.end(), row, row + static_cast<std::ptrdiff_t>(dims));
      to.y.push_back(data.y[i]);
      if (!data.noise.empty()) to.noise.push_back(data.noise[i]);
      ++to.n;
    }
  }

  double operator()(const Hyperparameters& hyperparameters) const {
    if (held_.n == 0) return 0;
    VecchiaPosterior posterior(backend_, rest_, hyperparameters, transform_, vecchia_);
    std::vector<double> mean(held_.n);
    std::vector<double> variance(held_.n);
    posterior.evaluate(held_.columns, mean, variance);
    const std::vector<double> known = detail::model_noise(held_, transform_);
    double sum = 0;
    for (std::size_t i = 0; i < held_.n; ++i) {
      const double v =
          variance[i] + std::exp(hyperparameters.log_noise_variance) + (known.empty() ? 0.0 : known[i]);
      const double error = transform_.forward(held_.y[i]) - mean[i];
      sum -= 0.5 * (std::log(v) + error * error / v);
    }
    return sum / static_cast<double>(held_.n);
  }

 private:
  Backend& backend_;
  const OutputTransform& transform_;
  const VecchiaOptions& vecchia_;
  GpData rest_, held_;
};

}  // namespace

FitResult fit_vecchia(Backend& backend, const GpData& data, const FitOptions& options,
                      const VecchiaOptions& vecchia) {
  check(data, vecchia, "fit_vecchia");
  // No points: the same answer, and the same complaints about shapes.
  if (data.n == 0 || data.columns.size() != data.n * data.column_count() || data.y.size() != data.n ||
      (!data.noise.empty() && data.noise.size() != data.n) || options.starts < 1) {
    return fit(backend, data, options);
  }
  if (options.warm_start)
    detail::check_count(*options.warm_start, data.layout(), "fit_vecchia: the warm start");
  const Priors priors = options.priors.value_or(Priors::for_groups(data.group_count()));
  FitResult result;
  result.hyperparameters = prior_mode(priors, data);
  const auto finite = [](const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  };
  if (!finite(data.y) || !finite(data.columns) || !finite(data.noise)) {
    result.note =
        "an output, a column or a noise variance is not finite; the prior's hyperparameters are used";
    return result;
  }
  result.transform = OutputTransform::of(data.y, options.output);
  std::vector<double> z;
  z.reserve(data.n);
  for (const double y : data.y) z.push_back(result.transform.forward(y));
  const std::vector<double> noise = detail::model_noise(data, result.transform);

  const auto pool = detail::vecchia_pool(backend, vecchia);
  VecchiaLikelihood objective(*pool, detail::vecchia_tiles(backend), data, z, noise, &priors);
  const std::size_t parameters = objective.dimension();
  std::vector<double> theta = detail::pack(options.warm_start.value_or(result.hyperparameters));
  if (options.optimise) {
    const FitResult subset = fit_subset(backend, data, z, noise, options, vecchia.subset);
    if (subset.status != FitStatus::failed) theta = detail::pack(subset.hyperparameters);
  }
  for (std::size_t i = 0; i < parameters; ++i) {
    theta[i] = std::clamp(theta[i], objective.lower()[i], objective.upper()[i]);
  }

  const auto m = static_cast<std::size_t>(vecchia.neighbours);
  const double coarse = std::sqrt(std::max(1.0, static_cast<double>(data.n) / 1000));
  const auto refine = [&](std::size_t terms, int iterations) {
    objective.condition(theta, m, terms, options.seed);
    const LbfgsbOptions lbfgsb{.memory = kMemory,
                               .max_iterations = std::min(iterations, options.max_iterations),
                               .max_evaluations = 2 * iterations + 10,
                               .tolerance = options.tolerance * coarse,
                               .min_decrease = kMinDecrease * coarse};
    const auto found =
        minimise_lbfgsb([&](std::span<const std::size_t>, std::span<const double> at, std::span<double> value,
                            std::span<double> gradient) { objective(at, value.front(), gradient); },
                        parameters, theta, objective.lower(), objective.upper(), lbfgsb);
    result.iterations += found.front().iterations;
    if (std::isfinite(found.front().value)) theta = found.front().x;
  };
  if (options.optimise && vecchia.subset < data.n) {
    // The neighbours' likelihood sees short distances best. Where outputs vary slowly it prefers lengthscales
    // that are too short, so that a step is kept only where it predicts held-out points better.
    const HeldOut held(backend, data, result.transform, options, vecchia);
    const ThetaLayout layout = data.layout();
    double score = held(detail::unpack(theta, layout));
    const auto improves = [&](std::size_t terms, int iterations) {
      const std::vector<double> before = theta;
      refine(terms, iterations);
      const double now = held(detail::unpack(theta, layout));
      const bool better = now > score || (std::isfinite(now) && !std::isfinite(score));
      if (better) {
        score = now;
      } else {
        theta = before;
      }
      return better;
    };
    if (vecchia.sample >= data.n || improves(vecchia.sample, kSampleIterations))
      improves(data.n, kFullIterations);
  }
  objective.condition(theta, m, data.n, options.seed);

  double value = 0;
  std::vector<double> gradient(parameters);
  objective(theta, value, gradient);
  result.evaluations = objective.evaluations();
  result.jitter = objective.jitter();
  if (!std::isfinite(value)) {
    result.note =
        "the approximate likelihood is not finite, whatever the jitter; the prior's hyperparameters are used";
    return result;
  }
  result.hyperparameters = detail::unpack(theta, data.layout());
  result.log_posterior = -value;
  result.status = FitStatus::ok;
  if (result.jitter > 0) {
    result.status = FitStatus::fell_back;
    result.note = fmt::format("jitter {:.0e} of the mean diagonal was needed", result.jitter);
  }
  return result;
}

VecchiaDensity vecchia_density(Backend& backend, const GpData& data, const Hyperparameters& hyperparameters,
                               const OutputTransform& transform, const VecchiaOptions& vecchia) {
  check(data, vecchia, "vecchia_density");
  detail::check_count(hyperparameters, data.layout(), "vecchia_density: the hyperparameters");
  if (data.columns.size() != data.n * data.column_count() || data.y.size() != data.n ||
      (!data.noise.empty() && data.noise.size() != data.n)) {
    throw UsageError("vecchia_density: the shapes of n, columns, y and noise do not match");
  }
  std::vector<double> z;
  for (const double y : data.y) z.push_back(transform.forward(y));
  const auto pool = detail::vecchia_pool(backend, vecchia);
  VecchiaLikelihood objective(*pool, detail::vecchia_tiles(backend), data, z,
                              detail::model_noise(data, transform), nullptr);
  const std::vector<double> theta = detail::pack(hyperparameters);
  VecchiaDensity density;
  density.gradient.resize(objective.dimension());
  objective.condition(theta, static_cast<std::size_t>(vecchia.neighbours), data.n, 0);
  objective(theta, density.log_density, density.gradient);
  density.log_density = -density.log_density;
  for (double& g : density.gradient) g = -g;
  density.jitter = objective.jitter();
  return density;
}

}  // namespace krigon
