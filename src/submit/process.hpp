#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace krigon {

/// How a program that was waited for ended.
struct ProgramEnd {
  int status = 0;   ///< exit status; 128 + the signal's number where one ended it
  std::string out;  ///< what it printed, without blanks and line ends at the end
  std::string err;
};

/// Runs argv[0], found on PATH, without the named variables in its environment, and waits for it. nullopt
/// where there is no such program. Throws EnvironmentError where it cannot be started for another reason.
std::optional<ProgramEnd> run_program(const std::vector<std::string>& argv,
                                      const std::vector<std::string>& without);

/// A program that goes on when its starter and the terminal are gone.
struct DetachedProgram {
  std::vector<std::string> argv;         ///< argv[0] is a path or found on PATH
  std::vector<std::string> environment;  ///< "NAME=value", in place of what is inherited under these names
  std::filesystem::path folder;          ///< its working directory
  std::filesystem::path log;             ///< appended to: its standard output and error
};

/// Starts it in a session of its own and returns its process number. Throws EnvironmentError.
pid_t start_detached(const DetachedProgram& program);

/// Writes the file in one step, so that a reader sees the old one or the new one. Throws EnvironmentError.
void write_file(const std::filesystem::path& file, const std::string& text, mode_t mode);

}  // namespace krigon
