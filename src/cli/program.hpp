#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace krigon::cli {

/// One command's grammar. The parser's own header stays out of the commands' files: it is slow to
/// compile. What options are read into must live until the command's action ran: see Program::add().
class CommandBuilder {
 public:
  using Option = CLI::Option*;

  explicit CommandBuilder(CLI::App& app) : app_(&app) {}

  /// `names` as "--format" or "-o,--output"; an option whose `value_name` is FILE or URL completes files.
  Option text(const char* names, std::string& value, const char* description, const char* value_name);
  Option text(const char* names, std::optional<std::string>& value, const char* description,
              const char* value_name);
  Option integer(const char* names, std::optional<std::int64_t>& value, const char* description,
                 std::int64_t min, std::int64_t max);
  Option choice(const char* names, std::string& value, const char* description, const char* value_name,
                const std::vector<std::string>& choices);
  /// May be given many times; each adds one value.
  Option list(const char* names, std::vector<std::string>& values, const char* description,
              const char* value_name);
  Option flag(const char* names, bool& value, const char* description);
  /// The positional words; `form` is how the help shows them ("[STUDY] TRIAL").
  void words(std::vector<std::string>& value, const char* form, const char* description, int min, int max);
  /// One positional word.
  void word(std::string& value, const char* name, const char* description);
  /// One positional word among few, that must be there.
  void choice_word(std::string& value, const char* name, const char* description,
                   const std::vector<std::string>& choices);
  void exclusive(Option a, Option b);
  /// What the help says below the options; ends in an example.
  void footer(const char* text);

 private:
  CLI::App* app_;
};

inline constexpr int kAnyNumber = 1 << 20;

/// The program's grammar while it is built.
class Program {
 public:
  Program(CLI::App& app, Action& action) : app_(app), action_(action) {}

  /// Adds a command that is read into an Options, kept alive for `run(options, context)`.
  template <class Options, class Run, class Declare>
  void add(const char* name, const char* description, Run run, Declare&& declare) {
    auto options = std::make_shared<Options>();
    CommandBuilder command = begin(name, description);
    declare(command, *options);
    finish(name, [run, options](Context& context) { return run(*options, context); });
  }

 private:
  CommandBuilder begin(const char* name, const char* description);
  void finish(const char* name, Action action);

  CLI::App& app_;
  Action& action_;
};

}  // namespace krigon::cli
