#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/spec.hpp"

namespace krigon::detail {

/// Doubles in shortest round trip. Throws UsageError, naming `what`, for text that is not UTF-8:
/// it could not be read back as it was.
std::string exact_text(const nlohmann::json& json, std::string_view what);

/// The same for what only people read: bytes that are not UTF-8 become U+FFFD.
std::string lenient_text(const nlohmann::json& json);

/// Throws StorageError, naming `what`, when `text` is no JSON.
nlohmann::json parse_text(std::string_view text, std::string_view what);

/// A trial's parameters as they are stored, and back. A thread remembers those that it dealt with last:
/// whoever tells a trial's end has most often written them, or read them, shortly before. The first throws
/// UsageError for text that is not UTF-8; the second what parameters_from_json() and the JSON parser throw.
std::string text_of(const Parameters& parameters);
Parameters parameters_from(std::string_view text);

/// Refuses a study without a name or an objective, or whose text is not UTF-8, with UsageError.
void check_spec(const StudySpec& spec);

}  // namespace krigon::detail
