// Batches of likelihoods on few points: members as the lanes of vectors (tiles_lanes.inc).

#include <algorithm>
#include <cmath>

#include "backend/cpu_backend.hpp"
#include "kernels/likelihood.hpp"

namespace krigon::detail {

namespace {

/// How many vectors of members it takes so that a batch is done soonest; the other members by themselves. The
/// unit of time is one member by itself, a vector's was measured.
std::int64_t vectors_of(std::int64_t batch, std::int64_t n, std::int64_t lanes, std::int64_t threads) {
  const double vector = 2 + static_cast<double>(n * lanes) / 160;
  const auto turns = [&](std::int64_t tasks) {
    const std::int64_t most = (tasks + threads - 1) / threads;
    return static_cast<double>(most);
  };
  std::int64_t best = 0;
  double least = turns(batch);
  for (std::int64_t v = 1; v * lanes < batch + lanes; ++v) {
    const auto rest = static_cast<double>(std::max<std::int64_t>(0, batch - v * lanes));
    const double shared = (static_cast<double>(v) * vector + rest) / static_cast<double>(threads);
    const double time = std::max(shared, vector * turns(v));
    if (time < least) {
      least = time;
      best = v;
    }
  }
  return best;
}

}  // namespace

void CpuBackend::likelihood_by_lanes(const CpuData& data, ConstView theta, View out) {
  const std::int64_t lanes = tiles_.lanes;
  const std::int64_t batch = theta.columns;
  const std::int64_t vectors = vectors_of(batch, data.n, lanes, pool_.threads());
  const std::int64_t single = std::max<std::int64_t>(0, batch - vectors * lanes);
  pool_.run(vectors + single, [&](std::int64_t task, int worker) {
    LikelihoodSpace& space = spaces_[static_cast<std::size_t>(worker)];
    if (task >= vectors) {
      const std::int64_t b = vectors * lanes + task - vectors;
      return Pool::alone([&] { evaluate_likelihood(data, theta.column(b), space, out.column(b)); });
    }
    const std::int64_t first = task * lanes;
    const std::int64_t count = std::min(lanes, batch - first);
    evaluate_lanes(data, {theta.column(first), theta.rows, count, theta.leading}, space,
                   {out.column(first), out.rows, count, out.leading});
  });
}

void CpuBackend::evaluate_lanes(const CpuData& data, ConstView theta, LikelihoodSpace& space,
                                View out) const {
  const std::int64_t lanes = tiles_.lanes;
  const std::int64_t groups = data.groups;
  const std::int64_t n = data.n;
  const std::int64_t rows = LaneProblem::kSums + groups;
  double* parameters = space.lanes.need(
      static_cast<std::size_t>((groups + 3 + rows + n) * lanes + tiles_.lane_work(n, groups)));
  double* signal = parameters + groups * lanes;
  double* diagonal = signal + lanes;
  double* mean = diagonal + lanes;
  double* found = mean + lanes;
  double* factor_diagonal = found + rows * lanes;
  double* work = factor_diagonal + n * lanes;
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    const double* t = theta.column(std::min(lane, theta.columns - 1));  // unused lanes repeat the last
    for (std::int64_t g = 0; g < groups; ++g) parameters[g * lanes + lane] = std::exp(-2.0 * t[g]);
    const double noise = std::exp(t[groups + 1]);
    signal[lane] = std::exp(t[groups]);
    diagonal[lane] = noise + t[groups + 3] * (signal[lane] + noise);
    mean[lane] = t[groups + 2];
  }
  bool in_order = groups == data.columns;
  for (std::int64_t k = 0; in_order && k < groups; ++k)
    in_order = data.group[static_cast<std::size_t>(k)] == k;
  const LaneProblem problem{static_cast<std::int32_t>(data.kind),
                            n,
                            data.columns,
                            groups,
                            data.points.data(),
                            in_order ? nullptr : data.group.data(),
                            data.targets.data(),
                            data.noise.empty() ? nullptr : data.noise.data(),
                            parameters,
                            signal,
                            diagonal,
                            mean};
  tiles_.likelihood_lanes(problem, work, found, factor_diagonal);
  double* sums = space.group_sums.need(static_cast<std::size_t>(groups));
  for (std::int64_t b = 0; b < theta.columns; ++b) {
    const auto at = [&](std::int64_t row) { return found[row * lanes + b]; };
    LikelihoodParts parts{};
    parts.info = at(LaneProblem::kStatus);
    parts.quadratic = at(LaneProblem::kQuadratic);
    parts.alpha_sum = at(LaneProblem::kAlphaSum);
    parts.trace = 0.5 * (at(LaneProblem::kAlphaSquare) - at(LaneProblem::kTrace));
    for (std::int64_t i = 0; i < n; ++i) parts.log_determinant += std::log(factor_diagonal[i * lanes + b]);
    for (std::int64_t g = 0; g < groups; ++g) sums[g] = at(LaneProblem::kSums + g);
    finish_plain(data, theta.column(b), parts, at(LaneProblem::kKnownTrace), sums, out.column(b));
  }
}

}  // namespace krigon::detail
