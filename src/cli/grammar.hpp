#pragma once

#include <string>
#include <vector>

namespace krigon::cli {

/// An option as completions, the manual page's test and others see it.
struct OptionWord {
  std::string name;        ///< "--storage"
  std::string short_name;  ///< "-o", or empty
  std::string description;
  bool takes_value = false;
  std::string value_name;            ///< "URL"
  std::vector<std::string> choices;  ///< allowed values, where they are few
};

struct CommandWord {
  std::string name;
  std::string description;
  std::vector<OptionWord> options;
  std::vector<std::string> choices;  ///< of its positional argument, where they are few
};

struct Grammar {
  std::vector<OptionWord> options;  ///< of the program itself
  std::vector<CommandWord> commands;
};

/// What the parser knows, read from it: completions cannot tell anything else than --help does.
Grammar program_grammar();

}  // namespace krigon::cli
