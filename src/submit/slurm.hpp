#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "submit/submission.hpp"

namespace krigon {

struct SlurmOptions {
  std::string partition;
  std::string account;
  std::vector<std::string> options;    ///< more of sbatch's own, each "--name" or "--name=value"
  std::filesystem::path logs;          ///< absolute: the folder of the workers' output
  std::filesystem::path storage_file;  ///< absolute: where the URL lies; empty: it stands in the script
};

/// The script that `sbatch` takes: a job array with one worker a slot. Throws UsageError for what no line of
/// it can say: a time limit that leaves no time to run, an option that is none, a control character in a
/// path.
///
/// Slurm sends SIGTERM to the worker leaving_seconds() before the time limit (up to 60 s earlier, as it
/// pleases), and starts a slot again whose node failed or that was preempted.
std::string slurm_script(const Submission& submission, const SlurmOptions& options);

/// An argument within a line "#SBATCH --name=argument".
std::string sbatch_quote(std::string_view argument);

/// Hands the script to `sbatch` and returns the job's number. Throws EnvironmentError where there is no
/// sbatch, or it refuses, with its own words.
std::string submit_to_slurm(const std::filesystem::path& script);

}  // namespace krigon
