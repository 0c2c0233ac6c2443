#include "propose/surrogate.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "model/vecchia.hpp"

namespace krigon {
namespace {

void add_note(std::string& note, const std::string& more) {
  if (more.empty()) return;
  if (!note.empty()) note += "; ";
  note += more;
}

}  // namespace

nlohmann::json to_json(const Hyperparameters& h) {
  return {{"log_lengthscale", h.log_lengthscale},
          {"log_signal_variance", h.log_signal_variance.front()},
          {"log_noise_variance", h.log_noise_variance},
          {"mean", h.mean}};
}

std::optional<Hyperparameters> hyperparameters_from_json(const nlohmann::json& json, std::size_t groups) {
  const auto number = [&](const char* key, double& into) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_number()) return false;
    into = found->get<double>();
    return std::isfinite(into);
  };
  Hyperparameters h;
  if (!json.is_object() || !number("log_signal_variance", h.log_signal_variance.front()) ||
      !number("log_noise_variance", h.log_noise_variance) || !number("mean", h.mean)) {
    return std::nullopt;
  }
  const auto lengths = json.find("log_lengthscale");
  if (lengths == json.end() || !lengths->is_array() || lengths->size() != groups) return std::nullopt;
  for (const auto& entry : *lengths) {
    if (!entry.is_number() || !std::isfinite(entry.get<double>())) return std::nullopt;
    h.log_lengthscale.push_back(entry.get<double>());
  }
  return h;
}

bool refit_due(std::int64_t told, std::int64_t fitted_at) {
  // A cap that took observations away, or trials that were deleted, call for one too.
  return told < fitted_at || told - fitted_at >= std::max<std::int64_t>(1, fitted_at / 30);
}

Belief objective_belief(std::size_t groups) {
  Belief belief{Priors::for_groups(groups), OutputScaling::winsorise_half};
  belief.priors.signal_variance.scale = 0.3;
  belief.priors.lengthscale.scale = 1.3;
  return belief;
}

Belief failure_belief(std::size_t groups) {
  Belief belief{Priors::for_groups(groups), OutputScaling::standardise};
  auto& length = belief.priors.lengthscale;
  length = {std::max(length.location, std::log(0.5)), 0.4, std::log(0.1), std::log(20.0)};
  belief.priors.noise_variance = {std::log(0.02), 1.0, std::log(1e-4), std::log(1.0)};
  return belief;
}

namespace {

/// Observations that hyperparameters are first fitted to where there are more than twice as many.
constexpr std::size_t kFirstFit = 500;

/// So many of the observations, evenly through their order.
GpData sample_of(const GpData& data, std::size_t size) {
  const std::size_t width = data.column_count();
  GpData sample;
  sample.groups = data.groups;
  sample.covariance = data.covariance;
  sample.n = std::min(size, data.n);
  for (std::size_t i = 0; i < sample.n; ++i) {
    const std::size_t at = i * data.n / sample.n;
    const auto row = data.columns.begin() + static_cast<std::ptrdiff_t>(at * width);
    sample.columns.insert(sample.columns.end(), row, row + static_cast<std::ptrdiff_t>(width));
    sample.y.push_back(data.y[at]);
    if (!data.noise.empty()) sample.noise.push_back(data.noise[at]);
  }
  return sample;
}

}  // namespace

std::optional<Surrogate> make_surrogate(Backend& backend, const GpData& data, std::int64_t told,
                                        const std::optional<Stored>& stored, const Belief& belief,
                                        std::uint64_t seed, std::uint64_t number, std::size_t most_exact) {
  const bool exact = data.n <= most_exact;
  const OutputTransform transform = OutputTransform::of(data.y, belief.scaling);
  std::string note;
  bool refitted = false, fit_failed = false;
  std::int64_t fitted_at = stored ? stored->fitted_at : 0;
  std::vector<std::pair<const char*, Hyperparameters>> ladder;
  if (!stored || refit_due(told, stored->fitted_at)) {
    FitOptions options;
    options.seed = seed;
    options.stream = number;
    if (stored) options.warm_start = stored->hyperparameters;
    options.output = belief.scaling;
    options.priors = belief.priors;
    // A study that comes with many trials, none of them by a model, does not wait for a fit to all of them:
    // the first one goes by a sample, and the next proposal's refines it.
    const bool sampled = !stored && data.n > 2 * kFirstFit;
    const FitResult result = sampled ? fit(backend, sample_of(data, kFirstFit), options)
                             : exact ? fit(backend, data, options)
                                     : fit_vecchia(backend, data, options);
    refitted = true;
    fitted_at = sampled ? static_cast<std::int64_t>(kFirstFit) : told;
    fit_failed = result.status == FitStatus::failed;
    if (fit_failed) {
      add_note(note, "the fit failed");
    } else {
      add_note(note, result.note);
      ladder.emplace_back("the refitted", result.hyperparameters);
    }
  }
  if (stored) ladder.emplace_back("an earlier trial's", stored->hyperparameters);
  ladder.emplace_back("the prior's", prior_mode(belief.priors, data));
  for (std::size_t step = 0; step < ladder.size(); ++step) {
    std::unique_ptr<MarginalPosterior> posterior;
    if (exact) {
      posterior = std::make_unique<Posterior>(backend, data, ladder[step].second, transform);
    } else {
      posterior = std::make_unique<VecchiaPosterior>(backend, data, ladder[step].second, transform);
    }
    if (posterior->status() == FitStatus::failed) {
      add_note(note, fmt::format("no factorisation with {} hyperparameters", ladder[step].first));
      continue;
    }
    add_note(note, posterior->note());
    if (step > 0 || fit_failed)
      add_note(note, fmt::format("{} hyperparameters are used", ladder[step].first));
    return Surrogate{std::move(posterior), fitted_at, refitted, std::move(note)};
  }
  return std::nullopt;
}

}  // namespace krigon
