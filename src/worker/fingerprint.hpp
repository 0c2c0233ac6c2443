#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/spec.hpp"

namespace krigon {

/// What made a study's results besides its parameters: the commit of the user's code (null outside a
/// git repository or without git), whether tracked files differ from it, the command, and the SHA-256
/// of every declared input:
///
///   {"commit": "9f3c...", "dirty": false, "command": ["python3", "train.py"],
///    "inputs": {"train.py": "5994..."}}
///
/// A folder among the inputs is hashed as the sorted list of its files' paths and hashes. Throws
/// ConfigError for an input that is not there or cannot be read.
nlohmann::json fingerprint(const StudySpec& spec, const std::filesystem::path& study_folder);

/// What differs between two fingerprints, each as a line for a person; empty when nothing does.
std::vector<std::string> fingerprint_differences(const nlohmann::json& then, const nlohmann::json& now);

}  // namespace krigon
