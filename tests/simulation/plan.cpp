#include "simulation/plan.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "simulation/draw.hpp"

namespace krigon::simulation {
namespace {

constexpr std::array<std::string_view, kFaultKinds> kNames{
    "kill",      "kill_suggester", "stop",    "stop_suggester", "partition",    "lost_answer", "set_clock",
    "terminate", "interrupt",      "restart", "long_fit",       "process_dies", "stubborn",    "join",
    "cancel",    "enqueue",        "ask",     "contradict",     "speak_for"};
constexpr std::array<std::string_view, kRules> kRuleNames{"moody", "asha", "pbt"};

/// Events that every study of 200 trials has: each is made, leased and ended.
constexpr std::int64_t kSureEvents = 560;
/// That one of 200 to 220 has when they report too, about.
constexpr std::int64_t kLikelyEvents = 1300;

TimeUs amount_of(FaultKind kind, const Plan& plan, Draw& draw) {
  switch (kind) {
    case FaultKind::stop:
      return draw.between(plan.lead_lease / 2, 2 * plan.lease);
    case FaultKind::stop_suggester:
      return draw.between(plan.lead_lease / 2, 4 * plan.lead_lease);
    case FaultKind::partition:
    case FaultKind::lost_answer:
      // Most connections come back before a worker gives up.
      return draw.between(100 * kMillisecond, draw.chance(0.6) ? plan.patience / 2 : 2 * plan.patience);
    case FaultKind::set_clock:
      // Or by a day.
      return (draw.chance(0.7) ? draw.between(kSecond, 2 * plan.lease) : 86'400 * kSecond) *
             (draw.chance(0.5) ? 1 : -1);
    case FaultKind::long_fit:
      return draw.between(plan.lead_lease / 4, 3 * plan.lead_lease);
    case FaultKind::ask:
      return draw.between(100 * kMillisecond, 10 * kSecond);
    default:
      return 0;
  }
}

}  // namespace

std::string_view to_string(FaultKind kind) {
  return kNames.at(static_cast<std::size_t>(kind));
}

std::string_view to_string(Rule rule) {
  return kRuleNames.at(static_cast<std::size_t>(rule));
}

Plan make_plan(std::uint64_t seed) {
  Draw draw(seed, 0, Topic::plan);
  Plan plan;
  plan.seed = seed;
  plan.workers = draw.between(20, 26);
  plan.slots = draw.between(1, 3);
  plan.trials = draw.between(200, 220);
  if (draw.chance(0.15)) {
    plan.points = draw.between(200, plan.trials);
    if (draw.chance(0.5)) plan.trials = 0;
  }
  plan.lease = draw.between(4 * kSecond, 10 * kSecond);
  plan.lead_lease = draw.between(kSecond, 3 * kSecond);
  plan.patience = plan.lease / 2;
  plan.retries = draw.between(0, 3);
  const double rule = draw.uniform();
  plan.rule = rule < 0.3 ? Rule::asha : rule < 0.5 ? Rule::pbt : Rule::moody;
  if (plan.rule == Rule::pbt) {
    // It ends with the population or, where many are cloned, with the budget.
    plan.population = 200;
    plan.trials = 200 + draw.between(20, 120);
    plan.points = 0;
  }
  plan.maximize = draw.chance(0.3);
  plan.delays = draw.chance(0.8) ? 0.01 * draw.uniform() : 0;
  const auto add = [&](FaultKind first, FaultKind last, std::int64_t from, std::int64_t to) {
    Fault fault;
    fault.kind = static_cast<FaultKind>(draw.between(static_cast<int>(first), static_cast<int>(last)));
    fault.after = draw.between(from, to);
    fault.worker = draw.between(0, plan.workers - 1);
    fault.amount = amount_of(fault.kind, plan, draw);
    fault.choice = draw.between(0, 599);
    plan.faults.push_back(fault);
  };
  for (int i = 0; i < 10; ++i) add(FaultKind::kill, FaultKind::stubborn, 1, kSureEvents);
  const auto late = draw.between(3, 8);
  for (std::int64_t i = 0; i < late; ++i)
    add(FaultKind::kill, FaultKind::stubborn, kSureEvents, kLikelyEvents);
  const auto others = draw.between(2, 7);
  for (std::int64_t i = 0; i < others; ++i) add(FaultKind::join, FaultKind::speak_for, 1, kLikelyEvents);
  std::stable_sort(plan.faults.begin(), plan.faults.end(),
                   [](const Fault& a, const Fault& b) { return a.after < b.after; });
  return plan;
}

nlohmann::json to_json(const Plan& plan) {
  nlohmann::json faults = nlohmann::json::array();
  for (const auto& f : plan.faults) {
    faults.push_back({{"kind", to_string(f.kind)},
                      {"after", f.after},
                      {"worker", f.worker},
                      {"amount", f.amount},
                      {"choice", f.choice}});
  }
  return {{"seed", plan.seed},
          {"workers", plan.workers},
          {"slots", plan.slots},
          {"trials", plan.trials},
          {"points", plan.points},
          {"lease", plan.lease},
          {"delays", plan.delays},
          {"patience", plan.patience},
          {"lead_lease", plan.lead_lease},
          {"retries", plan.retries},
          {"rule", to_string(plan.rule)},
          {"maximize", plan.maximize},
          {"population", plan.population},
          {"faults", faults}};
}

template <class Kind, std::size_t kCount>
Kind named(const std::array<std::string_view, kCount>& names, const std::string& name,
           std::string_view what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw UsageError(fmt::format("there is no {} named \"{}\"", what, name));
  return static_cast<Kind>(found - names.begin());
}

Plan plan_from_json(const nlohmann::json& json) {
  Plan plan;
  plan.seed = json.at("seed");
  plan.workers = json.at("workers");
  plan.slots = json.at("slots");
  plan.trials = json.at("trials");
  plan.points = json.at("points");
  plan.lease = json.at("lease");
  plan.lead_lease = json.at("lead_lease");
  plan.patience = json.at("patience");
  plan.retries = json.at("retries");
  plan.rule = named<Rule>(kRuleNames, json.at("rule"), "rule");
  plan.population = json.at("population");
  plan.maximize = json.at("maximize");
  plan.delays = json.at("delays");
  for (const auto& each : json.at("faults")) {
    plan.faults.push_back({named<FaultKind>(kNames, each.at("kind"), "fault"), each.at("after"),
                           each.at("worker"), each.at("amount"), each.at("choice")});
  }
  return plan;
}

std::string describe(const Fault& fault) {
  std::string text = fmt::format("after event {}: {}", fault.after, to_string(fault.kind));
  if (!by_person(fault.kind) && fault.kind != FaultKind::set_clock) {
    text += fmt::format(" (worker {})", fault.worker);
  }
  if (fault.amount != 0) text += fmt::format(", {:.3f} s", static_cast<double>(fault.amount) / kSecond);
  if (fault.amid_proposal()) text += ", amid a proposal";
  return text + fmt::format(", choice {}", fault.choice);
}

}  // namespace krigon::simulation
