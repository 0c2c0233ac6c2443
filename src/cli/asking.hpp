#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "manager/manager.hpp"

namespace krigon::cli {

/// The most trials that one request may ask for.
inline constexpr std::int64_t kMostAsked = 10'000;

struct AskResult {
  std::vector<Asked> trials;
  std::string none_left;  ///< why there are fewer than asked for; empty otherwise
};

/// Asks for `count` trials on behalf of a client, which holds them until they are told. Stops where
/// the budget's trials are used up (running ones counted) or the sampler has nothing left. With a
/// key, one trial has that key and several have "key#0", "key#1", ...: the same request again gives
/// the same trials, whatever the budget says by then.
AskResult ask_trials(StudyManager& manager, std::int64_t count, const std::string& key);

/// {"trial", "parameters", "seed", "attempt"}
nlohmann::json asked_json(const Asked& asked);

}  // namespace krigon::cli
