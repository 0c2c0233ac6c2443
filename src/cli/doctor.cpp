#include <algorithm>
#include <ostream>

#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/trial_text.hpp"
#include "render/table.hpp"

namespace krigon::cli {
namespace {

struct Options {
  bool json = false;
};

int doctor(const Options& options, Context& context) {
  const auto findings = context.services.doctor();
  const bool well = std::all_of(findings.begin(), findings.end(), [](const Finding& f) { return f.ok; });
  if (options.json) {
    nlohmann::json json{{"ok", well}, {"findings", nlohmann::json::array()}};
    for (const auto& f : findings) {
      json["findings"].push_back({{"name", f.name}, {"value", f.value}, {"ok", f.ok}, {"hint", f.hint}});
    }
    context.out << dump(json) << "\n";
  } else {
    std::vector<std::pair<std::string, Cell>> fields;
    for (const auto& f : findings) {
      const std::string hint = f.hint.empty() ? "" : " (" + f.hint + ")";
      fields.emplace_back(f.name, Cell(f.value + hint, f.ok ? Color::plain : Color::red));
    }
    context.out << render_fields(fields, context.out_terminal);
  }
  return well ? kOk : kNoResult;
}

}  // namespace

void add_doctor(Program& program) {
  program.add<Options>("doctor", "What this machine offers: backend, BLAS, threads, GPU, memory limits",
                       doctor, [](CommandBuilder& command, Options& o) {
                         command.flag("--json", o.json, "Print one JSON object");
                         command.footer(R"(Exit status 1 where something should be mended.

Example:
  krigon doctor)");
                       });
}

}  // namespace krigon::cli
