#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "backend/blas.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"
#include "optim/lbfgsb.hpp"

namespace krigon {

namespace {

using detail::NegativeLogPosterior;

constexpr int kScreenIterations = 12;
constexpr std::size_t kScreenShare = 4;
constexpr std::size_t kMostScreenPoints = 512;
/// That start a fit on all points, and how far they race; then the leader alone goes on.
constexpr std::size_t kFinalists = 2;
constexpr int kRaceEvaluations = 8;
/// Of a logarithm: further away the model knows nothing, and what is tried there is mostly far too high.
constexpr double kMaxStep = 1;
/// One of them that falls so far behind ends: mostly both are on their way to the same optimum.
constexpr double kHopelessGains = 10;
/// And one that is in the basin where the other has ended, no more than that from it in any logarithm.
constexpr double kMergeDistance = 1;
/// Pairs that a search remembers, at most. Of few points the model's own arithmetic is as dear as the
/// likelihood's: then but one more than there are hyperparameters.
constexpr std::size_t kMemory = 25;
constexpr double kDifference = 1e-3;      ///< of a logarithm, for second derivatives
constexpr double kLeastCurvature = 0.05;  ///< about that of the priors
const double kStartNoise = std::log(0.01);
/// In nats; two iterations in a row that gain less end a fit.
constexpr double kMinDecrease = 0.002;

void check_shapes(const GpData& data, const FitOptions& options) {
  if (data.columns.size() != data.n * data.column_count() || data.y.size() != data.n) {
    throw UsageError(fmt::format(
        "fit: {} points of {} columns need {} column entries and {} outputs, got {} and {}", data.n,
        data.column_count(), data.n * data.column_count(), data.n, data.columns.size(), data.y.size()));
  }
  if (data.column_count() == 0) throw UsageError("fit: the data has no column");
  if (std::any_of(data.groups.begin(), data.groups.end(), [](std::int32_t g) { return g < 0; })) {
    throw UsageError("fit: a group is negative");
  }
  if (options.starts < 1)
    throw UsageError(fmt::format("fit: {} starts; allowed is 1 or more", options.starts));
  data.spec().check();
  if (static_cast<std::size_t>(data.spec().columns()) > data.column_count()) {
    throw UsageError(fmt::format("fit: the covariance is over {} columns, the data has {}",
                                 data.spec().columns(), data.column_count()));
  }
  if (!data.noise.empty() && data.noise.size() != data.n) {
    throw UsageError(fmt::format("fit: {} noise variances for {} points", data.noise.size(), data.n));
  }
  if (options.warm_start) detail::check_count(*options.warm_start, data.layout(), "fit: the warm start");
}

/// Half a prior's standard deviation around its mode: wide enough for other basins, rarely hopeless.
Hyperparameters scattered(const Priors& priors, const ThetaLayout& layout, Random& random) {
  const auto draw = [&](const LogNormalPrior& p) {
    return std::clamp(p.location + 0.5 * p.scale * random.normal(), p.lower, p.upper);
  };
  Hyperparameters h;
  for (std::int64_t g = 0; g < layout.groups; ++g) h.log_lengthscale.push_back(draw(priors.lengthscale));
  for (std::int64_t p = 0; p < layout.periods; ++p) h.log_period.push_back(draw(priors.period));
  h.log_signal_variance.clear();
  for (std::int64_t t = 0; t < layout.terms; ++t)
    h.log_signal_variance.push_back(draw(priors.signal_variance));
  h.log_noise_variance =
      std::max(draw(priors.noise_variance), std::min(kStartNoise, priors.noise_variance.upper));
  return h;
}

std::vector<double> start_rows(const FitOptions& options, const Priors& priors, const ThetaLayout& layout,
                               Random& random) {
  std::vector<double> rows;
  const auto add = [&](const Hyperparameters& h) {
    const auto row = detail::pack(h);
    rows.insert(rows.end(), row.begin(), row.end());
  };
  int left = options.starts;
  if (options.warm_start && left-- > 0) add(*options.warm_start);
  if (left-- > 0) {
    // Noise is cheap to lower and dear to raise: with little of it the likelihood is a narrow ridge.
    Hyperparameters mode = detail::prior_mode(priors, layout);
    mode.log_noise_variance = std::clamp(std::max(mode.log_noise_variance, kStartNoise),
                                         priors.noise_variance.lower, priors.noise_variance.upper);
    add(mode);
  }
  while (left-- > 0) add(scattered(priors, layout, random));
  return rows;
}

/// Points drawn without replacement, in ascending order.
std::vector<std::size_t> draw_points(std::size_t n, std::size_t count, Random& random) {
  std::vector<std::size_t> index(n);
  std::iota(index.begin(), index.end(), std::size_t{0});
  for (std::size_t i = 0; i < count; ++i) std::swap(index[i], index[i + random.below(n - i)]);
  index.resize(count);
  std::sort(index.begin(), index.end());
  return index;
}

struct Search {
  std::vector<LbfgsbResult> results;
  int iterations = 0;

  /// Those with a finite value, the lowest first; equals in the order of the starts.
  std::vector<const LbfgsbResult*> ranked() const {
    std::vector<const LbfgsbResult*> order;
    for (const auto& result : results) {
      if (std::isfinite(result.value)) order.push_back(&result);
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const auto* a, const auto* b) { return a->value < b->value; });
    return order;
  }
};

struct SearchLimits {
  std::size_t points = 0;
  int max_iterations = 0;
  int race_evaluations = 0;
  double hopeless_gains = 0;
  double merge_distance = 0;
};

Search search(NegativeLogPosterior& objective, std::span<const double> starts, const FitOptions& options,
              const SearchLimits& limits, std::span<const Curvature> known = {}) {
  Search found;
  const std::size_t memory =
      limits.points > kScreenPoints ? kMemory : std::min(kMemory, objective.dimension() + 1);
  const LbfgsbOptions lbfgsb{.memory = static_cast<int>(memory),
                             .max_iterations = limits.max_iterations,
                             .max_evaluations = 2 * limits.max_iterations + 20,
                             .tolerance = options.tolerance,
                             .min_decrease = kMinDecrease,
                             .race_evaluations = limits.race_evaluations,
                             .hopeless_gains = limits.hopeless_gains,
                             .merge_distance = limits.merge_distance,
                             .max_step = kMaxStep};
  found.results = minimise_lbfgsb(
      [&](std::span<const std::size_t>, std::span<const double> theta, std::span<double> value,
          std::span<double> gradient) {
        ++found.iterations;
        objective(theta, value, gradient);
      },
      objective.dimension(), starts, objective.lower(), objective.upper(), lbfgsb, known);
  return found;
}

/// Points of the trial fits. A small part of many points puts the optimum elsewhere, and a quarter costs
/// little beside all of them.
std::size_t screen_points(std::size_t n) {
  return std::clamp(n / kScreenShare, kScreenPoints, std::min(n, kMostScreenPoints));
}

/// The second derivatives at an end of a search, from differences of gradients at the neighbouring points,
/// all evaluated as one batch; `scale` times that, and never less than kLeastCurvature in any direction. As
/// pairs along the eigenvectors, whose quasi-Newton updates make that matrix exactly.
Curvature curvature_at(NegativeLogPosterior& objective, const LbfgsbResult& end, double scale) {
  const std::size_t p = objective.dimension();
  if (p > kMemory) return {};  // in part it would be worse than nothing
  std::vector<double> theta, value(p), gradient(p * p);
  std::vector<double> step(p);
  for (std::size_t i = 0; i < p; ++i) {
    theta.insert(theta.end(), end.x.begin(), end.x.end());
    double& moved = theta[i * p + i];
    step[i] = moved + kDifference <= objective.upper()[i] ? kDifference : -kDifference;
    moved += step[i];
  }
  objective(theta, value, gradient);
  std::vector<double> hessian(p * p);
  for (std::size_t i = 0; i < p; ++i) {
    for (std::size_t j = 0; j < p; ++j) {
      const double second = (gradient[i * p + j] - end.gradient[j]) / step[i];
      if (!std::isfinite(second)) return {};
      hessian[i * p + j] += 0.5 * second;
      hessian[j * p + i] += 0.5 * second;
    }
  }
  const detail::SerialBlas serial;
  std::vector<double> eigenvalue(p);
  const auto order = static_cast<std::int64_t>(p);
  if (detail::lapack_eigenvectors(order, hessian.data(), order, eigenvalue.data()) != 0) return {};
  Curvature known;
  for (std::size_t i = 0; i < p; ++i) {
    // The steepest last: they are forgotten last.
    const double curvature = std::max(scale * std::abs(eigenvalue[i]), kLeastCurvature);
    for (std::size_t j = 0; j < p; ++j) {
      known.steps.push_back(hessian[i * p + j]);
      known.changes.push_back(curvature * hessian[i * p + j]);
    }
  }
  return known;
}

/// Where the search on all points begins.
struct Finalists {
  std::vector<double> starts;
  std::vector<Curvature> curvature;
};

/// The first start, the best end of trial fits on a random part of the points, and the likelihood's curvature
/// there, in proportion to the number of points: the search on all of them need not learn it, at a
/// factorisation a time.
Finalists screen(Backend& backend, const GpData& data, std::span<const double> z,
                 std::span<const double> noise, const Priors& priors, const FitOptions& options,
                 std::span<const double> starts, Random& random, FitResult& result) {
  GpData part;
  part.n = screen_points(data.n);
  part.groups = data.groups;
  part.covariance = data.covariance;
  std::vector<double> part_z;
  std::vector<double> part_noise;
  const std::size_t dims = data.column_count();
  for (const std::size_t i : draw_points(data.n, part.n, random)) {
    const auto* row = &data.columns[i * dims];
    part.columns.insert(part.columns.end(), row, row + dims);
    part_z.push_back(z[i]);
    if (!noise.empty()) part_noise.push_back(noise[i]);
  }
  NegativeLogPosterior objective(backend, part, part_z, part_noise, priors);
  const Search found =
      search(objective, starts, options, {.points = part.n, .max_iterations = kScreenIterations});
  result.iterations += found.iterations;
  Finalists finalists;
  const double more = static_cast<double>(data.n) / static_cast<double>(part.n);
  const auto go_on = [&](const LbfgsbResult& end) {
    finalists.starts.insert(finalists.starts.end(), end.x.begin(), end.x.end());
    finalists.curvature.push_back(curvature_at(objective, end, more));
  };
  // The first start as it was, which does not depend on the part.
  LbfgsbResult first;
  first.x.assign(starts.begin(), starts.begin() + static_cast<std::ptrdiff_t>(objective.dimension()));
  first.gradient.resize(first.x.size());
  std::vector<double> value(1);
  objective(first.x, value, first.gradient);
  go_on(first);
  for (const LbfgsbResult* end : found.ranked()) {
    if (finalists.curvature.size() == kFinalists) break;
    go_on(*end);
  }
  result.evaluations += objective.evaluations();
  return finalists;
}

bool all_finite(std::span<const double> values, std::string_view what, FitResult& result) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    result.note = fmt::format("{}[{}] is {}; the prior's hyperparameters are used", what, i, values[i]);
    return false;
  }
  return true;
}

}  // namespace

FitResult fit(Backend& backend, const GpData& data, const FitOptions& options) {
  check_shapes(data, options);
  const ThetaLayout layout = data.layout();
  const Priors priors = options.priors.value_or(Priors::for_groups(data.group_count()));
  FitResult result;
  result.hyperparameters = detail::prior_mode(priors, layout);
  if (!all_finite(data.y, "y", result) || !all_finite(data.columns, "columns", result) ||
      !all_finite(data.noise, "noise", result)) {
    return result;
  }
  result.transform = OutputTransform::of(data.y, options.output);
  std::vector<double> z;
  z.reserve(data.n);
  for (const double y : data.y) z.push_back(result.transform.forward(y));

  Random random(options.seed, options.stream, Purpose::fit_starts);
  const std::vector<double> noise = detail::model_noise(data, result.transform);
  NegativeLogPosterior objective(backend, data, z, noise, priors);
  std::vector<double> starts = start_rows(options, priors, layout, random);
  const std::size_t parameters = objective.dimension();
  SearchLimits limits{.points = data.n};
  Finalists finalists;
  if (data.n == 0) {
    starts = detail::pack(result.hyperparameters);
  } else if (!options.optimise) {
    starts.resize(parameters);
  } else if (data.n > kScreenPoints && options.starts > 1) {
    finalists = screen(backend, data, z, noise, priors, options, starts, random, result);
    starts = finalists.starts;
    limits.race_evaluations = options.warm_start ? kRaceEvaluations : 0;
    limits.hopeless_gains = kHopelessGains;
    limits.merge_distance = kMergeDistance;
  }
  if (options.optimise && data.n > 0) limits.max_iterations = options.max_iterations;
  const Search found = search(objective, starts, options, limits, finalists.curvature);
  result.iterations += found.iterations;

  std::vector<double> value(1);
  std::vector<double> gradient(parameters);
  const auto ranked = found.ranked();
  const std::vector<double> chosen =
      ranked.empty() ? detail::pack(result.hyperparameters) : ranked.front()->x;
  if (!ranked.empty() && objective.largest_jitter() == 0) {
    value.front() = ranked.front()->value;
  } else {  // which jitter the chosen ones needed
    objective(chosen, value, gradient);
    result.jitter = objective.jitter().front();
  }
  result.evaluations += objective.evaluations();
  if (!std::isfinite(value.front())) {
    result.status = FitStatus::failed;
    result.note =
        "no start gave a finite likelihood, whatever the jitter; the prior's hyperparameters are used";
    return result;
  }
  result.hyperparameters = detail::unpack(chosen, layout);
  result.log_posterior = -value.front();
  result.status = FitStatus::ok;
  if (ranked.empty()) {
    result.status = FitStatus::fell_back;
    result.note = "no start gave a finite likelihood: the prior's hyperparameters are used";
  }
  if (result.jitter > 0) {
    result.status = FitStatus::fell_back;
    result.note += fmt::format("{}jitter {:.0e} of the mean diagonal was needed",
                               result.note.empty() ? "" : "; ", result.jitter);
  }
  return result;
}

}  // namespace krigon
