#include "cli/cli.hpp"

#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

constexpr const char* kDescription =
    "Finds good hyperparameters in few trials: proposes them, runs the trials in parallel and stops the "
    "bad ones early.";

constexpr const char* kFooter =
    "Example:\n"
    "  krigon check study.yaml    what the study file says\n"
    "  krigon run study.yaml      run its trials, or go on where an earlier run was\n"
    "  krigon best study.yaml     the best parameters found\n\n"
    "Exit status: 0 done, 1 no result, 2 wrong arguments or study file, 3 not found, 4 conflict with what "
    "is recorded,\n5 store or system failure, 130 interrupted. See krigon(1).";

int complain(Context& context, int code, const std::string& message) {
  context.out.flush();
  context.err << "krigon: " << message << std::endl;
  return code;
}

/// The exit code and the message that belong to what was thrown.
int explain(Context& context) {
  try {
    throw;
  } catch (const ConfigError& e) {
    // Starts with "file:line: ", which editors and terminals find only at the start of a line.
    context.out.flush();
    context.err << e.what() << std::endl;
    return kUsage;
  } catch (const UsageError& e) {
    return complain(context, kUsage, e.what());
  } catch (const SpaceError& e) {
    return complain(context, kUsage, e.what());
  } catch (const NotFoundError& e) {
    return complain(context, kNotFound, e.what());
  } catch (const ConflictError& e) {
    return complain(context, kConflict, e.what());
  } catch (const Error& e) {
    return complain(context, kEnvironment, e.what());
  } catch (const std::filesystem::filesystem_error& e) {
    return complain(context, kEnvironment, e.what());
  } catch (const std::bad_alloc&) {
    return complain(context, kEnvironment, "out of memory");
  } catch (const std::exception& e) {
    return complain(context, kDefect, fmt::format("a defect of Krigon, please report it: {}", e.what()));
  }
}

}  // namespace

void build(CLI::App& app, Action& action) {
  app.name("krigon");
  app.description(kDescription);
  app.footer(kFooter);
  app.set_help_flag("-h,--help", "Show this help and exit");
  app.set_version_flag("--version", "krigon " KRIGON_VERSION, "Show the version and exit");
  app.require_subcommand(1);
  Program program(app, action);
  for (const auto add :
       {add_run,    add_worker,    add_submit, add_check,  add_status, add_best,      add_trials,
        add_show,   add_reproduce, add_ask,    add_tell,   add_report, add_pipe,      add_enqueue,
        add_export, add_import,    add_list,   add_delete, add_doctor, add_completion}) {
    add(program);
  }
}

int run(const std::vector<std::string>& arguments, Context& context) {
  Action action;
  CLI::App app;
  build(app, action);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::Success& e) {
    app.exit(e, context.out, context.err);  // --help, --version
    return kOk;
  } catch (const CLI::ParseError& e) {
    const auto chosen = app.get_subcommands();
    const std::string command = chosen.empty() ? "krigon" : "krigon " + chosen.front()->get_name();
    return complain(context, kUsage, fmt::format("{}\nTry '{} --help'.", e.what(), command));
  } catch (...) {
    return explain(context);  // a callback's own checks
  }
  try {
    const int code = action(context);
    context.out.flush();
    if (!context.out) return complain(context, kEnvironment, "the output could not be written");
    return code;
  } catch (...) {
    return explain(context);
  }
}

int main(int argc, char** argv, const Services& services) {
  const Environment environment = [](const char* name) { return std::getenv(name); };
  Context context{services,
                  std::cin,
                  std::cout,
                  std::cerr,
                  environment,
                  detect_terminal(STDOUT_FILENO, environment),
                  detect_terminal(STDERR_FILENO, environment),
                  isatty(STDIN_FILENO) == 1,
                  [&environment] { return detect_terminal(STDERR_FILENO, environment); }};
  return run({argv + 1, argv + argc}, context);
}

}  // namespace krigon::cli
