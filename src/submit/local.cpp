#include "submit/local.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <sys/wait.h>

#include "core/shell.hpp"
#include "krigon/error.hpp"
#include "submit/process.hpp"

namespace krigon {
namespace {

/// Wrong arguments and a store that is not there are seen in this time.
constexpr std::chrono::milliseconds kWatched{500};

/// The last two lines that are not blank: errors may have a second one with a hint.
std::string last_words_of(const std::filesystem::path& log) {
  std::ifstream file(log);
  std::string before, last;
  for (std::string line; std::getline(file, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    before = std::exchange(last, line);
  }
  return before.empty() ? last : before + " " + last;
}

void stop(const std::vector<LocalWorker>& workers) {
  for (const auto& worker : workers) ::kill(worker.pid, SIGTERM);
}

}  // namespace

std::vector<LocalWorker> start_local_workers(const Submission& submission,
                                             const std::filesystem::path& logs) {
  DetachedProgram program;
  program.argv = worker_words(submission);
  program.folder = submission.study_folder;
  if (holds_password(submission.storage)) {
    program.environment = {"KRIGON_STORAGE=" + submission.storage};
  } else {
    program.argv.insert(program.argv.begin() + 2, {"--storage", submission.storage});
  }
  std::vector<LocalWorker> workers;
  for (std::int64_t i = 1; i <= submission.workers; ++i) {
    program.log = logs / fmt::format("{}-{}.log", submission.job, i);
    try {
      workers.push_back({start_detached(program), program.log});
    } catch (...) {
      stop(workers);
      throw;
    }
  }
  std::this_thread::sleep_for(kWatched);
  for (const auto& worker : workers) {
    int status = 0;
    if (::waitpid(worker.pid, &status, WNOHANG) != worker.pid || status == 0) continue;
    stop(workers);
    const std::string said = last_words_of(worker.log);
    throw EnvironmentError(fmt::format("a worker ended at once ({} {}): {}; its output is in {}",
                                       WIFEXITED(status) ? "exit status" : "signal",
                                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                                       said.empty() ? "it said nothing" : said, worker.log.string()));
  }
  return workers;
}

}  // namespace krigon
