#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "submit/submission.hpp"

namespace krigon {

struct LocalWorker {
  pid_t pid = 0;
  std::filesystem::path log;
};

/// Starts the workers on this machine; they go on when their starter and its terminal are gone. Their output
/// is appended to JOB-N.log in the folder `logs`. Throws EnvironmentError where one cannot be started, or
/// ends within half a second with an error: its last words are in the message, and none is left running.
std::vector<LocalWorker> start_local_workers(const Submission& submission, const std::filesystem::path& logs);

}  // namespace krigon
