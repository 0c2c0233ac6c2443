#include "config/command.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "config/scalar.hpp"
#include "config/suggest.hpp"

namespace krigon::detail {
namespace {

const std::vector<std::string> kOwnNames{"trial",  "attempt",    "seed",        "max_steps",
                                         "folder", "checkpoint", "study_folder"};

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// How to write what looks like a command line as a list.
std::string as_list(const std::string& line) {
  if (line.find_first_of("|&;<>$`*?\"'\\#~,[]") != std::string::npos) {
    return "[sh, -c, '...'] where a shell is to read it";
  }
  std::string words;
  std::istringstream stream(line);
  for (std::string word; stream >> word;) {
    words += words.empty() ? "" : ", ";
    words += word.find_first_of("{}:") == std::string::npos ? word : "\"" + word + "\"";
  }
  return fmt::format("[{}]", words);
}

// Adds the parameters that the word's templates name to `used`.
void check_templates(const Field& field, const std::string& word, const CommandNames& names, bool checkpoint,
                     std::set<std::string>& used) {
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    if (c != '{' && c != '}') continue;
    if (i + 1 < word.size() && word[i + 1] == c) {
      ++i;  // {{ and }} are braces
      continue;
    }
    if (c == '}') {
      field.error(
          fmt::format("found a '}}' that closes nothing in {}; write }}}} for a brace", in_quotes(word)));
      return;
    }
    const auto end = word.find_first_of("{}", i + 1);
    if (end == std::string::npos || word[end] == '{') {
      field.error(
          fmt::format("found a '{{' that is not closed in {}; write {{{{ for a brace", in_quotes(word)));
      return;
    }
    const std::string name = word.substr(i + 1, end - i - 1);
    i = end;
    if (has(names.parameters, name)) {
      used.insert(name);
      continue;
    }
    if (name == "checkpoint" && !checkpoint) {
      field.error(fmt::format(
          "{{checkpoint}} in {} is a folder that trials have only with 'checkpoint: true' under 'trial'",
          in_quotes(word)));
      continue;
    }
    if (has(kOwnNames, name)) continue;
    std::vector<std::string> all = names.parameters;
    all.insert(all.end(), kOwnNames.begin(), kOwnNames.end());
    field.error(fmt::format(
        "{{{}}} in {} is no parameter{} (parameters: {}; also known: {}; {{{{ stands for a brace)", name,
        in_quotes(word), did_you_mean(name, all),
        names.parameters.empty() ? "none" : listed(names.parameters), listed(kOwnNames)));
  }
}

}  // namespace

std::vector<std::string> read_command(const Field& field, const CommandNames& names, bool checkpoint) {
  std::vector<std::string> words;
  if (!field) return words;
  if (field.is(Node::Kind::scalar)) {
    const std::string& line = field.node().text;
    field.error(fmt::format("found the text {}, expected a list of words (no shell splits it); write {}",
                            in_quotes(line), as_list(line)));
    return words;
  }
  const auto items = field.items("words", "[python3, train.py]");
  if (field.is(Node::Kind::list) && items.empty())
    field.error("found an empty list, expected the program and its arguments");
  std::set<std::string> used;
  for (const auto& item : items) {
    auto word = words.empty() ? item.text() : item.any_text();
    if (!word) continue;
    check_templates(item, *word, names, checkpoint, used);
    words.push_back(std::move(*word));
  }
  if (used.empty()) return words;
  std::vector<std::string> unused;
  for (const auto& name : names.parameters) {
    if (!used.contains(name) && !has(names.constants, name)) unused.push_back(name);
    if (used.contains(name) && has(names.conditional, name)) {
      field.warning(fmt::format("{{{}}} becomes empty text in trials in which {} is not active", name, name));
    }
  }
  if (!unused.empty()) {
    field.warning(
        fmt::format("not among its arguments: {}; the program has to read them from its environment or "
                    "KRIGON_PARAMS_FILE",
                    listed(unused)));
  }
  return words;
}

}  // namespace krigon::detail
