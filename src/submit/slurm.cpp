#include "submit/slurm.hpp"

#include <cctype>

#include <fmt/format.h>

#include "core/shell.hpp"
#include "krigon/error.hpp"
#include "submit/process.hpp"

namespace krigon {
namespace {

std::string directive(std::string_view name, std::string_view argument) {
  return fmt::format("#SBATCH --{}={}\n", name, sbatch_quote(argument));
}

/// "1-02:03:00". Slurm counts minutes, so a fraction of one is a whole.
std::string slurm_time(Milliseconds time) {
  const std::int64_t minutes = (time.count() + 59'999) / 60'000;
  return fmt::format("{}-{:02}:{:02}:00", minutes / 1440, minutes / 60 % 24, minutes % 60);
}

/// Slurm replaces %A and the like in the name of an output file.
std::string literal_pattern(const std::string& path) {
  std::string out;
  for (const char c : path) out += c == '%' ? std::string("%%") : std::string(1, c);
  return out;
}

void check_option(const std::string& option) {
  const std::string_view name = std::string_view(option).substr(0, option.find('='));
  const bool good =
      name.size() > 2 && name.starts_with("--") && name.find_first_of(" \t\r\n") == std::string_view::npos;
  if (!good) {
    throw UsageError(fmt::format(
        "--option: found \"{}\", expected one of sbatch's long options, e.g. --option=--constraint=a100",
        option));
  }
}

}  // namespace

std::string sbatch_quote(std::string_view argument) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%[]";
  bool plain = true;
  std::string out;
  for (const char c : argument) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte == 0x7f) {
      throw UsageError(fmt::format("Slurm takes no control character in \"{}\"", argument));
    }
    plain = plain && (byte >= 0x80 || kPlain.find(c) != std::string_view::npos);
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  // Outside of quotes a blank ends the argument even behind a backslash.
  return plain ? out : '"' + out + '"';
}

std::string slurm_script(const Submission& submission, const SlurmOptions& options) {
  const std::int64_t leaving = leaving_seconds(submission.grace);
  if (submission.time && submission.time->count() <= leaving * 1000) {
    throw UsageError(
        fmt::format("--time: found {} s, but a worker needs {} s to leave in good order (the trials' grace, "
                    "and some time to hand "
                    "them back); give it more",
                    submission.time->count() / 1000, leaving));
  }
  std::string script = fmt::format(
      "#!/bin/sh\n"
      "# Workers of a study, written by `krigon submit`. Each slot of the array is one worker; it takes "
      "trials from\n"
      "# the study's store until the study's budget is used up. Handed to sbatch again, it starts as many "
      "more.\n"
      "#SBATCH --job-name={}\n"
      "#SBATCH --array=1-{}\n"
      "#SBATCH --nodes=1\n"
      "#SBATCH --ntasks=1\n",
      submission.job, submission.workers);
  script += fmt::format("#SBATCH --cpus-per-task={}\n", submission.resources.cpus);
  if (submission.resources.memory) {
    script += fmt::format("#SBATCH --mem={}M\n", (*submission.resources.memory + (1u << 20) - 1) >> 20);
  }
  // By --gres, which every Slurm with GPUs knows; --gpus-per-task is there with one of its schedulers only.
  if (submission.resources.gpus > 0)
    script += fmt::format("#SBATCH --gres=gpu:{}\n", submission.resources.gpus);
  if (submission.time) script += fmt::format("#SBATCH --time={}\n", slurm_time(*submission.time));
  script += fmt::format(
      "# Told in time to leave, a worker stops its trials, hands them back and is gone before the limit.\n"
      "#SBATCH --signal=B:TERM@{}\n"
      "# Started again after a node failed or when the slot was taken away; the log goes on where it was.\n"
      "#SBATCH --requeue\n"
      "#SBATCH --open-mode=append\n",
      leaving);
  script += directive("chdir", submission.study_folder.string());
  script += directive("output", literal_pattern((options.logs / submission.job).string()) + "-%A_%a.log");
  if (!options.partition.empty()) script += directive("partition", options.partition);
  if (!options.account.empty()) script += directive("account", options.account);
  for (const auto& option : options.options) {
    check_option(option);
    script += fmt::format("#SBATCH {}\n", sbatch_quote(option));
  }
  script += "set -eu\n";
  std::vector<std::string> words = worker_words(submission);
  if (options.storage_file.empty()) {
    words.insert(words.begin() + 2, {"--storage", submission.storage});
  } else {
    script += fmt::format(
        "# The store's URL with its password, which neither Slurm nor a list of processes shall show.\n"
        "IFS= read -r KRIGON_STORAGE <{}\n"
        "export KRIGON_STORAGE\n",
        shell_quote(options.storage_file.string()));
  }
  // In the shell's place, so that it is the worker that Slurm's signals reach.
  return script + "exec " + shell_line(words) + "\n";
}

std::string submit_to_slurm(const std::filesystem::path& script) {
  const auto done = run_program({"sbatch", "--parsable", script.string()}, {"KRIGON_STORAGE"});
  if (!done) {
    throw EnvironmentError(
        fmt::format("sbatch was not found on PATH: submit where Slurm's commands are, by `sbatch {}`; "
                    "--dry-run only prints the "
                    "script",
                    shell_quote(script.string())));
  }
  if (done->status != 0) {
    throw EnvironmentError(fmt::format("sbatch refused {} (exit status {}): {}", script.string(),
                                       done->status, done->err.empty() ? "it did not say why" : done->err));
  }
  // "123", or "123;cluster" where there are several.
  std::string job = done->out.substr(0, done->out.find_first_of("\r\n"));
  if (job.empty() || !std::isdigit(static_cast<unsigned char>(job.front()))) {
    throw EnvironmentError(
        fmt::format("sbatch answered \"{}\" where a job's number was expected", done->out));
  }
  return job.substr(0, job.find(';'));
}

}  // namespace krigon
