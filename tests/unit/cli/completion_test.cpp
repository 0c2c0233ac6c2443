// Help, manual page and completions name the same commands and options.

#include "cli/completion.hpp"

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli.hpp"

namespace krigon::cli {
namespace {

using ::testing::HasSubstr;

std::string help_of(const std::vector<std::string>& arguments) {
  const Services services;
  std::istringstream in;
  std::ostringstream out, err;
  Context context{services, in, out, err, [](const char*) { return nullptr; }, {}, {}};
  EXPECT_EQ(run(arguments, context), 0) << err.str();
  return out.str();
}

std::string manual() {
  std::ifstream file(KRIGON_SOURCE_DIR "/docs/man/krigon.1");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The manual's part on one command: from its item to the next one's.
std::string manual_of(const std::string& command) {
  const std::string text = manual();
  const std::string start = ".It Xo\n.Nm " + command + "\n";
  const auto at = text.find(start);
  if (at == std::string::npos) return "";
  const auto end = std::min(text.find("\n.Xc", at), text.size());
  return text.substr(at, end - at);
}

TEST(Grammar, HoldsEveryCommand) {
  std::vector<std::string> names;
  for (const auto& command : program_grammar().commands) names.push_back(command.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("run", "worker", "submit", "check", "ask", "tell",
                                                     "report", "pipe", "status", "best", "trials",
                                                     "reproduce", "show", "export", "import", "enqueue",
                                                     "list", "delete", "doctor", "completion"));
}

TEST(Help, EveryCommandHasItsOptionsAndAnExample) {
  const std::string overview = help_of({"--help"});
  for (const auto& command : program_grammar().commands) {
    SCOPED_TRACE(command.name);
    EXPECT_THAT(overview, HasSubstr("\n  " + command.name + " "));
    const std::string help = help_of({command.name, "--help"});
    EXPECT_THAT(help, HasSubstr("Example:\n  "));
    EXPECT_THAT(help, HasSubstr("krigon " + command.name));
    EXPECT_FALSE(command.description.empty());
    for (const auto& option : command.options) {
      EXPECT_THAT(help, HasSubstr(option.name));
      EXPECT_FALSE(option.description.empty()) << option.name;
    }
  }
}

TEST(Manual, NamesTheSameCommandsAndOptions) {
  std::set<std::string> in_manual;
  const std::string text = manual();
  const std::string item = ".It Xo\n.Nm ";
  for (auto at = text.find(item); at != std::string::npos; at = text.find(item, at + 1)) {
    const auto start = at + item.size();
    in_manual.insert(text.substr(start, text.find('\n', start) - start));
  }
  std::set<std::string> in_grammar;
  for (const auto& command : program_grammar().commands) {
    SCOPED_TRACE(command.name);
    in_grammar.insert(command.name);
    const std::string part = manual_of(command.name);
    std::set<std::string> options;
    for (const auto& option : command.options) {
      if (option.name == "--help") continue;  // said once for all
      options.insert(option.name);
      EXPECT_THAT(part, HasSubstr("Fl -" + option.name.substr(2))) << "the manual misses " << option.name;
    }
    for (auto at = part.find("Fl -"); at != std::string::npos; at = part.find("Fl -", at + 1)) {
      const auto start = at + 4;
      const std::string name = "--" + part.substr(start, part.find_first_of(" \n", start) - start);
      EXPECT_TRUE(options.contains(name)) << "the manual invents " << name;
    }
  }
  EXPECT_EQ(in_manual, in_grammar);
  EXPECT_THAT(text, HasSubstr("Fl -help"));
  EXPECT_THAT(text, HasSubstr("Fl -version"));
}

TEST(Completion, NamesTheSameCommandsAndOptions) {
  const Grammar grammar = program_grammar();
  for (const auto& script : {bash_completion(grammar), zsh_completion(grammar), fish_completion(grammar)}) {
    for (const auto& command : grammar.commands) {
      EXPECT_THAT(script, HasSubstr(command.name));
      for (const auto& option : command.options) EXPECT_THAT(script, HasSubstr(option.name.substr(2)));
    }
  }
}

TEST(Completion, KnowsAllowedValues) {
  const Grammar grammar = program_grammar();
  EXPECT_THAT(bash_completion(grammar), HasSubstr("best:--format) words=\"args env json yaml\""));
  EXPECT_THAT(zsh_completion(grammar), HasSubstr("(args env json yaml)"));
  EXPECT_THAT(fish_completion(grammar), HasSubstr("-x -a 'args env json yaml'"));
  EXPECT_THAT(bash_completion(grammar), HasSubstr("completion) words=\"bash zsh fish\""));
}

}  // namespace
}  // namespace krigon::cli
