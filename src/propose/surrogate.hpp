#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "core/history.hpp"
#include "model/gp.hpp"
#include "model/limits.hpp"

namespace krigon {

class Backend;

/// Hyperparameters as a proposal carries them; doubles survive bit for bit.
nlohmann::json to_json(const Hyperparameters& hyperparameters);
/// nullopt unless `json` is what to_json writes, for that many groups.
std::optional<Hyperparameters> hyperparameters_from_json(const nlohmann::json& json, std::size_t groups);

/// The hyperparameters that a fit starts from, and how many observations they were fitted to.
struct Stored {
  Hyperparameters hyperparameters;
  std::int64_t fitted_at = 0;
};

/// Whether `told` observations call for a refit of hyperparameters fitted to `fitted_at`.
bool refit_due(std::int64_t told, std::int64_t fitted_at);

/// What is modelled, and what is believed of it beforehand.
struct Belief {
  Priors priors;
  OutputScaling scaling = OutputScaling::winsorise;
};
/// Of an objective: Priors::for_groups, but for a signal variance that is held close to the 1 that
/// standardised outputs have, and lengthscales held somewhat closer together. Left loose, they shrink
/// where a few good values stand out of a rough plateau (Ackley's function), and the model sees nothing
/// beyond those: the median regret there is halved. Closer still, irrelevant parameters are found out
/// later.
Belief objective_belief(std::size_t groups);
/// Of 0 and 1 for trials that ended and trials that failed. A stationary process explains a step best by
/// a lengthscale next to nothing, which predicts nothing: the lengthscales are held near half the cube's
/// edge or the objective's prior, whichever is longer, and some noise is expected.
Belief failure_belief(std::size_t groups);

struct Surrogate {
  std::unique_ptr<MarginalPosterior> posterior;  ///< not null
  std::int64_t fitted_at = 0;
  bool refitted = false;
  std::string note;  ///< fall-backs, in words
};

/// A posterior over `data`, exact for up to `most_exact` observations, else Vecchia's approximation (by their
/// number alone: a proposal must not depend on the machine's memory): hyperparameters refitted where due
/// (without stored ones, and with more than a thousand observations, to a sample of them: the next call then
/// refits them to all), else the stored ones; then, where those fail, a step at a time down to the prior's
/// mode. nullopt where that fails too.
std::optional<Surrogate> make_surrogate(Backend& backend, const GpData& data, std::int64_t told,
                                        const std::optional<Stored>& stored, const Belief& belief,
                                        std::uint64_t seed, std::uint64_t number,
                                        std::size_t most_exact = kExactPoints);

}  // namespace krigon
