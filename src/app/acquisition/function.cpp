#include "app/acquisition/function.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "app/acquisition/search.hpp"
#include "backend/pool.hpp"
#include "core/random.hpp"
#include "optim/sobol.hpp"

namespace krigon {

void AcquisitionFunction::evaluate(std::span<const double> x, std::span<double> value,
                                   std::span<double> gradient) {
  constexpr std::size_t kPortion = std::size_t{1} << 22;
  const std::size_t portion = std::max<std::size_t>(1, kPortion / group_size());
  const std::size_t dims = value.empty() ? 0 : x.size() / value.size();
  for (std::size_t first = 0; first < value.size(); first += portion) {
    const std::size_t count = std::min(portion, value.size() - first);
    evaluate_portion(x.subspan(first * dims, count * dims), value.subspan(first, count),
                     gradient.empty() ? gradient : gradient.subspan(first * dims, count * dims));
  }
}

AcquisitionMaximum AcquisitionFunction::maximise(const SearchBox& box, const AcquisitionOptions& options) {
  const std::size_t count = std::max<std::size_t>(options.raw, 1);
  std::vector<double> raw = box.sobol(count, options.q, Random(options.seed, 0, Purpose::candidates)());
  std::vector<double> value(count);
  evaluate(raw, value, {});
  const GroupFunction function = [this](std::span<const double> x, std::span<double> at,
                                        std::span<double> slope) { evaluate(x, at, slope); };
  if (options.q > 1) {
    append_greedy(
        function, [this](std::size_t q) { regroup(q); }, box, options, raw, value);
  }
  return search_maximum(function, box, options.q, {raw, value}, options, 0);
}

std::vector<double> first_columns(std::span<const double> rows, std::size_t columns, std::size_t width) {
  std::vector<double> out;
  out.reserve(rows.size() / columns * width);
  for (std::size_t at = 0; at < rows.size(); at += columns) {
    const auto row = rows.subspan(at, width);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

std::vector<double> normal_points(std::size_t count, std::size_t width, std::uint64_t seed,
                                  std::uint64_t stream) {
  const ScrambledSobol sobol(width, Random(seed, stream, Purpose::candidates)());
  std::vector<double> points(count * width);
  for (std::size_t s = 0; s < count; ++s) {
    const auto row = std::span(points).subspan(s * width, width);
    sobol.point(static_cast<std::uint32_t>(s), row);
    for (double& number : row) number = normal_quantile(number);
  }
  return points;
}

std::vector<double> observation_noise(const ProcessAccess::Impl& process) {
  const Hyperparameters& h = process.result.hyperparameters;
  double signal = 0;
  for (const double log_variance : h.log_signal_variance) signal += std::exp(log_variance);
  const double common = std::exp(h.log_noise_variance);
  std::vector<double> noise(process.data.n, common + process.posterior->jitter() * (signal + common));
  for (std::size_t i = 0; i < process.data.noise.size(); ++i) {
    noise[i] += process.result.transform.forward_variance(process.data.noise[i]);
  }
  return noise;
}

std::vector<std::size_t> best_observed(ProcessAccess::Impl& process, double sign, std::size_t most) {
  const std::size_t n = process.data.n;
  std::vector<double> mean(n), variance(n);
  process.posterior->evaluate(process.data.columns, mean, variance);
  std::vector<std::size_t> order(n), best;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return sign * mean[a] < sign * mean[b]; });
  std::set<std::vector<double>> seen;
  for (const std::size_t i : order) {
    if (best.size() == most) break;
    if (seen.insert(rows_of(process, {&i, 1})).second) best.push_back(i);
  }
  return best;
}

std::vector<double> rows_of(const ProcessAccess::Impl& process, std::span<const std::size_t> points) {
  std::vector<double> rows;
  for (const std::size_t i : points) {
    const auto row = process.data.columns.begin() + static_cast<std::ptrdiff_t>(i * process.width);
    rows.insert(rows.end(), row, row + static_cast<std::ptrdiff_t>(process.width));
  }
  return rows;
}

GroupLoop::GroupLoop(const Backend& backend) : threads_(std::max(1, backend.info().threads)) {
  scratch_.resize(static_cast<std::size_t>(threads_));
}

GroupLoop::~GroupLoop() = default;

void GroupLoop::run(std::size_t groups, double cost, const Body& body) {
  // A thread is made once, and is worth some hundred microseconds.
  constexpr double kWorthwhile = 3e5;
  if (threads_ == 1 || groups < 2 || cost * static_cast<double>(groups) < kWorthwhile) {
    for (std::size_t g = 0; g < groups; ++g) body(g, scratch_.front());
    return;
  }
  if (pool_ == nullptr) pool_ = std::make_unique<detail::Pool>(threads_);
  pool_->run(static_cast<std::int64_t>(groups), [&](std::int64_t group, int worker) {
    body(static_cast<std::size_t>(group), scratch_[static_cast<std::size_t>(worker)]);
  });
}

}  // namespace krigon
