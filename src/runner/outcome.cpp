#include "runner/outcome.hpp"

#include <csignal>
#include <cstring>
#include <fstream>
#include <system_error>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/text.hpp"

namespace krigon::detail {

namespace fs = std::filesystem;

namespace {

std::string duration(Milliseconds time) {
  const double seconds = static_cast<double>(time.count()) / 1000.0;
  return seconds < 120 ? fmt::format("{:g} s", seconds) : fmt::format("{:g} min", seconds / 60);
}

std::string signal_text(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? fmt::format("signal {} (SIG{})", signal, name) : fmt::format("signal {}", signal);
}

std::string bytes_text(std::uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes >= (1u << 30)) return fmt::format("{:.3g} GiB", value / (1u << 30));
  return fmt::format("{:.3g} MiB", value / (1u << 20));
}

/// A file that the program missed in its own folder and that stands beside the study file.
std::string missing_file_hint(const Ending& ending) {
  const std::string& text = ending.stderr_tail;
  if (!ending.spec.trial.own_folder || text.find("o such file") == std::string::npos) return {};
  std::error_code error;
  int looked_at = 0;
  for (fs::directory_iterator it(ending.study_folder, error), end; !error && it != end && ++looked_at <= 1000;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
      const auto edge = [&](std::size_t i) {
        return i >= text.size() || std::strchr("'\" :/\n", text[i]) != nullptr;
      };
      if (at > 0 && edge(at - 1) && text[at - 1] != '/' && edge(at + name.size())) {
        return fmt::format(
            "; '{}' is beside the study file: list it under 'inputs:' and it is linked into the "
            "trial's folder",
            name);
      }
    }
  }
  return {};
}

std::string memory_reason(const Ending& ending) {
  if (ending.spec.resources.memory) {
    return fmt::format("out of memory: it needed more than the {} of 'resources: memory:'",
                       bytes_text(*ending.spec.resources.memory));
  }
  return "out of memory: the system killed it";
}

void judge_exit(const Ending& ending, int status, Ended& ended) {
  if (WIFSIGNALED(status)) {
    ended.signal = WTERMSIG(status);
    ended.outcome = Outcome::signalled;
    ended.reason = "ended by " + signal_text(*ended.signal);
    return;
  }
  ended.exit_code = WEXITSTATUS(status);
  if (*ended.exit_code != 0) {
    ended.outcome = Outcome::failed;
    ended.reason = fmt::format("exit code {}", *ended.exit_code);
    if (*ended.exit_code > 128 && ::sigabbrev_np(*ended.exit_code - 128) != nullptr) {
      ended.reason += fmt::format(" (a shell's word for {})", signal_text(*ended.exit_code - 128));
    }
    ended.reason += missing_file_hint(ending);
    return;
  }
  auto result = ending.reports.result();
  if (!ending.job.needs_result || result.problem.empty()) {
    ended.outcome = Outcome::completed;
    ended.metrics = std::move(result.metrics);
    return;
  }
  ended.outcome = Outcome::bad_result;
  ended.reason = std::move(result.problem);
}

void judge_stop(const Ending& ending, Ended& ended) {
  switch (ending.stop.value_or(StopReason::cancelled)) {
    case StopReason::early_stop:
      ended.outcome = Outcome::stopped;
      ended.reason = "stopped early";
      break;
    case StopReason::timeout:
      ended.outcome = Outcome::timed_out;
      ended.reason = ending.spec.trial.timeout ? fmt::format("not done after {}, the time-out",
                                                             duration(*ending.spec.trial.timeout))
                                               : "timed out";
      break;
    case StopReason::cancelled:
      ended.outcome = Outcome::cancelled;
      ended.reason = "cancelled";
      break;
  }
}

std::string not_started(const Ending& ending, const ShimMessage& word) {
  const char* text = std::strerror(word.error);
  switch (word.stage) {
    case ShimStage::exec:
      return start_failure(ending.argv, word.error, ending.path, ending.study_folder,
                           ending.spec.trial.own_folder);
    case ShimStage::folder:
      return fmt::format("cannot enter the working directory: {}", text);
    case ShimStage::output:
      return fmt::format("cannot make the files for its output: {}", text);
    case ShimStage::fork:
      return fmt::format("cannot make a process: {}", text);
    case ShimStage::pattern:
      return "a pattern of 'metrics:' is no regular expression";
    default:
      return "krigon-shim is of another version than krigon: install both from one build";
  }
}

std::string first_line(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string line(256, '\0');
  in.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<std::size_t>(in.gcount()));
  return line.substr(0, line.find('\n'));
}

std::string interpreter_for(const fs::path& file) {
  const std::string extension = file.extension().string();
  if (extension == ".py") return "python3";
  if (extension == ".sh") return "sh";
  if (extension == ".R" || extension == ".r") return "Rscript";
  if (extension == ".jl") return "julia";
  return {};
}

}  // namespace

std::string start_failure(const std::vector<std::string>& argv, int error, const std::string& path,
                          const fs::path& study_folder, bool own_folder) {
  const std::string& program = argv.at(0);
  std::string text = fmt::format("cannot start '{}': {}", excerpt(program, 200), std::strerror(error));
  const bool has_slash = program.find('/') != std::string::npos;
  const fs::path there = study_folder / program;
  std::error_code ignored;
  const bool exists = fs::is_regular_file(there, ignored);
  const std::string interpreter = interpreter_for(program);
  if (!has_slash && exists) {
    text += interpreter.empty()
                ? fmt::format("; it is beside the study file, so write ./{} in 'command:'", program)
                : fmt::format("; it is beside the study file, so write [{}, {}, ...] in 'command:'",
                              interpreter, program);
  } else if (!has_slash && error == ENOENT) {
    text += fmt::format("; no program of that name is in PATH ({})", excerpt(path, 300));
  } else if (error == ENOENT && exists) {
    const std::string line = first_line(there);
    if (line.substr(0, 2) == "#!")
      text += fmt::format("; its first line, '{}', names no program here", excerpt(line, 100));
  } else if (error == ENOENT) {
    text += fmt::format("; relative paths are taken from the {}, {}",
                        own_folder ? "study file's folder" : "study folder", study_folder.string());
  } else if (error == EACCES && exists) {
    text += interpreter.empty()
                ? fmt::format("; make it executable: chmod +x {}", there.string())
                : fmt::format("; make it executable (chmod +x {}) or write [{}, {}, ...] in 'command:'",
                              there.string(), interpreter, program);
  }
  return text;
}

void judge(const Ending& ending, Ended& ended) {
  if (!ending.last) {
    ended.outcome = Outcome::lost;
    ended.reason = "the process that watched over it (krigon-shim) was killed";
    return;
  }
  const ShimMessage& word = *ending.last;
  if (word.word == ShimWord::not_started) {
    ended.outcome = Outcome::could_not_start;
    ended.reason = not_started(ending, word);
    return;
  }
  if (word.signalled != 0) {
    if (WIFSIGNALED(word.wait_status)) ended.signal = WTERMSIG(word.wait_status);
    if (WIFEXITED(word.wait_status)) ended.exit_code = WEXITSTATUS(word.wait_status);
    judge_stop(ending, ended);
    return;
  }
  judge_exit(ending, word.wait_status, ended);
  // The kernel's killer strikes with SIGKILL: the program itself, or a child of which it then tells by
  // an exit code of its own. Without a group of its own the count is the whole machine's.
  const bool killed = ended.signal == SIGKILL || (ended.exit_code == 128 + SIGKILL);
  const bool failed = ended.outcome == Outcome::failed || ended.outcome == Outcome::signalled;
  if (word.oom_kills > 0 && (killed || (failed && ending.spec.resources.memory))) {
    ended.outcome = Outcome::out_of_memory;
    ended.reason = memory_reason(ending);
  }
}

}  // namespace krigon::detail
