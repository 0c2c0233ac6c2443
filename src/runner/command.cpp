#include <string>
#include <vector>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "runner/runner.hpp"

namespace krigon {

namespace {

std::string known_names(const Space& space, const std::map<std::string, std::string>& extra) {
  std::string names;
  for (const auto& parameter : space.parameters()) {
    names += fmt::format("{}{{{}}}", names.empty() ? "" : ", ", parameter.name);
  }
  for (const auto& [name, value] : extra) names += fmt::format("{}{{{}}}", names.empty() ? "" : ", ", name);
  return names;
}

std::string expand(const std::string& text, const Space& space, const Parameters& parameters,
                   const std::map<std::string, std::string>& extra) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    const std::size_t end = c == '{' ? text.find('}', i) : std::string::npos;
    if (end == std::string::npos) {
      throw SpaceError(fmt::format("command: '{}' has a single '{}'; write '{}{}' for the character itself",
                                   text, c, c, c));
    }
    const std::string name = text.substr(i + 1, end - i - 1);
    i = end;
    if (space.find(name) != nullptr) {
      const auto value = parameters.find(name);
      if (value != parameters.end()) out += to_string(value->second);
    } else if (const auto value = extra.find(name); value != extra.end()) {
      out += value->second;
    } else {
      throw SpaceError(
          fmt::format("command: {{{}}} in '{}' is no parameter; allowed: {} ('{{{{' stands for '{{')", name,
                      text, known_names(space, extra)));
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> expand_command(const std::vector<std::string>& command, const Space& space,
                                        const Parameters& parameters,
                                        const std::map<std::string, std::string>& extra) {
  std::vector<std::string> out;
  out.reserve(command.size());
  for (const auto& text : command) out.push_back(expand(text, space, parameters, extra));
  return out;
}

}  // namespace krigon
