#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "manager/manager.hpp"

namespace krigon::cli {

/// The line protocol of `krigon pipe`, apart from any stream:
///
///   {"op": "ask"}                                  {"trial": 12, "parameters": {...}, "seed": ...,
///   "attempt": 1}
///   {"op": "ask", "count": 2, "key": "a"}          {"trials": [{...}, {...}]}
///   {"op": "report", "trial": 12, "step": 3,
///    "metrics": {"loss": 0.4}}                     {"stop": false}
///   {"op": "tell", "trial": 12,
///    "metrics": {"loss": 0.3}}                     {"ok": true}
///   {"op": "fail", "trial": 12, "reason": "..."}   {"ok": true}
///   {"op": "best"}                                 {"trial": 12, "parameters": {...}, "metrics": {...}}
///
/// Where nothing is left to ask, "trial" is null (with "count": "trials" is shorter) and "reason" says
/// why; "trial" is null also for the best of none. {"stop": true} has ended the trial as stopped early:
/// nothing more is to be told. Whatever else comes is answered by {"error": "..."} and changes nothing.
class PipeSession {
 public:
  /// `manager` must outlive the session.
  explicit PipeSession(StudyManager& manager) : manager_(manager) {}

  /// The answer to one line, without a line end. Throws StorageError and EnvironmentError only: with
  /// those no further line can be served.
  std::string handle(std::string_view line);

 private:
  nlohmann::json answer(const nlohmann::json& request);
  nlohmann::json ask(const nlohmann::json& request);
  nlohmann::json report(const nlohmann::json& request);
  nlohmann::json tell(const nlohmann::json& request);
  nlohmann::json fail(const nlohmann::json& request);
  nlohmann::json best(const nlohmann::json& request);
  /// The fence of a trial asked for here, else 0.
  std::int64_t fence_of(std::int64_t trial) const;

  StudyManager& manager_;
  std::map<std::int64_t, std::int64_t> fences_;
};

}  // namespace krigon::cli
