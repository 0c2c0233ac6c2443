#include "cli/grammar.hpp"

#include <CLI/CLI.hpp>

#include "cli/cli.hpp"

namespace krigon::cli {
namespace {

/// The words between braces in "FORMAT:{args,env}".
std::vector<std::string> choices_in(const std::string& type_name) {
  std::vector<std::string> choices;
  const auto open = type_name.find('{');
  const auto close = type_name.find('}');
  if (open == std::string::npos || close == std::string::npos) return choices;
  std::string word;
  for (std::size_t i = open + 1; i <= close; ++i) {
    if (type_name[i] == ',' || i == close) {
      choices.push_back(word);
      word.clear();
    } else {
      word += type_name[i];
    }
  }
  return choices;
}

std::vector<OptionWord> options_of(const CLI::App& app) {
  std::vector<OptionWord> words;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty()) continue;
    OptionWord word;
    word.name = "--" + option->get_lnames().front();
    if (!option->get_snames().empty()) word.short_name = "-" + option->get_snames().front();
    word.description = option->get_description();
    word.takes_value = option->get_items_expected_max() > 0;
    const std::string type = option->get_type_name();
    if (word.takes_value) word.value_name = type.substr(0, type.find(':'));
    word.choices = choices_in(type);
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace

Grammar program_grammar() {
  CLI::App app;
  Action unused;
  build(app, unused);
  Grammar grammar;
  grammar.options = options_of(app);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    CommandWord word{command->get_name(), command->get_description(), options_of(*command), {}};
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_lnames().empty() && word.choices.empty())
        word.choices = choices_in(option->get_type_name());
    }
    grammar.commands.push_back(std::move(word));
  }
  return grammar;
}

}  // namespace krigon::cli
