#include "core/spec.hpp"

#include <fmt/format.h>

#include "core/records.hpp"
#include "krigon/error.hpp"

namespace krigon {

using nlohmann::json;

namespace {

template <class T>
json optional_to_json(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

template <class T>
std::optional<T> optional_from_json(const json& j) {
  if (j.is_null()) return std::nullopt;
  return j.get<T>();
}

json duration_to_json(const std::optional<Milliseconds>& value) {
  return value ? json(value->count()) : json(nullptr);
}

std::optional<Milliseconds> duration_from_json(const json& j) {
  if (j.is_null()) return std::nullopt;
  return Milliseconds(j.get<std::int64_t>());
}

json to_json(const TrialSpec& t) {
  json metrics = json::object();
  for (const auto& [name, m] : t.metrics) {
    metrics[name] = {{"from", m.from_stderr ? "stderr" : "stdout"}, {"pattern", m.pattern}};
  }
  json j{{"command", t.command},
         {"env", t.env},
         {"metrics", metrics},
         {"timeout_ms", duration_to_json(t.timeout)},
         {"grace_ms", t.grace.count()},
         {"retries", t.retries},
         {"output_limit", t.output_limit},
         {"cwd", t.own_folder ? "trial" : "study"}};
  // Only where it is set: a study stored by an earlier version stays equal to its file.
  if (t.checkpoint) j["checkpoint"] = true;
  return j;
}

TrialSpec trial_from_json(const json& j) {
  TrialSpec t;
  j.at("command").get_to(t.command);
  j.at("env").get_to(t.env);
  for (const auto& [name, m] : j.at("metrics").items()) {
    t.metrics[name] = {m.at("from") == "stderr", m.at("pattern").get<std::string>()};
  }
  t.timeout = duration_from_json(j.at("timeout_ms"));
  t.grace = Milliseconds(j.at("grace_ms").get<std::int64_t>());
  j.at("retries").get_to(t.retries);
  j.at("output_limit").get_to(t.output_limit);
  t.own_folder = j.at("cwd") == "trial";
  t.checkpoint = j.value("checkpoint", false);
  return t;
}

/// Calls visit(name, member) for every option that was added after the first version of the format.
template <class Options, class Visit>
void visit_added(Options& e, const Visit& visit) {
  visit("brackets", e.brackets);
  visit("promote", e.promote);
  visit("percentile", e.percentile);
  visit("patience", e.patience);
  visit("delta", e.delta);
  visit("p_value", e.p_value);
  visit("probability", e.probability);
  visit("population", e.population);
  visit("interval", e.interval);
  visit("quantile", e.quantile);
  visit("resample", e.resample);
}

json to_json(const EarlyStopping& e) {
  json j{{"type", e.type},
         {"min_steps", e.min_steps},
         {"max_steps", e.max_steps},
         {"reduction", e.reduction},
         {"startup", e.startup}};
  // Only what is set: a study stored by an earlier version stays equal to its file.
  const EarlyStopping defaults;
  json unset;
  visit_added(defaults, [&](const char* name, const auto& value) { unset[name] = value; });
  visit_added(e, [&](const char* name, const auto& value) {
    if (unset.at(name) != json(value)) j[name] = value;
  });
  if (e.bound) j["bound"] = *e.bound;
  return j;
}

EarlyStopping early_stopping_from_json(const json& j) {
  EarlyStopping e;
  j.at("type").get_to(e.type);
  j.at("min_steps").get_to(e.min_steps);
  j.at("max_steps").get_to(e.max_steps);
  j.at("reduction").get_to(e.reduction);
  j.at("startup").get_to(e.startup);
  visit_added(e, [&](const char* name, auto& value) {
    if (j.contains(name)) j.at(name).get_to(value);
  });
  if (j.contains("bound")) e.bound = j.at("bound").get<double>();
  return e;
}

json to_json(const ResourceSpec& r) {
  return {{"gpus", r.gpus},
          {"gpus_per_trial", r.gpus_per_trial},
          {"cpus_per_trial", r.cpus_per_trial},
          {"memory", optional_to_json(r.memory)}};
}

ResourceSpec resources_from_json(const json& j) {
  ResourceSpec r;
  j.at("gpus").get_to(r.gpus);
  j.at("gpus_per_trial").get_to(r.gpus_per_trial);
  j.at("cpus_per_trial").get_to(r.cpus_per_trial);
  r.memory = optional_from_json<std::uint64_t>(j.at("memory"));
  return r;
}

}  // namespace

json to_json(const StudySpec& spec) {
  json objectives = json::array();
  for (const auto& o : spec.objectives) {
    objectives.push_back({{"metric", o.metric}, {"direction", to_string(o.direction)}});
  }
  json sampler{{"type", spec.sampler.type}, {"initial", optional_to_json(spec.sampler.initial)}};
  // Only where it is set: a study stored by an earlier version stays equal to its file.
  if (spec.sampler.observations) sampler["observations"] = *spec.sampler.observations;
  return {{"name", spec.name},
          {"objectives", objectives},
          {"space", to_json(spec.space)},
          {"trial", to_json(spec.trial)},
          {"budget",
           {{"trials", optional_to_json(spec.budget.trials)},
            {"parallel", spec.budget.parallel},
            {"time_ms", duration_to_json(spec.budget.time)}}},
          {"early_stopping", to_json(spec.early_stopping)},
          {"resources", to_json(spec.resources)},
          {"sampler", std::move(sampler)},
          {"on_best", spec.on_best},
          {"max_failures", optional_to_json(spec.max_failures)},
          {"seed", spec.seed},
          {"inputs", spec.inputs}};
}

StudySpec spec_from_json(const json& j) {
  try {
    StudySpec spec;
    j.at("name").get_to(spec.name);
    for (const auto& o : j.at("objectives")) {
      spec.objectives.push_back(
          {o.at("metric").get<std::string>(), direction_from(o.at("direction").get<std::string>())});
    }
    spec.space = space_from_json(j.at("space"));
    spec.trial = trial_from_json(j.at("trial"));
    const auto& budget = j.at("budget");
    spec.budget.trials = optional_from_json<std::int64_t>(budget.at("trials"));
    budget.at("parallel").get_to(spec.budget.parallel);
    spec.budget.time = duration_from_json(budget.at("time_ms"));
    spec.early_stopping = early_stopping_from_json(j.at("early_stopping"));
    spec.resources = resources_from_json(j.at("resources"));
    j.at("sampler").at("type").get_to(spec.sampler.type);
    spec.sampler.initial = optional_from_json<std::int64_t>(j.at("sampler").at("initial"));
    spec.sampler.observations =
        optional_from_json<std::int64_t>(j.at("sampler").value("observations", json(nullptr)));
    j.at("on_best").get_to(spec.on_best);
    spec.max_failures = optional_from_json<std::int64_t>(j.at("max_failures"));
    j.at("seed").get_to(spec.seed);
    j.at("inputs").get_to(spec.inputs);
    return spec;
  } catch (const json::exception& e) {
    throw StorageError(fmt::format("the stored study cannot be read: {}", e.what()));
  }
}

}  // namespace krigon
