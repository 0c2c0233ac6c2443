#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "runner/report_log.hpp"
#include "runner/runner.hpp"
#include "runner/shim_protocol.hpp"

namespace krigon::detail {

/// All that is known of an attempt that is over.
struct Ending {
  const StudySpec& spec;
  const TrialJob& job;
  std::filesystem::path study_folder;
  std::vector<std::string> argv;
  std::string path;                 ///< the PATH that the program was looked up in
  std::optional<StopReason> stop;   ///< that it was told to stop, and why
  std::optional<ShimMessage> last;  ///< the shim's last word; absent: the shim is lost
  const ReportLog& reports;
  std::string stderr_tail;
};

/// Fills in outcome, reason, metrics, exit_code and signal.
void judge(const Ending& ending, Ended& ended);

/// Why `argv` could not be executed and what to do, for a person.
std::string start_failure(const std::vector<std::string>& argv, int error, const std::string& path,
                          const std::filesystem::path& study_folder, bool own_folder);

}  // namespace krigon::detail
