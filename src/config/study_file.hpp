#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec.hpp"

namespace krigon {

/// What a study file says.
struct LoadedStudy {
  StudySpec spec;
  /// Where `storage:` says that the study is kept: "memory:" or "sqlite:///absolute/path".
  std::optional<std::string> storage;
  std::optional<std::string> device;  ///< where `device:` says that proposals are computed
  std::filesystem::path folder;       ///< the study file's, absolute
  bool has_trial = false;             ///< false: driven by ask/tell or `pipe`
  /// "file:line: key: message" each; nothing that keeps the study from running.
  std::vector<std::string> warnings;
};

enum class StudyFormat { yaml, json };

/// Reads a study file: JSON where its name ends in ".json", otherwise YAML. Throws ConfigError with one
/// line for each of up to 20 errors, "file:line: key: what was found, what is allowed", by line; `path`
/// as given stands for the file. Creates nothing.
LoadedStudy load_study_file(const std::filesystem::path& path);

/// The same from text. `name` stands for the file in messages. Paths in the study are taken from
/// `folder`, or left as they are (and not looked for) where that is empty.
LoadedStudy parse_study(std::string_view text, const std::string& name, StudyFormat format,
                        const std::filesystem::path& folder = {});

}  // namespace krigon
