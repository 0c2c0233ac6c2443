#include "record.hpp"

#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/encoding.hpp"
#include "core/spec.hpp"
#include "krigon/error.hpp"
#include "problems.hpp"

namespace krigon::bench {

Record::Record(const std::string& curves, const std::string& parameters) : steps_(kMaxSteps) {
  const std::string folder = KRIGON_SOURCE_DIR "/bench/scheduling/curves/";
  read_curves(folder + curves + ".curves");
  read_parameters(folder + parameters + ".parameters");
}

void Record::read_curves(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head;
  if (!std::getline(file, head)) throw EnvironmentError(fmt::format("{}: cannot be read", path));
  std::istringstream words(head);
  std::string kind;
  std::size_t steps = 0;
  double least = 0, most = 0;
  words >> kind >> steps >> least >> most;
  if (!words || kind != "krigon-curves" || steps != steps_ || !(least > 0 && most > least)) {
    throw EnvironmentError(fmt::format("{}: begins with \"{}\", expected \"krigon-curves {} LEAST MOST\"",
                                       path, head.substr(0, 60), steps_));
  }
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty() || bytes.size() % (2 * steps_) != 0) {
    throw EnvironmentError(
        fmt::format("{}: found {} bytes of curves, expected rows of {}", path, bytes.size(), 2 * steps_));
  }
  const auto byte = [&](std::size_t at) {
    return static_cast<unsigned>(static_cast<unsigned char>(bytes[at]));
  };
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    const double code = byte(at) + 256 * byte(at + 1);
    values_.push_back(static_cast<float>(least * std::pow(most / least, code / 65535)));
  }
}

void Record::read_parameters(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw EnvironmentError(fmt::format("{}: cannot be read", path));
  std::size_t number = 1;
  try {
    space_ = space_from_json(nlohmann::json::parse(line));
    const auto& named = space_.parameters();
    const Encoding encoding(space_);
    while (std::getline(file, line)) {
      ++number;
      const auto row = nlohmann::json::parse(line);
      Parameters point;
      for (std::size_t d = 0; d < named.size(); ++d) {
        if (!row.at(d).is_null()) point.emplace(named[d].name, value_from_json(row.at(d)));
      }
      // As samplers propose it: reals are rounded a little (core/encoding.hpp).
      parameters_.push_back(encoding.decode(encoding.encode(space_.complete(point)).value()));
    }
  } catch (const std::exception& e) {
    throw EnvironmentError(fmt::format("{}:{}: {}", path, number, e.what()));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) numbers_.emplace(parameters_[i], i);
  if (parameters_.size() != size()) {
    throw EnvironmentError(fmt::format("{}: found {} configurations, expected one for each of {} curves",
                                       path, parameters_.size(), size()));
  }
}

std::optional<std::size_t> Record::number_of(const Parameters& parameters) const {
  const auto found = numbers_.find(parameters);
  return found == numbers_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace krigon::bench
