// Random Fourier features of the covariances: frequencies drawn from their spectral densities.
//
// With lengthscales of 1 (they are in the features), the spectral density of Matern with smoothness nu is
// Student's t with 2 nu degrees of freedom, that of the rbf is normal. The product of stationary factors
// has the sum of their frequencies; a periodic factor is an rbf over its own features. A linear factor is
// a sum over its features with normal weights.

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/posterior_impl.hpp"

namespace krigon {

namespace {

/// The degrees of freedom of the spectral density; 0: normal.
int freedom(CovarianceKind kind) {
  switch (kind) {
    case CovarianceKind::matern52:
      return 5;
    case CovarianceKind::matern32:
      return 3;
    default:
      return 0;
  }
}

std::size_t width(const CovarianceFactor& factor) {
  return factor.columns.size() * (factor.kind == CovarianceKind::periodic ? 2 : 1);
}

struct Draw {
  std::vector<double> frequencies, phases, amplitudes, weights, linear, noise;
};

Draw draw(const CovarianceSpec& spec, const Hyperparameters& h, std::span<const double> noise_variance,
          std::size_t samples, std::size_t waves, std::uint64_t seed) {
  const auto features = static_cast<std::size_t>(spec.features());
  Random random(seed, 0, Purpose::paths);
  Draw out;
  for (std::int32_t term = 0; term < spec.terms(); ++term) {
    const double signal = std::exp(h.log_signal_variance[static_cast<std::size_t>(term)]);
    std::size_t factors = 0;
    bool linear = false;
    for (const CovarianceFactor& factor : spec.factors) {
      if (factor.term != term) continue;
      ++factors;
      linear = linear || factor.kind == CovarianceKind::linear;
    }
    if (linear && factors > 1) {
      throw UsageError(fmt::format("SamplePaths: term {} multiplies a linear factor with another", term));
    }
    if (linear) {
      if (out.linear.empty()) out.linear.assign(features * samples, 0.0);
      std::size_t first = 0;
      for (const CovarianceFactor& factor : spec.factors) {
        for (std::size_t k = 0; factor.term == term && k < width(factor); ++k) {
          for (std::size_t s = 0; s < samples; ++s) {
            out.linear[s * features + first + k] = std::sqrt(signal) * random.normal();
          }
        }
        first += width(factor);
      }
      continue;
    }
    for (std::size_t r = 0; r < waves; ++r) {
      std::vector<double> frequency(features, 0.0);
      std::size_t first = 0;
      for (const CovarianceFactor& factor : spec.factors) {
        if (factor.term == term) {
          const int nu2 = freedom(factor.kind);
          double squares = 0;
          for (int i = 0; i < nu2; ++i) {
            const double z = random.normal();
            squares += z * z;
          }
          const double scale = nu2 == 0 ? 1.0 : std::sqrt(nu2 / squares);
          for (std::size_t k = 0; k < width(factor); ++k) frequency[first + k] = scale * random.normal();
        }
        first += width(factor);
      }
      out.frequencies.insert(out.frequencies.end(), frequency.begin(), frequency.end());
      out.phases.push_back(2 * std::numbers::pi * random.uniform());
      out.amplitudes.push_back(std::sqrt(2 * signal / static_cast<double>(waves)));
    }
  }
  for (std::size_t i = 0; i < out.phases.size() * samples; ++i) out.weights.push_back(random.normal());
  for (std::size_t s = 0; s < samples; ++s) {
    for (const double variance : noise_variance) out.noise.push_back(std::sqrt(variance) * random.normal());
  }
  return out;
}

}  // namespace

struct SamplePaths::Impl {
  Posterior* posterior = nullptr;
  std::size_t samples = 0;
  std::unique_ptr<ResidentPaths> resident;
  Buffer out;
};

SamplePaths::SamplePaths(Posterior& posterior, std::size_t samples, std::uint64_t seed, std::size_t waves)
    : impl_(std::make_unique<Impl>()) {
  impl_->posterior = &posterior;
  impl_->samples = samples;
  Posterior::Impl& process = *posterior.impl_;
  if (process.resident == nullptr) {
    throw UsageError("SamplePaths: the posterior failed: " + process.note);
  }
  // The observations saw the noise that is on K's diagonal, jitter included.
  const Hyperparameters& h = process.hyperparameters;
  const double variance = std::exp(h.log_noise_variance);
  std::vector<double> noise(process.targets.size(), variance + process.jitter * (process.signal + variance));
  for (std::size_t i = 0; i < process.known_noise.size(); ++i) noise[i] += process.known_noise[i];
  const Draw prior = draw(process.spec, h, noise, samples, waves, seed);
  impl_->resident = process.backend->prepare_paths(*process.resident,
                                                   {.samples = static_cast<std::int64_t>(samples),
                                                    .waves = static_cast<std::int64_t>(prior.phases.size()),
                                                    .frequencies = prior.frequencies,
                                                    .phases = prior.phases,
                                                    .amplitudes = prior.amplitudes,
                                                    .weights = prior.weights,
                                                    .linear = prior.linear,
                                                    .noise = prior.noise});
}

SamplePaths::SamplePaths(SamplePaths&&) noexcept = default;
SamplePaths& SamplePaths::operator=(SamplePaths&&) noexcept = default;
SamplePaths::~SamplePaths() = default;

std::size_t SamplePaths::samples() const {
  return impl_->samples;
}

void SamplePaths::evaluate(std::span<const double> x, std::span<double> out) {
  Posterior::Impl& process = *impl_->posterior->impl_;
  const std::size_t m = process.stage(x, "SamplePaths::evaluate");
  if (out.size() != m * impl_->samples) {
    throw UsageError(fmt::format("SamplePaths::evaluate: {} points of {} paths, room for {}", m,
                                 impl_->samples, out.size()));
  }
  if (out.empty()) return;
  if (impl_->out.size() < out.size()) impl_->out = process.backend->allocate(out.size());
  process.backend->paths(*process.resident, *impl_->resident, process.view(process.x, process.columns, m),
                         process.view(impl_->out, impl_->samples, m));
  process.backend->download(impl_->out.data(), out);
}

void SamplePaths::evaluate_path(std::size_t sample, std::span<const double> x, std::span<double> out,
                                std::span<double> dx) {
  Posterior::Impl& process = *impl_->posterior->impl_;
  const std::size_t m = process.stage(x, "SamplePaths::evaluate_path");
  if (out.size() != m || sample >= impl_->samples || (!dx.empty() && dx.size() != x.size())) {
    throw UsageError(
        fmt::format("SamplePaths::evaluate_path: path {} of {} at {} points, room for {} values and {} "
                    "derivatives",
                    sample, impl_->samples, m, out.size(), dx.size()));
  }
  if (out.empty()) return;
  if (impl_->out.size() < m) impl_->out = process.backend->allocate(m);
  const View slopes = dx.empty() ? View{} : process.view(process.dx, process.columns, m);
  process.backend->path(*process.resident, *impl_->resident, static_cast<std::int64_t>(sample),
                        process.view(process.x, process.columns, m), process.view(impl_->out, 1, m), slopes);
  process.backend->download(impl_->out.data(), out);
  if (!dx.empty()) process.backend->download(process.dx.data(), dx);
}

}  // namespace krigon
