#include "submit/submission.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "core/url.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

/// Room for a worker itself beside its trials, proposals included: one matrix of 2,000 observations is 32 MB,
/// and a fit holds several.
constexpr std::uint64_t kWorkerMemory = std::uint64_t{512} << 20;

/// For a worker that was told to leave, beside its trials' grace: their last reports are read, what they say
/// is stored, and a store that is slow just then is waited for.
constexpr std::int64_t kLeavingMargin = 30;

bool is_postgres(std::string_view url) {
  return url.starts_with("postgresql:") || url.starts_with("postgres:");
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = std::tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(16 * hex_digit(text[i + 1]) + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The hosts of a postgresql:// URL, separated by commas: those of its query where it names some, as for
/// libpq.
std::string hosts_of(std::string_view url) {
  const std::string_view rest = url.substr(std::min(url.size(), url.find("://") + 3));
  const auto query = rest.find('?');
  for (std::size_t at = query; at < rest.size(); at = rest.find('&', at)) {
    ++at;
    const std::string_view pair = rest.substr(at, rest.find('&', at) - at);
    for (const std::string_view key : {"host=", "hostaddr="}) {
      if (pair.starts_with(key)) return percent_decoded(pair.substr(key.size()));
    }
  }
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  return percent_decoded(authority.substr(authority.rfind('@') + 1));
}

bool is_on_this_machine(std::string_view host) {
  if (!host.starts_with('[')) host = host.substr(0, host.find(':'));
  return host.empty() || host.starts_with('/') || host.starts_with('@') || host == "localhost" ||
         host.starts_with("127.") || host.starts_with("[::1]") || host == "::1";
}

}  // namespace

Engine engine_of(std::string_view name) {
  for (const Engine engine : {Engine::slurm, Engine::kubernetes, Engine::local}) {
    if (name == to_string(engine)) return engine;
  }
  throw UsageError(fmt::format(
      "--engine: found \"{}\", allowed: slurm, kubernetes, local (processes on this machine)", name));
}

std::string_view to_string(Engine engine) {
  constexpr std::array<std::string_view, 3> kNames{"slurm", "kubernetes", "local"};
  return kNames[static_cast<std::size_t>(engine)];
}

WorkerResources worker_resources(const ResourceSpec& trial, std::int64_t parallel,
                                 const WantedResources& wanted) {
  const auto enough = [&](const char* option, std::int64_t given, std::int64_t each, const char* what) {
    if (given >= each * parallel) return given;
    throw UsageError(
        fmt::format("{}: found {}, but {} trial(s) at a time take {} {} (resources: of the study)", option,
                    given, parallel, each * parallel, what));
  };
  WorkerResources resources;
  resources.cpus = enough("--cpus-per-worker",
                          wanted.cpus.value_or(std::max<std::int64_t>(1, trial.cpus_per_trial) * parallel),
                          trial.cpus_per_trial, "CPUs");
  // A study's GPUs are indices into those that a worker sees: with fewer it would refuse to start.
  const std::int64_t seen =
      trial.gpus.empty() ? 0 : 1 + *std::max_element(trial.gpus.begin(), trial.gpus.end());
  resources.gpus =
      enough("--gpus-per-worker", wanted.gpus.value_or(std::max(seen, trial.gpus_per_trial * parallel)),
             trial.gpus_per_trial, "GPUs");
  if (resources.gpus < seen) {
    throw UsageError(
        fmt::format("--gpus-per-worker: found {}, but resources.gpus of the study names GPU {}, so a worker "
                    "has to see {}; "
                    "name fewer there, e.g. gpus: [0]",
                    resources.gpus, seen - 1, seen));
  }
  const std::uint64_t trials = trial.memory.value_or(0) * static_cast<std::uint64_t>(parallel);
  if (wanted.memory) {
    if (*wanted.memory < trials) {
      throw UsageError(fmt::format("--memory: found {} bytes, but {} trial(s) at a time may take {} bytes",
                                   *wanted.memory, parallel, trials));
    }
    resources.memory = wanted.memory;
  } else if (trial.memory) {
    resources.memory = trials + kWorkerMemory;
  }
  return resources;
}

std::int64_t leaving_seconds(Milliseconds grace) {
  return (grace.count() + 999) / 1000 + kLeavingMargin;
}

std::vector<std::string> worker_words(const Submission& submission) {
  std::vector<std::string> words{submission.program, "worker",     "--study",
                                 submission.study,   "--parallel", std::to_string(submission.parallel)};
  if (!submission.trials_folder.empty()) {
    words.insert(words.end(), {"--trials-folder", submission.trials_folder.string()});
  }
  return words;
}

bool holds_password(std::string_view url) {
  if (!is_postgres(url)) return false;
  // libpq decodes the names of the query's settings too, so that pass%77ord= is one more way to write it.
  const std::string decoded = percent_decoded(url);
  return without_password(url) != url || without_password(decoded) != decoded;
}

void check_store(Engine engine, std::string_view url) {
  if (is_postgres(url)) return;
  if (url.starts_with("memory:")) {
    throw UsageError(
        fmt::format("the store {} lives in one process only, and workers are processes of their own; "
                    "use a database: --storage postgresql://user@host/database{}",
                    url, engine == Engine::local ? ", or a file" : ""));
  }
  if (engine == Engine::local) return;
  throw UsageError(
      fmt::format("the store {} is a file, which the workers of engine {} on other machines cannot share "
                  "(SQLite's locks do not "
                  "hold on network file systems); use a database: --storage postgresql://user@host/database, "
                  "or --engine local for workers on this machine",
                  url, to_string(engine)));
}

std::string reach_warning(std::string_view url) {
  if (!is_postgres(url)) return {};
  std::string hosts = hosts_of(url);
  // Every one of several hosts has to be looked at: libpq takes the first that answers.
  for (std::string_view rest = hosts;;) {
    const auto comma = rest.find(',');
    if (!is_on_this_machine(rest.substr(0, comma))) return {};
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return fmt::format(
      "the server of {} is named as one of this machine alone; workers on others will look for it on "
      "theirs. Name the host by which they know it",
      without_password(url));
}

}  // namespace krigon
