#include "storage/text.hpp"

#include <array>
#include <functional>
#include <utility>

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

namespace {

struct Parsed {
  std::string text;
  Parameters parameters;
};

/// Where the parameters with this text stand, if they do: one place for each hash, the newest has it.
Parsed& place_of(std::string_view text) {
  thread_local std::array<Parsed, 128> places;
  return places[std::hash<std::string_view>{}(text) % places.size()];
}

}  // namespace

std::string text_of(const Parameters& parameters) {
  std::string text = exact_text(to_json(parameters), "a parameter");
  place_of(text) = {text, parameters};
  return text;
}

Parameters parameters_from(std::string_view text) {
  Parsed& place = place_of(text);
  if (place.text.empty() || place.text != text) {
    Parameters parameters = parameters_from_json(json::parse(text));
    place = {std::string(text), std::move(parameters)};
  }
  return place.parameters;
}

void check_spec(const StudySpec& spec) {
  if (spec.name.empty()) throw UsageError("a study needs a name");
  if (spec.objectives.empty()) throw UsageError(fmt::format("study \"{}\" has no objective", spec.name));
  exact_text(to_json(spec), fmt::format("study \"{}\"", spec.name));
}

}  // namespace krigon::detail
