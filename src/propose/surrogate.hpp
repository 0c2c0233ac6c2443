#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "core/history.hpp"
#include "model/gp.hpp"

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

struct Surrogate {
  Posterior posterior;
  std::int64_t fitted_at = 0;
  bool refitted = false;
  std::string note;  ///< fall-backs, in words
};

/// A posterior over `data`: hyperparameters refitted where due, else the stored ones; then, where
/// those fail, a step at a time down to the prior's mode. nullopt where that fails too.
std::optional<Surrogate> make_surrogate(Backend& backend, const GpData& data, std::int64_t told,
                                        const std::optional<Stored>& stored, OutputScaling scaling,
                                        std::uint64_t seed, std::uint64_t number);

}  // namespace krigon
