#include <fstream>
#include <istream>
#include <iterator>
#include <ostream>
#include <sstream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exchange.hpp"
#include "cli/exit_code.hpp"
#include "cli/study_option.hpp"
#include "cli/trial_text.hpp"
#include "krigon/error.hpp"
#include "render/human.hpp"

namespace krigon::cli {
namespace {

enum class Format { jsonl, csv };

struct Options {
  StudyOption study;
  std::vector<std::string> words;  ///< import: [STUDY] TRIALS
  std::string file;
  std::string format;
  bool json = false;
};

Format format_of(const Options& options) {
  if (!options.format.empty()) return options.format == "csv" ? Format::csv : Format::jsonl;
  return std::filesystem::path(options.file).extension() == ".csv" ? Format::csv : Format::jsonl;
}

void add_format(CommandBuilder& command, Options& options) {
  command.choice("--format", options.format, "The format (default: csv for a file named *.csv, else jsonl)",
                 "FORMAT", {"jsonl", "csv"});
}

int export_trials(const Options& options, Context& context) {
  const OpenStudy study = open_study(context, options.study);
  const auto rows = load_trials(*study.storage, study.record.id);
  std::string text;
  if (format_of(options) == Format::csv) {
    text = rows_csv(rows, study.record.spec);
  } else {
    for (const auto& row : rows) text += dump(row_json(row)) + "\n";
  }
  if (options.file.empty()) {
    context.out << text;
    return kOk;
  }
  std::ofstream file(options.file, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw EnvironmentError(fmt::format("{}: could not be written", options.file));
  context.err << fmt::format("{} written to {}\n", count_of(static_cast<std::int64_t>(rows.size()), "trial"),
                             options.file);
  return kOk;
}

std::string read_all(const Options& options, Context& context) {
  if (options.file == "-") return {std::istreambuf_iterator<char>(context.in), {}};
  std::ifstream file(options.file, std::ios::binary);
  if (!file) throw UsageError(fmt::format("{}: could not be read", options.file));
  return {std::istreambuf_iterator<char>(file), {}};
}

/// False where its key was imported before.
bool import_one(StudyManager& manager, const ImportedTrial& trial) {
  CreateTrial create;
  create.parameters = trial.parameters;
  create.proposal.sampler = "imported";
  create.key = trial.key;
  create.worker = "import";
  const Applied applied = manager.apply(create);
  if (!applied.changed) return false;
  const std::int64_t number = applied.trial->number;
  const std::int64_t fence = applied.attempt->fence;
  for (const auto& [step, metrics] : trial.reports) manager.apply(ReportStep{number, fence, step, metrics});
  switch (trial.state) {
    case TrialState::stopped:
      manager.apply(StopTrial{number, fence, trial.reason});
      break;
    case TrialState::failed: {
      FailAttempt fail;
      fail.trial = number;
      fail.fence = fence;
      fail.reason = trial.reason;
      manager.apply(fail);
      break;
    }
    default:
      manager.apply(CompleteTrial{number, fence, trial.metrics, {}});
  }
  return true;
}

int import_trials(Options options, Context& context) {
  if (options.words.size() == 2) options.study.file = options.words.front();
  options.file = options.words.back();
  const std::string text = read_all(options, context);
  StudyPlace place = locate(context, options.study);
  const auto read = [&](const StudySpec& spec) {
    try {
      return format_of(options) == Format::csv ? trials_from_csv(text, spec) : trials_from_jsonl(text, spec);
    } catch (const UsageError& e) {
      throw UsageError(fmt::format("{}: {}; nothing was imported", options.file, e.what()));
    }
  };
  // All lines are read before the first trial, or the study, is made.
  if (place.loaded) read(place.loaded->spec);
  const OpenStudy study = open_or_create_study(context, std::move(place));
  const auto trials = read(study.record.spec);
  const auto manager = study.manager(context);
  std::int64_t imported = 0;
  for (const auto& trial : trials) imported += import_one(*manager, trial) ? 1 : 0;
  const std::int64_t known = static_cast<std::int64_t>(trials.size()) - imported;
  if (options.json) {
    context.out << dump({{"imported", imported}, {"known", known}}) << "\n";
  } else {
    context.out << fmt::format("{} imported", count_of(imported, "trial"));
    if (known > 0) context.out << fmt::format(", {} known already by their keys", known);
    context.out << "\n";
  }
  return kOk;
}

}  // namespace

void add_export(Program& program) {
  program.add<Options>("export", "Write a study's trials, with what they reported, to a file", export_trials,
                       [](CommandBuilder& command, Options& o) {
                         o.study.add_to(command);
                         command.text("-o,--output", o.file, "The file (default: standard output)", "FILE");
                         add_format(command, o);
                         command.footer(R"(JSON lines hold every report; CSV holds the final or last metrics.

Example:
  krigon export study.yaml -o trials.jsonl
  krigon export study.yaml --format csv)");
                       });
}

void add_import(Program& program) {
  program.add<Options>(
      "import", "Add trials that were run elsewhere, from JSON lines or CSV", import_trials,
      [](CommandBuilder& command, Options& o) {
        o.study.add_options_to(command);
        command.words(o.words, "[STUDY] TRIALS", "The file with the trials, - for standard input", 1, 2);
        add_format(command, o);
        command.flag("--json", o.json, "Print one JSON object");
        command.footer(
            R"(A line of JSON: {"parameters": {"lr": 0.1}, "metrics": {"loss": 0.3}}; state, reports, reason
and key may be there. CSV: a header of parameters and metrics. Where a line is wrong, nothing
is imported. A trial whose key is there already is left out.

Example:
  krigon import study.yaml trials.csv)");
      });
}

}  // namespace krigon::cli
