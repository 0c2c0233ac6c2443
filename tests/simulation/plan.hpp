#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/clock.hpp"

namespace krigon::simulation {

/// What is done to a history. Those after `cancel` are people's doings, which workers have to live with.
enum class FaultKind {
  kill,            ///< kill -9 of a worker
  kill_suggester,  ///< of the one that proposes for all
  stop,            ///< SIGSTOP, SIGCONT after a while that may be longer than its leases
  stop_suggester,
  partition,     ///< a worker cannot reach the store for a while
  lost_answer,   ///< its next command takes effect, the answer never comes
  set_clock,     ///< the store's clock jumps
  terminate,     ///< SIGTERM: it hands its trials back and leaves
  interrupt,     ///< Ctrl-C: it runs its trials to their end and leaves
  restart,       ///< kill -9, and at once a worker on the same host with the same process number
  long_fit,      ///< the next proposal takes a while
  process_dies,  ///< a trial's process is killed by another than us
  stubborn,      ///< from now on this worker's processes ignore SIGTERM
  join,          ///< another worker comes
  cancel,        ///< a person withdraws a trial
  enqueue,       ///< a person puts points in front
  ask,           ///< a person asks for a trial with a key and tells it later
  contradict,    ///< a person tells another result for a trial
  speak_for,     ///< a person fails or stops a trial without a token
};
inline constexpr int kFaultKinds = static_cast<int>(FaultKind::speak_for) + 1;

std::string_view to_string(FaultKind kind);
inline bool by_person(FaultKind kind) {
  return kind >= FaultKind::cancel;
}

/// How trials are stopped early.
enum class Rule {
  moody,  ///< by the seed, with pauses
  asha,   ///< by the production rule
  pbt,    ///< by the production rule, with clones
};
inline constexpr int kRules = static_cast<int>(Rule::pbt) + 1;

std::string_view to_string(Rule rule);

struct Fault {
  FaultKind kind = FaultKind::kill;
  std::int64_t after = 1;   ///< it comes when the study has this many events
  std::int64_t worker = 0;  ///< whom it hits; where that one is gone, the next that lives
  TimeUs amount = 0;        ///< how long, or how far the clock jumps
  std::int64_t choice = 0;  ///< the kind's own: where in its work it hits, which trial

  /// What changes which trials there are comes half the time when a proposal is being made that does not know
  /// of it.
  bool amid_proposal() const {
    return (kind == FaultKind::enqueue || kind == FaultKind::ask) && choice / 2 % 2 == 0;
  }
};

/// All that decides a history: the same plan is the same history, bit for bit.
struct Plan {
  std::uint64_t seed = 0;
  std::int64_t workers = 20;  ///< to begin with
  std::int64_t slots = 1;     ///< of every second one; the others have 1
  std::int64_t trials = 200;  ///< the budget; 0: as far as the sampler goes
  std::int64_t points = 0;    ///< after which the sampler has nothing left; 0: never
  TimeUs lease = 0;           ///< of a trial
  TimeUs lead_lease = 0;      ///< of the suggester
  TimeUs patience = 0;        ///< how long a store is waited for
  std::int64_t retries = 1;
  Rule rule = Rule::moody;
  std::int64_t population = 0;  ///< pbt's
  bool maximize = false;
  double delays = 0;  ///< share of the commands that are held up on their way
  std::vector<Fault> faults;
};

/// Of at least 20 workers, 200 trials and 10 faults besides what people do.
Plan make_plan(std::uint64_t seed);

nlohmann::json to_json(const Plan& plan);
Plan plan_from_json(const nlohmann::json& json);
/// One line.
std::string describe(const Fault& fault);

}  // namespace krigon::simulation
