#include <array>
#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "core/quantity.hpp"
#include "core/url.hpp"
#include "krigon/error.hpp"
#include "render/human.hpp"
#include "render/table.hpp"
#include "submit/kubernetes.hpp"
#include "submit/local.hpp"
#include "submit/names.hpp"
#include "submit/process.hpp"
#include "submit/slurm.hpp"

namespace krigon::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  StudyOption study;
  std::string engine;
  std::optional<std::int64_t> workers;
  std::optional<std::int64_t> parallel;
  std::optional<std::int64_t> cpus;
  std::optional<std::int64_t> gpus;
  std::optional<std::string> memory;
  std::optional<std::string> time;
  std::optional<std::string> partition;
  std::optional<std::string> account;
  std::vector<std::string> options;
  std::optional<std::string> image;
  std::optional<std::string> name_space;
  std::optional<std::string> secret;
  std::optional<std::string> volume_claim;
  std::optional<std::string> name;
  std::optional<std::string> program;
  std::optional<std::string> trials_folder;
  std::optional<std::string> output;
  bool dry_run = false;
  bool json = false;
};

/// What an engine cannot do is refused, not left out.
void check_options(const Options& o, Engine engine) {
  struct Rule {
    const char* option;
    bool given;
    bool slurm, kubernetes, local;
  };
  const std::array<Rule, 14> rules{{
      {"--gpus-per-worker", o.gpus.has_value(), true, true, false},
      {"--cpus-per-worker", o.cpus.has_value(), true, true, false},
      {"--memory", o.memory.has_value(), true, true, false},
      {"--time", o.time.has_value(), true, true, false},
      {"--partition", o.partition.has_value(), true, false, false},
      {"--account", o.account.has_value(), true, false, false},
      {"--option", !o.options.empty(), true, false, false},
      {"--image", o.image.has_value(), false, true, false},
      {"--namespace", o.name_space.has_value(), false, true, false},
      {"--secret", o.secret.has_value(), false, true, false},
      {"--volume-claim", o.volume_claim.has_value(), false, true, false},
      {"--trials-folder", o.trials_folder.has_value(), true, false, true},
      {"--output", o.output.has_value(), true, true, false},
      {"--json", o.json, true, false, true},
  }};
  for (const auto& rule : rules) {
    const std::array<bool, 3> allowed{rule.slurm, rule.kubernetes, rule.local};
    if (!rule.given || allowed.at(static_cast<std::size_t>(engine))) continue;
    std::string names;
    for (const Engine other : {Engine::slurm, Engine::kubernetes, Engine::local}) {
      if (!allowed.at(static_cast<std::size_t>(other))) continue;
      names += (names.empty() ? "" : " and ") + std::string(to_string(other));
    }
    throw UsageError(fmt::format("{} is for engine {}, not for {}", rule.option, names, to_string(engine)));
  }
}

std::optional<std::uint64_t> memory_of(const Options& options) {
  if (!options.memory) return std::nullopt;
  const auto size = parse_size(*options.memory);
  if (size && *size > 0) return size;
  throw UsageError(fmt::format("--memory: found \"{}\", expected a size such as 4G or 512M (powers of 1024)",
                               *options.memory));
}

std::optional<Milliseconds> time_of(const Options& options) {
  if (!options.time) return std::nullopt;
  const auto time = parse_duration(*options.time);
  if (time && time->count() > 0) return time;
  throw UsageError(
      fmt::format("--time: found \"{}\", expected a duration such as 4h, 1h30m or 2d", *options.time));
}

std::string program_of(const Options& options, Engine engine) {
  if (options.program) {
    const bool path = engine != Engine::kubernetes && options.program->find('/') != std::string::npos;
    return path ? fs::absolute(*options.program).lexically_normal().string() : *options.program;
  }
  if (engine == Engine::kubernetes) return "krigon";
  std::error_code error;
  const fs::path own = fs::read_symlink("/proc/self/exe", error);
  return error ? "krigon" : own.string();
}

/// Without "." and without a '/' at its end.
fs::path absolute_folder(const fs::path& folder) {
  const fs::path normal = fs::absolute(folder).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

/// The study as it is in the store, or as its file says where nothing may be created.
OpenStudy study_of(const Options& options, StudyPlace place, Context& context) {
  if (!options.dry_run) return open_or_create_study(context, std::move(place));
  if (!place.loaded) return open_study(context, options.study);
  OpenStudy study;
  study.place = std::move(place);
  study.record.spec = study.place.loaded->spec;
  study.record.name = study.place.name;
  return study;
}

Submission submission_of(const Options& options, Engine engine, const OpenStudy& study) {
  const StudySpec& spec = study.record.spec;
  Submission submission;
  submission.study = study.record.name;
  submission.workers = *options.workers;
  submission.parallel = options.parallel.value_or(1);
  submission.job = options.name.value_or(job_name(submission.study, submission.workers));
  check_label(submission.job, "--name", most_letters(submission.workers));
  submission.storage = study.place.url;
  // Workers have another working directory: what the store calls itself is absolute.
  if (engine == Engine::local && study.storage && !holds_password(submission.storage)) {
    submission.storage = study.storage->url();
  }
  submission.program = program_of(options, engine);
  submission.study_folder = absolute_folder(study.place.folder);
  submission.trials_folder = absolute_folder(
      options.trials_folder ? fs::path(*options.trials_folder) : study.place.trials_folder(submission.study));
  submission.resources =
      worker_resources(spec.resources, submission.parallel, {options.cpus, options.gpus, memory_of(options)});
  submission.grace = spec.trial.grace;
  submission.time = time_of(options);
  return submission;
}

fs::path script_of(const Options& options, const Submission& submission) {
  return options.output ? fs::absolute(*options.output).lexically_normal()
                        : submission.study_folder / "krigon-submit" / (submission.job + ".sbatch");
}

SlurmOptions slurm_options(const Options& options, const Submission& submission) {
  SlurmOptions slurm;
  slurm.partition = options.partition.value_or("");
  slurm.account = options.account.value_or("");
  slurm.options = options.options;
  slurm.logs = submission.study_folder / "krigon-submit";
  if (holds_password(submission.storage)) {
    slurm.storage_file = script_of(options, submission).string() + ".storage";
  }
  return slurm;
}

KubernetesOptions kubernetes_options(const Options& options, const Submission& submission) {
  return {options.image.value_or(""), options.name_space.value_or(""),
          options.secret.value_or(submission.job + "-storage"), options.volume_claim.value_or("")};
}

/// The script or manifest; empty for local workers. Throws UsageError for what cannot be said in it.
std::string text_of(const Options& options, Engine engine, const Submission& submission) {
  if (engine == Engine::slurm) return slurm_script(submission, slurm_options(options, submission));
  if (engine == Engine::kubernetes)
    return kubernetes_job(submission, kubernetes_options(options, submission));
  return {};
}

int to_slurm(const Options& options, const Submission& submission, Context& context) {
  const fs::path script = script_of(options, submission);
  const SlurmOptions slurm = slurm_options(options, submission);
  const std::string text = slurm_script(submission, slurm);
  if (options.dry_run) {
    context.out << text;
    if (!slurm.storage_file.empty()) {
      context.err << "krigon: the script reads the store's URL from " << slurm.storage_file.string()
                  << ", which only a submission writes\n";
    }
    return kOk;
  }
  fs::create_directories(slurm.logs);
  if (!slurm.storage_file.empty()) write_file(slurm.storage_file, submission.storage + "\n", 0600);
  write_file(script, text, 0644);
  const std::string job = submit_to_slurm(script);
  const std::string logs = (slurm.logs / fmt::format("{}-{}_*.log", submission.job, job)).string();
  if (options.json) {
    context.out << dump({{"engine", "slurm"},
                         {"job", job},
                         {"workers", submission.workers},
                         {"script", script.string()},
                         {"logs", logs}})
                << "\n";
    return kOk;
  }
  context.out << render_fields({{"job", job},
                                {"workers", std::to_string(submission.workers)},
                                {"script", script.string()},
                                {"logs", logs},
                                {"look", "squeue --job " + job},
                                {"stop", "scancel " + job}},
                               context.out_terminal);
  return kOk;
}

int to_kubernetes(const Options& options, const Submission& submission, Context& context) {
  const KubernetesOptions kubernetes = kubernetes_options(options, submission);
  const std::string manifest = kubernetes_job(submission, kubernetes);
  const bool to_file = options.output && !options.dry_run;
  if (to_file) {
    write_file(fs::absolute(*options.output), manifest, 0644);
  } else {
    context.out << manifest;
  }
  auto& hint = to_file ? context.out : context.err;
  hint << "The manifest does not hold the store's URL. With the URL that the pods are to use in "
          "KRIGON_STORAGE:\n  "
       << secret_command(kubernetes) << "\n  kubectl apply -f "
       << (options.output ? shell_quote(*options.output) : "MANIFEST") << "\n";
  return kOk;
}

int to_local(const Options& options, const Submission& submission, Context& context) {
  const fs::path logs = submission.study_folder / "krigon-submit";
  if (options.dry_run) {
    auto words = worker_words(submission);
    words.insert(words.begin() + 2, {"--storage", without_password(submission.storage)});
    context.out << "cd " << shell_quote(submission.study_folder.string()) << "\n";
    for (std::int64_t i = 0; i < submission.workers; ++i) context.out << shell_line(words) << "\n";
    return kOk;
  }
  fs::create_directories(logs);
  const auto workers = start_local_workers(submission, logs);
  std::string pids;
  nlohmann::json json{{"engine", "local"}, {"workers", submission.workers}};
  for (const auto& worker : workers) {
    pids += (pids.empty() ? "" : " ") + std::to_string(worker.pid);
    json["pids"].push_back(worker.pid);
    json["logs"].push_back(worker.log.string());
  }
  if (options.json) {
    context.out << dump(json) << "\n";
    return kOk;
  }
  context.out << render_fields({{"processes", pids},
                                {"logs", (logs / (submission.job + "-*.log")).string()},
                                {"stop", "kill " + pids}},
                               context.out_terminal);
  return kOk;
}

int submit(const Options& options, Context& context) {
  if (options.engine.empty()) throw UsageError("--engine is missing; allowed: slurm, kubernetes, local");
  const Engine engine = engine_of(options.engine);
  check_options(options, engine);
  if (!options.workers) throw UsageError("--workers is missing: how many workers are to be started");
  StudyPlace place = locate(context, options.study);
  check_store(engine, place.url);
  if (engine != Engine::local) {
    const std::string warning = reach_warning(place.url);
    if (!warning.empty()) context.err << "warning: " << warning << "\n";
  }
  if (place.loaded) {
    // Found wrong before anything is created.
    OpenStudy as_in_file;
    as_in_file.place = place;
    as_in_file.record.spec = place.loaded->spec;
    as_in_file.record.name = place.name;
    text_of(options, engine, submission_of(options, engine, as_in_file));
  }
  const OpenStudy study = study_of(options, std::move(place), context);
  if (study.record.spec.trial.command.empty()) {
    throw UsageError(fmt::format(
        "the study \"{}\" has no trial command (trial: {{command: [...]}}), so workers have nothing to run",
        study.record.name));
  }
  check_checkpoint(context, study);
  const Submission submission = submission_of(options, engine, study);
  switch (engine) {
    case Engine::slurm:
      return to_slurm(options, submission, context);
    case Engine::kubernetes:
      return to_kubernetes(options, submission, context);
    case Engine::local:
      break;
  }
  return to_local(options, submission, context);
}

}  // namespace

void add_submit(Program& program) {
  program.add<Options>(
      "submit", "Start workers of a study on a cluster, or on this machine", submit,
      [](CommandBuilder& command, Options& o) {
        o.study.add_to(command);
        command.choice("--engine", o.engine, "What runs the workers", "ENGINE",
                       {"slurm", "kubernetes", "local"});
        command.integer("--workers", o.workers, "How many workers", 1, 1'000'000);
        command.integer("--parallel", o.parallel, "Trials at a time in each worker (default: 1)", 1,
                        1'000'000);
        command.integer("--cpus-per-worker", o.cpus, "CPUs of each (default: what its trials take)", 1,
                        1'000'000);
        command.integer("--gpus-per-worker", o.gpus, "GPUs of each (default: what its trials take)", 0,
                        1'000'000);
        command.text("--memory", o.memory, "Memory of each, e.g. 8G (default: what its trials take and 512M)",
                     "SIZE");
        command.text("--time", o.time,
                     "How long: of each worker with Slurm, of the whole job with Kubernetes", "DURATION");
        command.text("--partition", o.partition, "Slurm's partition", "NAME");
        command.text("--account", o.account, "Slurm's account", "NAME");
        command.list("--option", o.options,
                     "One more option of sbatch, as --option=--constraint=a100; repeatable", "OPTION");
        command.text("--image", o.image,
                     "Kubernetes: the container image, with krigon and the study's program", "IMAGE");
        command.text("--namespace", o.name_space, "Kubernetes: the namespace", "NAME");
        command.text("--secret", o.secret,
                     "Kubernetes: the secret with the store's URL under the key storage", "NAME");
        command.text("--volume-claim", o.volume_claim,
                     "Kubernetes: keeps the trials' folders, checkpoints included", "NAME");
        command.text("--name", o.name, "The job's name (default: krigon- and the study's)", "NAME");
        command.text("--program", o.program,
                     "The krigon that workers run (default: this one; in images: krigon)", "FILE");
        command.text("--trials-folder", o.trials_folder,
                     "Where trials have their folders (default: krigon-trials beside the study file)",
                     "FILE");
        command.text("--output", o.output, "Where the script or the manifest is written", "FILE");
        command.flag("--dry-run", o.dry_run, "Print what would be submitted; nothing is created or started");
        command.flag("--json", o.json, "Print the job, or the processes, as one JSON object");
        command.footer(
            R"(The study is created in its store where it is not there yet. Workers on other machines need a store
that they can reach: --storage postgresql://user@host/database. Its password stands in no script,
manifest or list of processes.

Example:
  krigon submit study.yaml --storage postgresql://me@db/tuning --engine slurm --workers 8 --time 4h
  krigon submit study.yaml --engine kubernetes --workers 8 --image registry/line:1 > job.yaml
  krigon submit study.yaml --engine local --workers 2)");
      });
}

}  // namespace krigon::cli
