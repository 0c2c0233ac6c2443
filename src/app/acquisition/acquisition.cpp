#include "krigon/acquisition.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "app/acquisition/function.hpp"
#include "krigon/error.hpp"

namespace krigon {

namespace {

constexpr const char* kWhat = "acquisition";  ///< what messages begin with
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

const Choice& choice_of(const std::string& name) {
  std::string names;
  for (const Choice& choice : kChoices) {
    if (choice.name == name) return choice;
    names += (names.empty() ? "" : ", ") + std::string(choice.name);
  }
  throw UsageError(fmt::format("{}: there is no \"{}\"; there are {}", kWhat, name, names));
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

/// What processes and options have to be for this acquisition, whatever it is.
std::vector<ProcessAccess::Impl*> checked(std::span<GaussianProcess* const> processes,
                                          const AcquisitionOptions& options, const Choice& choice) {
  if (processes.empty() || processes.size() > choice.most_processes) {
    throw UsageError(fmt::format(
        "{}: \"{}\" is of {}, not of {}; of several are log-ehvi and q-log-ehvi", kWhat, options.name,
        choice.most_processes == 1 ? "one process" : "one process or more", processes.size()));
  }
  std::vector<ProcessAccess::Impl*> out;
  for (GaussianProcess* process : processes) {
    if (process == nullptr || std::find(out.begin(), out.end(), &ProcessAccess::of(*process)) != out.end()) {
      throw UsageError(fmt::format("{}: process {} is null, or there twice", kWhat, out.size()));
    }
    out.push_back(&ProcessAccess::of(*process));
  }
  if (options.q < 1 || options.samples < 1) {
    throw UsageError(fmt::format("{}: q = {} points and {} samples; 1 or more are allowed", kWhat, options.q,
                                 options.samples));
  }
  if (options.q > choice.most_together) {
    throw UsageError(fmt::format("{}: \"{}\" is of one point, q = {}; {}", kWhat, options.name, options.q,
                                 several_instead(options.name)));
  }
  return out;
}

}  // namespace

struct PreparedAcquisition::Impl {
  Impl(std::span<GaussianProcess* const> of, AcquisitionOptions with)
      : options(std::move(with)),
        processes(checked(of, options, choice_of(options.name))),
        function(choice_of(options.name).make({processes, options, kWhat})) {}

  AcquisitionOptions options;
  std::vector<ProcessAccess::Impl*> processes;
  std::unique_ptr<AcquisitionFunction> function;
};

PreparedAcquisition::PreparedAcquisition(std::span<GaussianProcess* const> processes,
                                         AcquisitionOptions options)
    : impl_(std::make_unique<Impl>(processes, std::move(options))) {}

PreparedAcquisition::PreparedAcquisition(GaussianProcess& process, AcquisitionOptions options) {
  GaussianProcess* const one = &process;
  impl_ = std::make_unique<Impl>(std::span(&one, 1), std::move(options));
}

PreparedAcquisition::PreparedAcquisition(PreparedAcquisition&&) noexcept = default;
PreparedAcquisition& PreparedAcquisition::operator=(PreparedAcquisition&&) noexcept = default;
PreparedAcquisition::~PreparedAcquisition() = default;

void PreparedAcquisition::evaluate(std::span<const double> x, std::span<double> value,
                                   std::span<double> gradient) {
  const std::size_t d = impl_->processes.front()->columns, dims = impl_->options.q * d;
  if (x.size() % dims != 0 || value.size() != x.size() / dims ||
      (!gradient.empty() && gradient.size() != x.size())) {
    throw UsageError(
        fmt::format("{}: {} numbers are no groups of {} points of {} columns with room for {} values and {} "
                    "derivatives",
                    kWhat, x.size(), impl_->options.q, d, value.size(), gradient.size()));
  }
  impl_->function->evaluate(x, value, gradient);
}

AcquisitionMaximum PreparedAcquisition::maximize() {
  const SearchBox box(impl_->processes, impl_->options, kWhat);
  return impl_->function->maximise(box, impl_->options);
}

std::vector<std::string> acquisition_names() {
  std::vector<std::string> names;
  for (const Choice& choice : kChoices) names.emplace_back(choice.name);
  return names;
}

void evaluate_acquisition(std::span<GaussianProcess* const> processes, const AcquisitionOptions& options,
                          std::span<const double> x, std::span<double> value, std::span<double> gradient) {
  PreparedAcquisition(processes, options).evaluate(x, value, gradient);
}

AcquisitionMaximum maximize_acquisition(std::span<GaussianProcess* const> processes,
                                        const AcquisitionOptions& options) {
  return PreparedAcquisition(processes, options).maximize();
}

void evaluate_acquisition(GaussianProcess& process, const AcquisitionOptions& options,
                          std::span<const double> x, std::span<double> value, std::span<double> gradient) {
  PreparedAcquisition(process, options).evaluate(x, value, gradient);
}

AcquisitionMaximum maximize_acquisition(GaussianProcess& process, const AcquisitionOptions& options) {
  return PreparedAcquisition(process, options).maximize();
}

}  // namespace krigon
