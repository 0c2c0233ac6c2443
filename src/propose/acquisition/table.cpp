#include "propose/acquisition/table.hpp"

#include <array>
#include <string>

#include "kernels/acquisition/log_ehvi.hpp"
#include "kernels/acquisition/marginal.hpp"
#include "kernels/acquisition/q_log_ehvi.hpp"
#include "kernels/acquisition/sampled_term.hpp"
#include "kernels/acquisition/thompson.hpp"
#include "krigon/error.hpp"
#include "propose/acquisition/gibbon.hpp"
#include "propose/acquisition/knowledge_gradient.hpp"

namespace krigon {
namespace {

using Settings = AcquisitionSettings;
using In = std::span<const double>;
using Out = std::span<double>;
using Scratch = std::vector<double>;

double* grown(Scratch& scratch, int count) {
  if (scratch.size() < static_cast<std::size_t>(count)) scratch.resize(static_cast<std::size_t>(count));
  return scratch.data();
}

double knowledge_gradient_joint(const Settings& s, In moments, Out adjoint, Scratch&) {
  return log_knowledge_gradient(moments, s.noise, adjoint);
}

double gibbon_joint(const Settings& s, In moments, Out adjoint, Scratch&) {
  return gibbon(moments, s.noise, s.smallest, adjoint);
}

double thompson_joint(const Settings& s, In moments, Out adjoint, Scratch& scratch) {
  return thompson_value(s.q, moments.data(), s.base, adjoint.data(), grown(scratch, sampled_scratch(s.q)));
}

double log_ehvi_joint(const Settings& s, In moments, Out adjoint, Scratch&) {
  std::array<double, kMostObjectives> mean{}, variance{}, d_mean{}, d_variance{};
  const auto objectives = static_cast<std::size_t>(s.boxes.objectives);
  for (std::size_t m = 0; m < objectives; ++m) {
    mean[m] = moments[2 * m];
    variance[m] = moments[2 * m + 1];
  }
  const double value = log_ehvi(s.boxes, mean.data(), variance.data(), d_mean.data(), d_variance.data());
  for (std::size_t m = 0; m < objectives; ++m) {
    adjoint[2 * m] = d_mean[m];
    adjoint[2 * m + 1] = d_variance[m];
  }
  return value;
}

double q_log_ehvi_joint(const Settings& s, In moments, Out adjoint, Scratch& scratch) {
  const HypervolumeTerm term{s.boxes, s.q, s.samples, s.base};
  std::array<const double*, kMostObjectives> in{};
  std::array<double*, kMostObjectives> out{};
  for (int m = 0; m < s.boxes.objectives; ++m) {
    in[static_cast<std::size_t>(m)] = moments.data() + m * s.q * (s.q + 1);
    out[static_cast<std::size_t>(m)] = adjoint.data() + m * s.q * (s.q + 1);
  }
  return q_log_ehvi(term, in.data(), out.data(), grown(scratch, hypervolume_scratch(term)));
}

// clang-format off: a line each.
constexpr auto kTable = std::to_array<AcquisitionEntry>({
    {"log-ei", "log expected improvement", "best", [](const Settings& s) { return log_ei(s.best); }},
    {"log-pi", "log probability of improvement", "best, least",
     [](const Settings& s) { return log_pi(s.best, s.least); }},
    {"ucb", "confidence bound", "kappa", [](const Settings& s) { return confidence_bound(s.kappa); }},
    {"log-probability-below", "log probability of lying below a threshold", "threshold, noise",
     [](const Settings& s) { return log_probability_below(s.threshold, s.noise); }},
    {"log-probability-above", "log probability of lying above a threshold", "threshold, noise",
     [](const Settings& s) { return log_probability_above(s.threshold, s.noise); }},
    {"minus-log-cost", "minus the log of the expected cost", "power, unit, centre",
     [](const Settings& s) { return minus_log_cost(s.power, s.unit, s.centre); }},
    {"log-gibbon", "log information about the smallest value", "noise, smallest",
     [](const Settings& s) {
       return log_gibbon(s.noise, s.smallest.data(), static_cast<int>(s.smallest.size()));
     }},
    {"log-variance", "log variance", "", [](const Settings&) { return log_variance(); }},
    {"q-log-ei", "log expected improvement of q points", "best, q, samples, base", nullptr,
     [](const Settings& s) { return q_log_ei(s.best, s.q, s.samples, s.base); }},
    {"q-log-nei", "log noisy expected improvement of q points", "q, samples, base, bests", nullptr,
     [](const Settings& s) { return q_log_nei(s.q, s.samples, s.base, s.bests); }},
    {"q-log-pi", "log probability of improvement of q points", "best, q, samples, base", nullptr,
     [](const Settings& s) { return q_log_pi(s.best, s.q, s.samples, s.base); }},
    {"q-ucb", "confidence bound of q points", "kappa, q, samples, base", nullptr,
     [](const Settings& s) { return q_confidence_bound(s.kappa, s.q, s.samples, s.base); }},
    {"thompson", "minus the smallest of q points in one joint sample", "q, base", nullptr, nullptr,
     thompson_joint},
    {"log-kg", "log knowledge gradient of the first of q places", "noise, q", nullptr, nullptr,
     knowledge_gradient_joint},
    {"gibbon", "information of q points about the smallest value", "noise, q, smallest", nullptr, nullptr,
     gibbon_joint},
    {"log-ehvi", "log expected hypervolume improvement", "boxes", nullptr, nullptr, log_ehvi_joint},
    {"q-log-ehvi", "log expected hypervolume improvement of q points", "boxes, q, samples, base", nullptr,
     nullptr, q_log_ehvi_joint},
});
// clang-format on

}  // namespace

std::span<const AcquisitionEntry> acquisition_table() {
  return kTable;
}

const AcquisitionEntry& find_acquisition(std::string_view name) {
  std::string names;
  for (const AcquisitionEntry& entry : kTable) {
    if (entry.name == name) return entry;
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw UsageError("acquisition: there is no \"" + std::string(name) + "\"; there are " + names);
}

std::size_t acquisition_moments(const AcquisitionEntry& entry, const AcquisitionSettings& settings) {
  const std::string name(entry.name);
  const bool boxes = entry.joint == log_ehvi_joint || entry.joint == q_log_ehvi_joint;
  if (settings.q < 1 || settings.samples < 1) {
    throw UsageError("acquisition " + name + ": " + std::to_string(settings.q) + " points and " +
                     std::to_string(settings.samples) + " samples; both must be 1 or more");
  }
  if (boxes && (settings.boxes.objectives < 1 || settings.boxes.objectives > kMostObjectives)) {
    throw UsageError("acquisition " + name + ": " + std::to_string(settings.boxes.objectives) +
                     " objectives; 1 to " + std::to_string(kMostObjectives) + " are allowed");
  }
  if (entry.marginal != nullptr) return 2;
  if (entry.sampled != nullptr) return static_cast<std::size_t>(moment_count(entry.sampled(settings)));
  const auto q = static_cast<std::size_t>(entry.joint == log_ehvi_joint ? 1 : settings.q);
  return q * (q + 1) * (boxes ? static_cast<std::size_t>(settings.boxes.objectives) : 1);
}

double evaluate_acquisition(const AcquisitionEntry& entry, const AcquisitionSettings& settings,
                            std::span<const double> moments, std::span<double> adjoint,
                            std::vector<double>& scratch) {
  const std::size_t count = acquisition_moments(entry, settings);
  if (moments.size() != count || adjoint.size() != count) {
    throw UsageError("acquisition " + std::string(entry.name) + ": " + std::to_string(moments.size()) +
                     " moments and room for " + std::to_string(adjoint.size()) + " derivatives; it has " +
                     std::to_string(count));
  }
  const auto missing = [&](std::string_view setting, const void* value) {
    if (entry.settings.find(setting) == std::string_view::npos || value != nullptr) return;
    throw UsageError("acquisition " + std::string(entry.name) + ": its setting \"" + std::string(setting) +
                     "\" is missing");
  };
  missing("base", settings.base);
  missing("bests", settings.bests);
  missing("smallest", settings.smallest.empty() ? nullptr : settings.smallest.data());
  if (entry.marginal != nullptr) {
    const Term term = marginal_term(entry.marginal(settings), moments[0], moments[1]);
    adjoint[0] = term.d_mean;
    adjoint[1] = term.d_variance;
    return term.value;
  }
  if (entry.sampled != nullptr) {
    return sampled_term(entry.sampled(settings), moments.data(), adjoint.data(),
                        grown(scratch, sampled_scratch(settings.q)));
  }
  return entry.joint(settings, moments, adjoint, scratch);
}

}  // namespace krigon
