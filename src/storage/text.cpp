#include "storage/text.hpp"

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon::detail {

using nlohmann::json;

std::string exact_text(const json& value, std::string_view what) {
  try {
    return value.dump();
  } catch (const json::exception&) {
    throw UsageError(fmt::format("{} holds text that is not UTF-8: {}", what, lenient_text(value)));
  }
}

std::string lenient_text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json parse_text(std::string_view text, std::string_view what) {
  try {
    return json::parse(text);
  } catch (const json::exception& e) {
    throw StorageError(fmt::format("the stored {} cannot be read: {}", what, e.what()));
  }
}

void check_spec(const StudySpec& spec) {
  if (spec.name.empty()) throw UsageError("a study needs a name");
  if (spec.objectives.empty()) throw UsageError(fmt::format("study \"{}\" has no objective", spec.name));
  exact_text(to_json(spec), fmt::format("study \"{}\"", spec.name));
}

}  // namespace krigon::detail
