// A study file of any bytes, as YAML and as JSON: it is a study or a ConfigError, and nothing else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "config/study_file.hpp"
#include "krigon/error.hpp"

namespace {

[[noreturn]] void broken(const std::string& what) {
  std::cerr << what << std::endl;
  std::abort();
}

void check(std::string_view text, krigon::StudyFormat format) {
  krigon::LoadedStudy study;
  try {
    study = krigon::parse_study(text, "study", format);
  } catch (const krigon::ConfigError& e) {
    if (!std::string_view(e.what()).starts_with("study:")) broken(e.what());
    return;
  }
  // What was taken is whole, and the store will read it back.
  if (study.spec.name.empty() || study.spec.objectives.size() != 1 || study.spec.space.parameters().empty()) {
    broken("a study that is not whole");
  }
  const auto stored = krigon::to_json(study.spec);
  if (krigon::to_json(krigon::spec_from_json(nlohmann::json::parse(stored.dump()))) != stored) {
    broken("a study that is not stored as it is");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, krigon::StudyFormat::yaml);
  check(text, krigon::StudyFormat::json);
  return 0;
}
