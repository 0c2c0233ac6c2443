#include "cli/completion.hpp"

#include <ostream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/values.hpp"

namespace krigon::cli {
namespace {

std::vector<std::string> names_of(const std::vector<OptionWord>& options) {
  std::vector<std::string> names;
  for (const auto& option : options) {
    names.push_back(option.name);
    if (!option.short_name.empty()) names.push_back(option.short_name);
  }
  return names;
}

/// Text within '...' of a zsh specification, whose own marks are [ ] and :.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == '[' || c == ']' || c == ':' || c == '\\') {
      out += std::string("\\") + c;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string bash_completion(const Grammar& grammar) {
  std::vector<std::string> first = names_of(grammar.options);
  std::string values, options, positionals;
  for (const auto& command : grammar.commands) {
    first.push_back(command.name);
    for (const auto& option : command.options) {
      if (option.choices.empty()) continue;
      values += fmt::format("    {}:{}) words=\"{}\" ;;\n", command.name, option.name,
                            fmt::join(option.choices, " "));
    }
    options +=
        fmt::format("        {}) words=\"{}\" ;;\n", command.name, fmt::join(names_of(command.options), " "));
    if (!command.choices.empty()) {
      positionals +=
          fmt::format("        {}) words=\"{}\" ;;\n", command.name, fmt::join(command.choices, " "));
    }
  }
  return fmt::format(R"(# Completion of krigon's command line for bash, made by `krigon completion bash`.
_krigon() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${{COMP_WORDS[i]}} == -* ]] || {{ command=${{COMP_WORDS[i]}}; break; }}
  done
  COMPREPLY=()
  case $command:$before in
    :*) words="{}" ;;
{}    *)
      if [[ $current == -* ]]; then
        case $command in
{}        esac
      else
        case $command in
{}        *) ;;
        esac
      fi ;;
  esac
  # Nothing of ours: file names, by `-o default`.
  [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _krigon krigon
)",
                     fmt::join(first, " "), values, options, positionals);
}

std::string zsh_completion(const Grammar& grammar) {
  const auto specification = [](const OptionWord& option) {
    std::string action;
    if (option.takes_value) {
      const bool file = option.value_name == "FILE" || option.value_name == "URL";
      action = fmt::format(":{}:{}", option.value_name,
                           !option.choices.empty() ? fmt::format("({})", fmt::join(option.choices, " "))
                           : file                  ? "_files"
                                                   : " ");
    }
    std::string out;
    for (const auto& name : {option.short_name, option.name}) {
      if (name.empty()) continue;
      out += fmt::format(" \\\n        '{}[{}]{}'", name, zsh_text(option.description), action);
    }
    return out;
  };
  std::string names, cases;
  for (const auto& command : grammar.commands) {
    names += fmt::format("    '{}:{}'\n", command.name, zsh_text(command.description));
    std::string specifications;
    for (const auto& option : command.options) specifications += specification(option);
    const std::string positional = command.choices.empty()
                                       ? "'*:file:_files'"
                                       : fmt::format("'*:word:({})'", fmt::join(command.choices, " "));
    cases += fmt::format("    {})\n      _arguments{} \\\n        {} ;;\n", command.name, specifications,
                         positional);
  }
  std::string own;
  for (const auto& option : grammar.options) own += specification(option);
  return fmt::format(R"(#compdef krigon
# Completion of krigon's command line for zsh, made by `krigon completion zsh`.
_krigon() {{
  local -a commands
  commands=(
{})
  if (( CURRENT == 2 )); then
    _describe command commands
    _arguments{}
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
# Autoloaded from fpath the file is the function's body; sourced, it defines the function.
if [[ $funcstack[1] == _krigon ]]; then _krigon "$@"; else compdef _krigon krigon; fi
)",
                     names, own, cases);
}

std::string fish_completion(const Grammar& grammar) {
  std::string out = "# Completion of krigon's command line for fish, made by `krigon completion fish`.\n";
  const auto line = [&](const std::string& condition, const OptionWord& option) {
    out += fmt::format("complete -c krigon -n {} -l {}", shell_quote(condition), option.name.substr(2));
    if (!option.short_name.empty()) out += fmt::format(" -s {}", option.short_name.substr(1));
    if (!option.choices.empty()) {
      out += fmt::format(" -x -a {}", shell_quote(fmt::format("{}", fmt::join(option.choices, " "))));
    } else if (option.takes_value) {
      out += " -r";
    }
    out += fmt::format(" -d {}\n", shell_quote(option.description));
  };
  for (const auto& option : grammar.options) line("__fish_use_subcommand", option);
  for (const auto& command : grammar.commands) {
    out += fmt::format("complete -c krigon -f -n __fish_use_subcommand -a {} -d {}\n", command.name,
                       shell_quote(command.description));
    const std::string seen = "__fish_seen_subcommand_from " + command.name;
    for (const auto& option : command.options) line(seen, option);
    if (!command.choices.empty()) {
      out += fmt::format("complete -c krigon -f -n {} -a {}\n", shell_quote(seen),
                         shell_quote(fmt::format("{}", fmt::join(command.choices, " "))));
    }
  }
  return out;
}

namespace {

struct Options {
  std::string shell;
};

int print_completion(const Options& options, Context& context) {
  const Grammar grammar = program_grammar();
  if (options.shell == "bash") {
    context.out << bash_completion(grammar);
  } else if (options.shell == "zsh") {
    context.out << zsh_completion(grammar);
  } else {
    context.out << fish_completion(grammar);
  }
  return kOk;
}

}  // namespace

void add_completion(Program& program) {
  program.add<Options>("completion", "Print a shell's completion of this command line", print_completion,
                       [](CommandBuilder& command, Options& o) {
                         command.choice_word(o.shell, "SHELL", "The shell", {"bash", "zsh", "fish"});
                         command.footer(R"(Example:
  source <(krigon completion bash)
  krigon completion fish > ~/.config/fish/completions/krigon.fish)");
                       });
}

}  // namespace krigon::cli
