#include "cli/pipe_session.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/asking.hpp"
#include "cli/trial_text.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {

using nlohmann::json;

namespace {

constexpr std::size_t kLongestLine = 1u << 20;
constexpr int kDeepest = 16;

/// Parsed without recursion deeper than a request can need.
json parse(std::string_view line) {
  if (line.size() > kLongestLine) throw UsageError(fmt::format("a line of more than {} bytes", kLongestLine));
  const json::parser_callback_t shallow = [](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) throw UsageError(fmt::format("nested more than {} deep", kDeepest));
    return true;
  };
  try {
    return json::parse(line, shallow);
  } catch (const json::exception& e) {
    throw UsageError(fmt::format("not a JSON object: {}", e.what()));
  }
}

/// Throws UsageError for a key that the operation does not know: a typing mistake would go unnoticed.
void allow(const json& request, std::initializer_list<std::string_view> keys) {
  for (const auto& [key, value] : request.items()) {
    if (key == "op" || std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    throw UsageError(fmt::format("\"{}\" does not know \"{}\", allowed: {}",
                                 request.at("op").get<std::string>(), key, fmt::join(keys, ", ")));
  }
}

std::optional<std::int64_t> integer(const json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end()) return std::nullopt;
  const bool fits =
      found->is_number_integer() &&
      (!found->is_number_unsigned() || found->get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX));
  if (!fits) throw UsageError(fmt::format("\"{}\" is {}, expected an integer", key, dump(*found)));
  return found->get<std::int64_t>();
}

std::int64_t needed_integer(const json& request, const char* key) {
  const auto value = integer(request, key);
  if (!value) throw UsageError(fmt::format("\"{}\" is missing", key));
  return *value;
}

std::string text(const json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end()) return "";
  if (!found->is_string()) throw UsageError(fmt::format("\"{}\" is {}, expected a text", key, dump(*found)));
  return found->get<std::string>();
}

Metrics metrics(const json& request) {
  const auto found = request.find("metrics");
  if (found == request.end()) throw UsageError("\"metrics\" is missing");
  return metrics_from_json(*found);
}

}  // namespace

std::string PipeSession::handle(std::string_view line) {
  try {
    return dump(answer(parse(line)));
  } catch (const StorageError&) {
    throw;
  } catch (const EnvironmentError&) {
    throw;
  } catch (const Error& e) {
    return dump({{"error", e.what()}});
  } catch (const json::exception& e) {
    return dump({{"error", e.what()}});
  }
}

json PipeSession::answer(const json& request) {
  if (!request.is_object()) throw UsageError(fmt::format("found {}, expected a JSON object", dump(request)));
  using Operation = json (PipeSession::*)(const json&);
  struct Entry {
    std::string_view name;
    Operation operation;
  };
  constexpr std::array<Entry, 5> kOperations{{{"ask", &PipeSession::ask},
                                              {"report", &PipeSession::report},
                                              {"tell", &PipeSession::tell},
                                              {"fail", &PipeSession::fail},
                                              {"best", &PipeSession::best}}};
  const std::string op = text(request, "op");
  for (const auto& entry : kOperations) {
    if (entry.name == op) return (this->*entry.operation)(request);
  }
  throw UsageError(request.contains("op")
                       ? fmt::format("there is no op \"{}\", allowed: ask, report, tell, fail, best", op)
                       : "\"op\" is missing, allowed: ask, report, tell, fail, best");
}

std::int64_t PipeSession::fence_of(std::int64_t trial) const {
  const auto found = fences_.find(trial);
  return found == fences_.end() ? 0 : found->second;
}

json PipeSession::ask(const json& request) {
  allow(request, {"count", "key"});
  const auto count = integer(request, "count");
  if (count && (*count < 1 || *count > kMostAsked)) {
    throw UsageError(fmt::format("\"count\" is {}, allowed: 1 to {}", *count, kMostAsked));
  }
  const AskResult result = ask_trials(manager_, count.value_or(1), text(request, "key"));
  json trials = json::array();
  for (const auto& asked : result.trials) {
    if (!ended(asked.trial.state) && asked.attempt.number > 0)
      fences_[asked.trial.number] = asked.attempt.fence;
    trials.push_back(asked_json(asked));
  }
  json answer = json::object();
  if (count) {
    answer["trials"] = std::move(trials);
  } else if (trials.empty()) {
    answer["trial"] = nullptr;
  } else {
    answer = std::move(trials.front());
  }
  if (!result.none_left.empty()) answer["reason"] = result.none_left;
  return answer;
}

json PipeSession::report(const json& request) {
  allow(request, {"trial", "step", "metrics"});
  const std::int64_t trial = needed_integer(request, "trial");
  const std::int64_t step = needed_integer(request, "step");
  const Judgement judgement = manager_.report(trial, fence_of(trial), step, metrics(request));
  if (judgement.verdict == Verdict::go_on) return {{"stop", false}};
  const auto record = manager_.storage().trial(manager_.study().id, trial);
  if (record && !ended(record->state)) manager_.end_early(trial, fence_of(trial), judgement.reason);
  fences_.erase(trial);
  return {{"stop", true}, {"reason", judgement.reason}};
}

json PipeSession::tell(const json& request) {
  allow(request, {"trial", "metrics"});
  const std::int64_t trial = needed_integer(request, "trial");
  manager_.apply(CompleteTrial{trial, fence_of(trial), metrics(request), {}});
  fences_.erase(trial);
  return {{"ok", true}};
}

json PipeSession::fail(const json& request) {
  allow(request, {"trial", "reason"});
  FailAttempt fail;
  fail.trial = needed_integer(request, "trial");
  fail.fence = fence_of(fail.trial);
  fail.reason = text(request, "reason");
  manager_.apply(fail);
  fences_.erase(fail.trial);
  return {{"ok", true}};
}

json PipeSession::best(const json& request) {
  allow(request, {});
  const auto best = manager_.best();
  if (!best) return {{"trial", nullptr}};
  return {{"trial", best->number},
          {"parameters", to_json(best->parameters)},
          {"metrics", metrics_to_json(best->metrics)}};
}

}  // namespace krigon::cli
