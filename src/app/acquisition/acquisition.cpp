#include "krigon/acquisition.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "app/acquisition/function.hpp"
#include "krigon/error.hpp"

namespace krigon {

namespace {

constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

struct Choice {
  std::string_view name;
  std::unique_ptr<AcquisitionFunction> (*make)(const AcquisitionRequest&);
  std::size_t most_together = 1;
  std::size_t most_processes = 1;
};

constexpr auto kChoices = std::to_array<Choice>({
    {"log-ei", make_joint_function},
    {"log-pi", make_joint_function},
    {"ucb", make_joint_function},
    {"log-variance", make_joint_function},
    {"log-probability-below", make_joint_function},
    {"log-probability-above", make_joint_function},
    {"log-kg", make_knowledge_function},
    {"log-gibbon", make_joint_function},
    {"q-log-ei", make_joint_function, kAny},
    {"q-log-pi", make_joint_function, kAny},
    {"q-ucb", make_joint_function, kAny},
    {"q-log-nei", make_noisy_function, kAny},
    {"gibbon", make_joint_function, kAny},
    {"thompson", make_path_function, kAny},
    {"log-ehvi", make_hypervolume_function, 1, kAny},
    {"q-log-ehvi", make_hypervolume_function, kAny, kAny},
});

const Choice& choice_of(const std::string& name, const char* what) {
  std::string names;
  for (const Choice& choice : kChoices) {
    if (choice.name == name) return choice;
    names += (names.empty() ? "" : ", ") + std::string(choice.name);
  }
  throw UsageError(fmt::format("{}: there is no acquisition \"{}\"; there are {}", what, name, names));
}

/// What to say to somebody who wants several points of an acquisition of one.
std::string several_instead(const std::string& name) {
  std::string all;
  for (const Choice& choice : kChoices) {
    if (choice.most_together == 1) continue;
    if (choice.name == "q-" + name || "log-" + std::string(choice.name) == name) {
      return fmt::format("try \"{}\"", choice.name);
    }
    all += (all.empty() ? "" : ", ") + std::string(choice.name);
  }
  return "of several are " + all;
}

struct Prepared {
  std::vector<ProcessAccess::Impl*> processes;
  std::unique_ptr<AcquisitionFunction> function;
};

Prepared prepare(std::span<GaussianProcess* const> processes, const AcquisitionOptions& options,
                 const char* what) {
  const Choice& choice = choice_of(options.name, what);
  Prepared made;
  for (GaussianProcess* process : processes) {
    if (process == nullptr || std::find(processes.begin(), processes.end(), process) !=
                                  processes.begin() + static_cast<std::ptrdiff_t>(made.processes.size())) {
      throw UsageError(fmt::format("{}: process {} is null, or there twice", what, made.processes.size()));
    }
    made.processes.push_back(&ProcessAccess::of(*process));
  }
  if (processes.empty() || processes.size() > choice.most_processes) {
    throw UsageError(fmt::format(
        "{}: \"{}\" is of {}, not of {}; of several are log-ehvi and q-log-ehvi", what, options.name,
        choice.most_processes == 1 ? "one process" : "one process or more", processes.size()));
  }
  if (options.q < 1 || options.samples < 1) {
    throw UsageError(fmt::format("{}: q = {} points and {} samples; 1 or more are allowed", what, options.q,
                                 options.samples));
  }
  if (options.q > choice.most_together) {
    throw UsageError(fmt::format("{}: \"{}\" is of one point, q = {}; {}", what, options.name, options.q,
                                 several_instead(options.name)));
  }
  made.function = choice.make({made.processes, options, what});
  return made;
}

}  // namespace

std::vector<std::string> acquisition_names() {
  std::vector<std::string> names;
  for (const Choice& choice : kChoices) names.emplace_back(choice.name);
  return names;
}

void evaluate_acquisition(std::span<GaussianProcess* const> processes, const AcquisitionOptions& options,
                          std::span<const double> x, std::span<double> value, std::span<double> gradient) {
  const Prepared made = prepare(processes, options, "evaluate_acquisition");
  const std::size_t dims = options.q * made.processes.front()->columns;
  if (x.size() % dims != 0 || value.size() != x.size() / dims ||
      (!gradient.empty() && gradient.size() != x.size())) {
    throw UsageError(
        fmt::format("evaluate_acquisition: {} numbers are {} groups of {} points of {} columns, room for {} "
                    "values and {} derivatives",
                    x.size(), static_cast<double>(x.size()) / static_cast<double>(dims), options.q,
                    dims / options.q, value.size(), gradient.size()));
  }
  made.function->evaluate(x, value, gradient);
}

AcquisitionMaximum maximize_acquisition(std::span<GaussianProcess* const> processes,
                                        const AcquisitionOptions& options) {
  const Prepared made = prepare(processes, options, "maximize_acquisition");
  return made.function->maximise(SearchBox(made.processes, options, "maximize_acquisition"), options);
}

void evaluate_acquisition(GaussianProcess& process, const AcquisitionOptions& options,
                          std::span<const double> x, std::span<double> value, std::span<double> gradient) {
  GaussianProcess* const one = &process;
  evaluate_acquisition({&one, 1}, options, x, value, gradient);
}

AcquisitionMaximum maximize_acquisition(GaussianProcess& process, const AcquisitionOptions& options) {
  GaussianProcess* const one = &process;
  return maximize_acquisition({&one, 1}, options);
}

}  // namespace krigon
