#include <ostream>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/trial_text.hpp"
#include "core/url.hpp"
#include "krigon/error.hpp"
#include "render/human.hpp"
#include "render/table.hpp"

namespace krigon::cli {
namespace {

struct Options {
  std::string storage;
  bool json = false;
};

int list(const Options& options, Context& context) {
  std::string url = options.storage.empty() ? context.variable("KRIGON_STORAGE") : options.storage;
  if (url.empty()) url = "krigon.db";
  if (!context.services.store_exists(url)) {
    throw NotFoundError(fmt::format("there is no store at {}", without_password(url)));
  }
  const auto storage = context.services.open_storage(url, false);
  Table table{{{"study"},
               {"done", Align::right},
               {"running", Align::right},
               {"objective"},
               {"best", Align::right},
               {"created (UTC)"}},
              {}};
  for (const auto& study : storage->studies()) {
    const auto& objective = study.spec.objective();
    const bool has_best = study.head.best_trial >= 0;
    if (options.json) {
      nlohmann::json json = head_json(study.head);
      json["study"] = study.name;
      json["metric"] = objective.metric;
      json["direction"] = to_string(objective.direction);
      json["best_trial"] = has_best ? nlohmann::json(study.head.best_trial) : nlohmann::json(nullptr);
      json["best_value"] = has_best ? nlohmann::json(study.head.best_value) : nlohmann::json(nullptr);
      json["created"] = time_json(study.created);
      context.out << dump(json) << "\n";
      continue;
    }
    table.rows.push_back({study.name, std::to_string(study.head.finished()),
                          std::to_string(study.head.running),
                          fmt::format("{} {}", to_string(objective.direction), objective.metric),
                          has_best ? human_number(study.head.best_value) : "", human_time(study.created)});
  }
  if (!options.json) context.out << render_table(table, context.out_terminal);
  return kOk;
}

}  // namespace

void add_list(Program& program) {
  program.add<Options>("list", "The studies of a store", list, [](CommandBuilder& command, Options& o) {
    command.text(
        "--storage", o.storage,
        "The store, sqlite:///PATH, postgresql://... or a path (default: $KRIGON_STORAGE, else krigon.db)",
        "URL");
    command.flag("--json", o.json, "Print one JSON object a line");
    command.footer(R"(Example:
  krigon list --storage /data/krigon.db)");
  });
}

}  // namespace krigon::cli
