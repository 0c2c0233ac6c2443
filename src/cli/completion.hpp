#pragma once

#include <string>

#include "cli/grammar.hpp"

namespace krigon::cli {

/// Scripts that a shell sources to complete krigon's command line.
std::string bash_completion(const Grammar& grammar);
std::string zsh_completion(const Grammar& grammar);
std::string fish_completion(const Grammar& grammar);

}  // namespace krigon::cli
