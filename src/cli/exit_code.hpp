#pragma once

namespace krigon::cli {

/// What the program's exit status says. The manual page's EXIT STATUS repeats this list.
enum ExitCode : int {
  kOk = 0,             ///< done; for `run`: the study ended with at least one completed trial
  kNoResult = 1,       ///< done, with the answer no: no completed trial, too many failures, not reproduced,
                       ///< nothing left to ask, a check of `doctor` failed
  kUsage = 2,          ///< wrong arguments or a wrong study file; nothing was changed
  kNotFound = 3,       ///< no such study or trial
  kConflict = 4,       ///< contradicts what is recorded, which stands
  kEnvironment = 5,    ///< the store, the disk or the operating system failed
  kDefect = 70,        ///< a defect of Krigon itself
  kInterrupted = 130,  ///< ended by Ctrl-C or SIGTERM; `run` goes on from there when started again
};

}  // namespace krigon::cli
