#include "config/study_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

#include <fmt/format.h>

#include "config/document.hpp"
#include "config/study_reader.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

constexpr std::size_t kMostRead = (1u << 20) + 1;  // one byte more than is allowed tells that it is too much

std::string read_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    throw ConfigError(fmt::format("{}: there is no such file", path.string()));
  }
  if (std::filesystem::is_directory(status)) {
    throw ConfigError(fmt::format("{}: this is a folder, expected a study file", path.string()));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw ConfigError(fmt::format("{}: cannot be read: {}", path.string(), std::strerror(errno)));
  }
  std::string text(kMostRead, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) throw ConfigError(fmt::format("{}: cannot be read", path.string()));
  return text;
}

}  // namespace

LoadedStudy parse_study(std::string_view text, const std::string& name, StudyFormat format,
                        const std::filesystem::path& folder) {
  text = detail::check_text(text, name);
  detail::Diagnostics diagnostics(name);
  const detail::Node root = format == StudyFormat::json ? detail::read_json(text, name, diagnostics)
                                                        : detail::read_yaml(text, name, diagnostics);
  LoadedStudy study = detail::read_study(root, folder, diagnostics);
  diagnostics.throw_errors();
  study.warnings = diagnostics.warnings();
  return study;
}

LoadedStudy load_study_file(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  const auto folder = std::filesystem::absolute(path).lexically_normal().parent_path();
  return parse_study(text, path.string(), path.extension() == ".json" ? StudyFormat::json : StudyFormat::yaml,
                     folder);
}

}  // namespace krigon
