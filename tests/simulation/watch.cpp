#include "simulation/watch.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "core/perturb.hpp"
#include "krigon/error.hpp"
#include "simulation/draw.hpp"
#include "simulation/rules.hpp"

namespace krigon::simulation {
namespace {

struct Token {
  std::int64_t trial = -1, fence = 0;
};

/// What a command that speaks for an attempt says of itself.
std::optional<Token> token_of(const Command& command) {
  return std::visit(
      [](const auto& c) -> std::optional<Token> {
        if constexpr (requires { c.fence; }) return Token{c.trial, c.fence};
        return std::nullopt;
      },
      command);
}

/// By which the same request is known again.
std::string key_of(const Command& command) {
  return std::visit(
      [](const auto& c) -> std::string {
        if constexpr (requires { c.key; }) return c.key;
        return {};
      },
      command);
}

std::string_view name_of(const Command& command) {
  static constexpr std::array<std::string_view, std::variant_size_v<Command>> kNames{
      "create", "revise", "lease", "lease next", "renew",  "report", "complete", "stop",
      "pause",  "resume", "fail",  "release",    "cancel", "decide", "lead",     "running time"};
  return kNames.at(command.index());
}

std::int64_t begun(const StudyHead& head) {
  return head.next_trial - head.cancelled;
}

}  // namespace

struct Watch::Seen {
  const Command& command;
  const StudyHead& before;
  const Applied& applied;
  std::optional<Known> prior;  ///< of the trial that it left
  TimeUs store_now;
  bool event = false;

  const TrialRecord& trial() const { return *applied.trial; }
  bool made() const { return event && !prior; }
};

Watch::Watch(std::shared_ptr<Storage> inner, const Plan& plan, const TimeUs& now, const Clock& clock)
    : Forwarding(std::move(inner)), plan_(plan), now_(now), clock_(clock), began_(now), changed_at_(now) {}

void Watch::digest(std::uint64_t word) {
  digest_ = (digest_ ^ word) * 0x100000001b3U;
  digest_ ^= digest_ >> 29U;
}

void Watch::digest(const std::string& text) {
  for (const char c : text) digest(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
}

std::optional<TrialState> Watch::state(std::int64_t trial) const {
  if (trial < 0 || trial >= static_cast<std::int64_t>(known_.size())) return std::nullopt;
  return known_[static_cast<std::size_t>(trial)].state;
}

Applied Watch::apply(std::int64_t study, const Command& command) {
  const std::string speaker = speaker_;
  ++commands_;
  digest(static_cast<std::uint64_t>(now_));
  digest(speaker);
  digest(command.index());
  const TimeUs store_now = clock_.now();
  Applied applied;
  try {
    applied = inner_->apply(study, command);
  } catch (const Error& e) {
    digest(e.what());
    if (dynamic_cast<const LeaseLostError*>(&e) != nullptr) {
      ++leases_lost_;
    } else if (dynamic_cast<const StaleError*>(&e) != nullptr) {
      ++stale_;
    } else {
      ++refused_;
    }
    if (trace) *trace << fmt::format("{:10.3f} {} {}: {}\n", time(), speaker, name_of(command), e.what());
    throw;
  }
  Seen seen{command, head_, applied, {}, store_now, applied.head.sequence != head_.sequence};
  if (applied.trial && applied.trial->number < static_cast<std::int64_t>(known_.size())) {
    seen.prior = known_.at(static_cast<std::size_t>(applied.trial->number));
  }
  digest(static_cast<std::uint64_t>(applied.sequence));
  if (applied.trial)
    digest(static_cast<std::uint64_t>(applied.trial->number * 8) +
           static_cast<std::uint64_t>(applied.trial->state));
  if (trace && (seen.event || std::holds_alternative<TakeSuggester>(command))) {
    *trace << fmt::format("{:10.3f} {} {}: event {}, trial {}, leads {}\n", time(), speaker, name_of(command),
                          applied.sequence, applied.trial ? applied.trial->number : -1,
                          applied.head.suggester);
  }
  check_head(seen, study);
  if (applied.trial) {
    check_trial(seen);
    check_token(seen);
    check_attempt(seen);
    check_result(seen);
    check_proposal(seen, study);
    check_budget(seen);
  }
  check_suggester(seen);
  remember(seen);
  if (seen.event) {
    changed_at_ = now_;
    on_event(head_.sequence);
  }
  return applied;
}

void Watch::check(bool holds, const char* invariant, const Seen& seen) const {
  if (holds) return;
  const auto& a = seen.applied;
  throw Violation{invariant, fmt::format("at {:.3f} s, {} said \"{}\" of trial {}: event {}", time(),
                                         speaker_.empty() ? "a person" : speaker_, name_of(seen.command),
                                         a.trial ? a.trial->number : -1, a.sequence)};
}

void Watch::check_head(const Seen& seen, std::int64_t study) {
  const StudyHead& head = seen.applied.head;
  check(head.sequence == seen.before.sequence + (seen.event ? 1 : 0), "events are numbered densely", seen);
  if (seen.event) {
    const auto events = inner_->events(study, seen.before.sequence, 2);
    check(events.size() == 1 && events[0].sequence == head.sequence && seen.applied.trial &&
              events[0].trial == seen.trial().number,
          "every change has its one event", seen);
  }
  check(head.fence >= seen.before.fence, "fencing tokens rise", seen);
}

void Watch::check_trial(const Seen& seen) {
  const TrialRecord& trial = seen.trial();
  if (const std::string key = key_of(seen.command); !key.empty()) {
    const auto [place, fresh] = keys_.emplace(key, trial.number);
    check(place->second == trial.number, "a key makes one trial", seen);
  }
  if (seen.made()) {
    check(trial.number == static_cast<std::int64_t>(known_.size()), "trials are numbered densely", seen);
    check(trial.state == TrialState::queued || trial.state == TrialState::running,
          "a new trial waits or runs", seen);
    return;
  }
  check(seen.prior.has_value(), "every trial was made", seen);
  const Known& prior = *seen.prior;
  if (prior.ended != 0) {
    const bool same = !seen.event && trial.state == prior.state && trial.ended_sequence == prior.ended &&
                      (trial.state != TrialState::completed || trial.metrics.at("loss") == prior.told);
    check(same, "what was told stands", seen);
  }
  if (!seen.event) check(trial.state == prior.state, "no state changes without an event", seen);
  check(trial.losses <= plan_.retries || ended(trial.state), "lost attempts are retried as often as allowed",
        seen);
}

void Watch::check_token(const Seen& seen) {
  const auto token = token_of(seen.command);
  const bool took_effect = seen.event || std::holds_alternative<RenewLease>(seen.command);
  if (!token || !took_effect || !seen.prior) return;
  const Known& prior = *seen.prior;
  if (token->fence == 0) {
    const bool paused = std::holds_alternative<StopTrial>(seen.command) && prior.state == TrialState::paused;
    check(paused || (prior.open && prior.lease_until == 0), "nobody speaks for a trial that a worker runs",
          seen);
    return;
  }
  check(prior.open && token->fence == prior.fence, "no word of a superseded attempt counts", seen);
  if (speaker_ == prior.worker || prior.worker == "client") return;
  const auto* lost = std::get_if<FailAttempt>(&seen.command);
  check(lost != nullptr && lost->outcome == Outcome::lost, "only its worker speaks for an attempt", seen);
  check(prior.lease_until != 0 &&
            (prior.lease_until <= seen.store_now || silent(prior.renewed_at, plan_.lease)),
        "no trial is taken while its lease holds", seen);
}

void Watch::check_attempt(const Seen& seen) {
  const TrialRecord& trial = seen.trial();
  const std::int64_t earlier = seen.prior ? seen.prior->attempts : 0;
  check(trial.attempts == earlier || (seen.event && trial.attempts == earlier + 1),
        "attempts are numbered densely", seen);
  if (!seen.event || trial.attempts == earlier) return;
  check(!seen.prior || !seen.prior->open, "one attempt at a time", seen);
  check(trial.attempts <= (seen.prior ? seen.prior->begins : 1), "no attempt without a cause", seen);
  const auto& attempt = seen.applied.attempt;
  check(attempt && attempt->number == trial.attempts && attempt->fence > seen.before.fence &&
            attempt->fence == seen.applied.head.fence,
        "fencing tokens rise", seen);
  check(attempt->worker == (speaker_.empty() ? "client" : speaker_), "who asks gets the lease", seen);
}

void Watch::check_result(const Seen& seen) {
  if (!seen.event) return;
  const TrialRecord& trial = seen.trial();
  if (const auto* report = std::get_if<ReportStep>(&seen.command); report != nullptr && !speaker_.empty()) {
    // A process that contradicts itself says one more; what is in the row is what came first.
    const double value = report->metrics.at("loss");
    const double true_value = value_of(plan_.seed, trial.number, trial.attempts, report->step);
    check(value == true_value, "a report is of the attempt that it stands at", seen);
  }
  if (!std::holds_alternative<CompleteTrial>(seen.command)) return;
  check(trial.state == TrialState::completed, "a result completes a trial", seen);
  const double loss = trial.metrics.at("loss");
  check(loss == std::get<CompleteTrial>(seen.command).metrics.at("loss"), "what was told stands", seen);
  check(speaker_.empty() || loss == value_of(plan_.seed, trial.number, trial.attempts, 0),
        "a result is of the attempt that it stands at", seen);
  const double best = best_ < 0 ? 0 : known_.at(static_cast<std::size_t>(best_)).told;
  if (best_ < 0 || (plan_.maximize ? loss > best : loss < best)) best_ = trial.number;
  const StudyHead& head = seen.applied.head;
  check(head.best_trial == best_ && head.best_value == (best_ == trial.number ? loss : best),
        "the best is the best", seen);
}

void Watch::check_proposal(const Seen& seen, std::int64_t study) {
  const bool revised = std::holds_alternative<ReviseProposal>(seen.command);
  if (!seen.event || (!revised && !std::holds_alternative<CreateTrial>(seen.command))) return;
  const TrialRecord& trial = seen.trial();
  if (trial.proposal.sampler == "enqueued") {
    check(!revised && seen.applied.trial->state == TrialState::queued, "a person's point stands", seen);
    return;
  }
  if (!speaker_.empty()) {
    check(seen.before.suggester == speaker_, "only the suggester proposes", seen);
    check(revised || begun(seen.applied.head) <= plan_.trials || plan_.trials == 0,
          "no more is proposed than the budget allows", seen);
  }
  if (revised) {
    check(seen.prior->state == TrialState::queued && seen.prior->attempts == 0, "what began keeps its point",
          seen);
  }
  const std::int64_t saw = trial.proposal.saw_sequence;
  check(saw >= 0 && saw <= seen.before.sequence, "a proposal saw what was", seen);
  const std::int64_t last = trial.number - 1;
  check(last < 0 || known_.at(static_cast<std::size_t>(last)).created <= saw,
        "a proposal knows every trial before it", seen);
  if (trial.proposal.parent >= 0) {
    check_clone(seen, study);
    return;
  }
  const auto [ended, pending] = stood_.at(static_cast<std::size_t>(saw));
  const auto& p = trial.parameters;
  check(std::get<double>(p.at("x")) == x_of(plan_.seed, trial.number) &&
            std::get<std::int64_t>(p.at("ended")) == ended &&
            std::get<std::int64_t>(p.at("pending")) == pending - (revised ? 1 : 0),
        "a proposal is a function of what it saw", seen);
}

void Watch::check_clone(const Seen& seen, std::int64_t study) {
  const auto& [parent, replaces] = std::pair(seen.trial().proposal.parent, seen.trial().proposal.replaces);
  const std::int64_t number = seen.trial().number;
  check(plan_.rule == Rule::pbt && seen.made(), "clones are new trials of a population", seen);
  check(parent < number && known_.at(static_cast<std::size_t>(parent)).attempts > 0,
        "who is cloned has been trained", seen);
  check(replaces >= 0 && replaces < number &&
            known_.at(static_cast<std::size_t>(replaces)).state == TrialState::stopped,
        "who is replaced was stopped", seen);
  check(replaced_.insert(replaces).second, "a trial is replaced by one clone", seen);
  const auto spec = inner_->find_study("simulated")->spec;
  const auto expected = perturb(spec.space, inner_->trial(study, parent)->parameters, plan_.seed, number,
                                spec.early_stopping.resample);
  check(seen.trial().parameters == expected, "a clone has its parent's parameters, perturbed", seen);
}

void Watch::check_budget(const Seen& seen) {
  if (!seen.event || speaker_.empty() || plan_.trials == 0) return;
  if (!std::holds_alternative<LeaseNext>(seen.command)) return;
  const StudyHead& head = seen.applied.head;
  check(head.finished() + head.running <= plan_.trials, "no more is begun than the budget allows", seen);
}

void Watch::check_suggester(const Seen& seen) {
  const StudyHead& head = seen.applied.head;
  const StudyHead& before = seen.before;
  if (head.suggester == before.suggester) return;
  check(std::holds_alternative<TakeSuggester>(seen.command), "who proposes changes by one command", seen);
  if (head.suggester.empty()) {
    check(before.suggester == speaker_, "nobody sends a suggester away", seen);
    return;
  }
  check(head.suggester == speaker_ && head.suggester_fence > before.suggester_fence,
        "a suggester has a token of its own", seen);
  check(before.suggester.empty() || before.suggester_until <= seen.store_now ||
            silent(lead_renewed_at_, plan_.lead_lease),
        "no suggester is replaced while its lease holds", seen);
}

bool Watch::silent(TimeUs since, TimeUs lease) const {
  return now_ - since > lease;
}

void Watch::remember(const Seen& seen) {
  if (std::holds_alternative<TakeSuggester>(seen.command) && seen.applied.head.suggester == speaker_) {
    lead_renewed_at_ = now_;
  }
  head_ = seen.applied.head;
  if (seen.applied.trial) {
    const TrialRecord& trial = seen.trial();
    if (seen.event && std::holds_alternative<PauseTrial>(seen.command)) ++pauses_;
    if (seen.made()) {
      known_.emplace_back().created = head_.sequence;
      known_.back().own = trial.proposal.sampler == "enqueued";
    }
    Known& now = known_.at(static_cast<std::size_t>(trial.number));
    if (seen.event) {
      if (seen.prior) --counts_[now.state];
      ++counts_[trial.state];
      const bool waits = trial.state == TrialState::queued || trial.state == TrialState::paused;
      if (seen.prior && trial.state == TrialState::queued && now.state != TrialState::queued) ++now.begins;
      now.state = trial.state;
      now.attempts = trial.attempts;
      now.losses = trial.losses;
      now.open = trial.state == TrialState::running;
      if (ended(trial.state)) now.ended = head_.sequence;
      if (trial.state == TrialState::completed) now.told = trial.metrics.at("loss");
      if (!waits && !ended(trial.state)) now.lease_until = 0;
    }
    if (seen.applied.attempt && now.open) {
      now.fence = seen.applied.attempt->fence;
      now.worker = seen.applied.attempt->worker;
      const TimeUs until = seen.applied.attempt->lease_until;
      if (!seen.prior || !seen.prior->open || seen.prior->lease_until != until) now.renewed_at = now_;
      now.lease_until = until;
    }
    if (seen.event) {
      const std::int64_t over =
          counts_[TrialState::completed] + counts_[TrialState::stopped] + counts_[TrialState::failed];
      stood_.emplace_back(over,
                          static_cast<std::int64_t>(known_.size()) - over - counts_[TrialState::cancelled]);
    }
  }
  check(head_.next_trial == static_cast<std::int64_t>(known_.size()) &&
            head_.queued == counts_[TrialState::queued] && head_.running == counts_[TrialState::running] &&
            head_.paused == counts_[TrialState::paused] &&
            head_.completed == counts_[TrialState::completed] &&
            head_.stopped == counts_[TrialState::stopped] && head_.failed == counts_[TrialState::failed] &&
            head_.cancelled == counts_[TrialState::cancelled],
        "the head counts what is there", seen);
}

std::int64_t Watch::leftovers() const {
  return std::count_if(known_.begin(), known_.end(),
                       [](const Known& trial) { return trial.state == TrialState::queued && !trial.own; });
}

void Watch::everything(std::int64_t study) {
  const auto hold = [](bool holds, const char* invariant, const std::string& detail) {
    if (!holds) throw Violation{invariant, detail};
  };
  const auto rows = inner_->trials(study, {});
  hold(rows.size() == known_.size(), "the rows are what was answered", fmt::format("{} trials", rows.size()));
  for (const auto& row : rows) {
    const Known& known = known_.at(static_cast<std::size_t>(row.number));
    const bool same = row.state == known.state && row.attempts == known.attempts &&
                      row.losses == known.losses && row.ended_sequence == known.ended &&
                      (row.state != TrialState::completed || row.metrics.at("loss") == known.told);
    hold(same, "the rows are what was answered", fmt::format("trial {}", row.number));
    hold(row.state != TrialState::running, "nothing runs at the end", fmt::format("trial {}", row.number));
    const auto attempts = inner_->attempts(study, row.number);
    hold(static_cast<std::int64_t>(attempts.size()) == row.attempts, "the rows are what was answered",
         fmt::format("attempts of trial {}", row.number));
    for (const auto& attempt : attempts) {
      hold(attempt.outcome != Outcome::none, "every attempt has an outcome",
           fmt::format("attempt {} of trial {}", attempt.number, row.number));
    }
    for (const auto& report : inner_->reports(study, row.number)) {
      const auto& attempt = attempts.at(static_cast<std::size_t>(report.attempt - 1));
      hold(attempt.worker == "client" ||
               report.value == value_of(plan_.seed, row.number, report.attempt, report.step),
           "a report is of the attempt that it stands at", fmt::format("trial {}", row.number));
    }
  }
  hold(head_.paused == 0, "nothing is left paused at the end", fmt::format("{} trials", head_.paused));
  hold(plan_.trials == 0 || head_.finished() < plan_.trials || leftovers() == 0,
       "nothing is left queued that no one will run", fmt::format("{} trials", leftovers()));
  const auto events = inner_->events(study, 0, INT64_MAX);
  hold(static_cast<std::int64_t>(events.size()) == head_.sequence, "events are numbered densely",
       "at the end");
}

}  // namespace krigon::simulation
