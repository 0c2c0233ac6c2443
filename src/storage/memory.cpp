#include "storage/memory.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "storage/beat.hpp"
#include "storage/text.hpp"

namespace krigon::detail {
namespace {

struct StoredTrial {
  TrialRecord record;
  bool front = false;                   ///< kept when the trial is queued again
  std::vector<AttemptRecord> attempts;  ///< number 1 first
  /// By (attempt, step, metric), as they are listed.
  std::map<std::tuple<std::int64_t, std::int64_t, std::string>, double> reports;
  std::map<std::pair<std::int64_t, std::string>, std::int64_t> last_steps;  ///< by (attempt, metric)
  std::vector<DecisionRecord> decisions;
};

/// An event with the rows that it added, so that a delta need not search for them.
struct StoredEvent {
  EventRecord record;
  std::vector<ReportRecord> reports;
  std::optional<DecisionRecord> decision;
};

struct Revision {
  StudySpec spec;
  nlohmann::json fingerprint;
};

struct StoredStudy final : Rows {
  std::int64_t id = 0;
  std::string name;
  TimeUs created = 0;
  std::vector<Revision> revisions;  ///< number 1 first
  StudyHead current;
  std::vector<StoredTrial> trials;
  std::vector<StoredEvent> events;  ///< sequence 1 first
  std::map<std::string, std::int64_t, std::less<>> keys;
  std::set<std::pair<bool, std::int64_t>> queue;  ///< (not in front, number)
  std::set<std::int64_t> running;
  std::map<std::string, WorkerRecord> workers;

  const StudySpec& spec() const override { return revisions.back().spec; }
  std::int64_t revision() const override { return static_cast<std::int64_t>(revisions.size()); }
  StudyHead head() const override { return current; }

  const StoredTrial* find(std::int64_t number) const {
    if (number < 0 || number >= static_cast<std::int64_t>(trials.size())) return nullptr;
    return &trials[static_cast<std::size_t>(number)];
  }
  StoredTrial& at(std::int64_t number) { return trials.at(static_cast<std::size_t>(number)); }

  std::optional<TrialRecord> trial(std::int64_t number) const override {
    const auto* found = find(number);
    return found ? std::optional(found->record) : std::nullopt;
  }

  std::optional<TrialRecord> next_queued() const override {
    return queue.empty() ? std::nullopt : trial(queue.begin()->second);
  }

  std::optional<std::int64_t> trial_by_key(std::string_view key) const override {
    const auto found = keys.find(key);
    return found == keys.end() ? std::nullopt : std::optional(found->second);
  }

  std::optional<AttemptRecord> attempt(std::int64_t number, std::int64_t which) const override {
    const auto* found = find(number);
    if (!found || which < 1 || which > static_cast<std::int64_t>(found->attempts.size())) return std::nullopt;
    return found->attempts[static_cast<std::size_t>(which - 1)];
  }

  std::optional<double> report(std::int64_t number, std::int64_t which, std::string_view metric,
                               std::int64_t step) const override {
    const auto* found = find(number);
    if (!found) return std::nullopt;
    const auto value = found->reports.find({which, step, std::string(metric)});
    return value == found->reports.end() ? std::nullopt : std::optional(value->second);
  }

  std::int64_t last_step(std::int64_t number, std::int64_t which, std::string_view metric) const override {
    const auto* found = find(number);
    if (!found) return 0;
    const auto step = found->last_steps.find({which, std::string(metric)});
    return step == found->last_steps.end() ? 0 : step->second;
  }

  void write(const Change& change) {
    if (change.trial) write_trial(*change.trial, change.front);
    if (change.attempt) {
      auto& attempts = at(change.attempt->trial).attempts;
      const auto index = static_cast<std::size_t>(change.attempt->number - 1);
      if (index == attempts.size()) attempts.emplace_back();
      attempts.at(index) = *change.attempt;
    }
    for (const auto& r : change.reports) {
      auto& row = at(r.trial);
      row.reports.insert_or_assign({r.attempt, r.step, r.metric}, r.value);
      auto& last = row.last_steps[{r.attempt, r.metric}];
      last = std::max(last, r.step);
    }
    if (change.decision) at(change.decision->trial).decisions.push_back(*change.decision);
    if (change.event) events.push_back({*change.event, change.reports, change.decision});
    if (change.head) current = *change.head;
  }

  StudyRecord as_record() const {
    return {id, name, spec(), revision(), revisions.back().fingerprint, created, current};
  }

 private:
  void write_trial(const TrialRecord& record, bool front) {
    if (record.number == static_cast<std::int64_t>(trials.size())) {
      trials.emplace_back().front = front;
    }
    if (!record.key.empty()) keys.emplace(record.key, record.number);
    auto& row = at(record.number);
    if (front) row.front = true;  // it is not in the queue now
    row.record = record;
    if (record.state == TrialState::queued) {
      queue.emplace(!row.front, record.number);
    } else {
      queue.erase({!row.front, record.number});
    }
    if (record.state == TrialState::running) {
      running.insert(record.number);
    } else {
      running.erase(record.number);
    }
  }
};

class MemoryStorage final : public Storage {
 public:
  MemoryStorage(const Clock& clock, bool read_only) : clock_(clock), read_only_(read_only) {}

  StudyRecord create_study(const StudySpec& spec, const nlohmann::json& fingerprint) override {
    check_spec(spec);
    const std::lock_guard lock(mutex_);
    check_writable();
    if (names_.contains(spec.name)) {
      throw ConflictError(fmt::format("there is already a study named \"{}\" in {}", spec.name, url()));
    }
    StoredStudy study;
    study.id = ++last_id_;
    study.name = spec.name;
    study.created = clock_.now();
    study.revisions.push_back({spec, fingerprint});
    names_.emplace(spec.name, study.id);
    return studies_.emplace(study.id, std::move(study)).first->second.as_record();
  }

  std::optional<StudyRecord> find_study(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(name);
    if (found == names_.end()) return std::nullopt;
    return studies_.at(found->second).as_record();
  }

  std::vector<StudyRecord> studies() override {
    const std::lock_guard lock(mutex_);
    std::vector<StudyRecord> result;
    for (const auto& [name, id] : names_) result.push_back(studies_.at(id).as_record());
    return result;
  }

  void delete_study(std::int64_t id) override {
    const std::lock_guard lock(mutex_);
    check_writable();
    names_.erase(study(id).name);
    studies_.erase(id);
  }

  void update_spec(std::int64_t id, const StudySpec& spec, const nlohmann::json& fingerprint) override {
    check_spec(spec);
    const std::lock_guard lock(mutex_);
    check_writable();
    auto& row = study(id);
    if (spec.name != row.name) {
      throw UsageError(
          fmt::format("study \"{}\" cannot be renamed to \"{}\": the name stays", row.name, spec.name));
    }
    row.revisions.push_back({spec, fingerprint});
  }

  StudySpec spec_at(std::int64_t id, std::int64_t revision) override {
    const std::lock_guard lock(mutex_);
    const auto& row = study(id);
    if (revision < 1 || revision > row.revision()) {
      throw NotFoundError(fmt::format("study \"{}\" has revisions 1 to {}, none with number {}", row.name,
                                      row.revision(), revision));
    }
    return row.revisions[static_cast<std::size_t>(revision - 1)].spec;
  }

  Applied apply(std::int64_t id, const Command& command) override {
    const std::lock_guard lock(mutex_);
    check_writable();
    auto& row = study(id);
    auto result = transition(row, command, clock_.now());
    if (const auto* refusal = std::get_if<Refusal>(&result)) throw_refusal(*refusal);
    auto& done = std::get<Transition>(result);
    row.write(done.change);
    return {!done.change.empty(), row.current.sequence, row.current, std::move(done.trial),
            std::move(done.attempt)};
  }

  StudyHead head(std::int64_t id) override {
    const std::lock_guard lock(mutex_);
    return study(id).current;
  }

  Delta window(std::int64_t id, std::int64_t from, std::int64_t best) override {
    const std::lock_guard lock(mutex_);
    const auto& row = study(id);
    const auto& objective = row.spec().objective();
    Delta delta;
    delta.head = row.current;
    delta.sequence = row.current.sequence;
    std::set<std::int64_t> wanted;
    std::vector<std::pair<double, std::int64_t>> completed;
    for (const auto& stored : row.trials) {
      const auto& record = stored.record;
      if (record.number >= from || !ended(record.state)) {
        wanted.insert(record.number);
      } else if (record.state == TrialState::completed) {
        const double value = record.metrics.at(objective.metric);
        completed.emplace_back(objective.direction == Direction::minimize ? value : -value, record.number);
      }
    }
    std::sort(completed.begin(), completed.end());
    for (std::size_t i = 0; i < completed.size() && static_cast<std::int64_t>(i) < best; ++i) {
      wanted.insert(completed[i].second);
    }
    for (const auto number : wanted) {
      const auto& stored = *row.find(number);
      delta.trials.push_back(stored.record);
      for (const auto& [where, value] : stored.reports) {
        delta.reports.push_back({number, std::get<0>(where), std::get<1>(where), std::get<2>(where), value});
      }
    }
    return delta;
  }

  using Storage::changes_since;
  Delta changes_since(std::int64_t id, std::int64_t sequence, std::int64_t limit) override {
    const std::lock_guard lock(mutex_);
    const auto& row = study(id);
    Delta delta;
    delta.head = row.current;
    const auto after = std::clamp<std::int64_t>(sequence, 0, row.current.sequence);
    delta.sequence = after + std::min(std::max<std::int64_t>(limit, 0), row.current.sequence - after);
    std::set<std::int64_t> touched;
    for (auto i = after; i < delta.sequence; ++i) {
      const auto& event = row.events[static_cast<std::size_t>(i)];
      if (event.record.trial >= 0) touched.insert(event.record.trial);
      delta.reports.insert(delta.reports.end(), event.reports.begin(), event.reports.end());
      if (event.decision) delta.decisions.push_back(*event.decision);
    }
    for (const auto number : touched) delta.trials.push_back(row.find(number)->record);
    return delta;
  }

  std::vector<TrialRecord> trials(std::int64_t id, const TrialQuery& query) override {
    const std::lock_guard lock(mutex_);
    std::vector<TrialRecord> result;
    const auto& all = study(id).trials;
    for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(query.from, 0)); i < all.size(); ++i) {
      if (static_cast<std::int64_t>(result.size()) >= query.limit) break;
      if (!query.state || all[i].record.state == *query.state) result.push_back(all[i].record);
    }
    return result;
  }

  std::optional<TrialRecord> trial(std::int64_t id, std::int64_t number) override {
    const std::lock_guard lock(mutex_);
    return study(id).trial(number);
  }

  std::vector<AttemptRecord> attempts(std::int64_t id, std::int64_t number) override {
    const std::lock_guard lock(mutex_);
    const auto* row = study(id).find(number);
    return row ? row->attempts : std::vector<AttemptRecord>{};
  }

  std::vector<AttemptRecord> running_attempts(std::int64_t id) override {
    const std::lock_guard lock(mutex_);
    const auto& row = study(id);
    std::vector<AttemptRecord> result;
    for (const auto number : row.running) result.push_back(row.find(number)->attempts.back());
    return result;
  }

  std::vector<ReportRecord> reports(std::int64_t id, std::int64_t number) override {
    const std::lock_guard lock(mutex_);
    std::vector<ReportRecord> result;
    if (const auto* row = study(id).find(number)) {
      for (const auto& [key, value] : row->reports) {
        const auto& [attempt, step, metric] = key;
        result.push_back({number, attempt, step, metric, value});
      }
    }
    return result;
  }

  std::vector<DecisionRecord> decisions(std::int64_t id, std::int64_t number) override {
    const std::lock_guard lock(mutex_);
    const auto* row = study(id).find(number);
    return row ? row->decisions : std::vector<DecisionRecord>{};
  }

  std::vector<EventRecord> events(std::int64_t id, std::int64_t after, std::int64_t limit) override {
    const std::lock_guard lock(mutex_);
    const auto& all = study(id).events;
    std::vector<EventRecord> result;
    for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(after, 0)); i < all.size(); ++i) {
      if (static_cast<std::int64_t>(result.size()) >= limit) break;
      result.push_back(all[i].record);
    }
    return result;
  }

  TimeUs now() override { return clock_.now(); }

  void heartbeat(std::int64_t id, const WorkerRecord& worker, TimeUs lease) override {
    check_lease(lease);
    const std::lock_guard lock(mutex_);
    check_writable();
    auto& row = study(id);
    const TimeUs now = clock_.now();
    std::erase_if(row.workers, [&](const auto& each) { return each.second.lease_until <= now; });
    if (lease == 0) {
      row.workers.erase(worker.name);
      return;
    }
    const auto known = row.workers.find(worker.name);
    WorkerRecord seen = worker;
    seen.started = known == row.workers.end() ? now : known->second.started;
    seen.lease_until = now + lease;
    row.workers.insert_or_assign(worker.name, std::move(seen));
    std::erase_if(row.workers,
                  [&](const auto& each) { return each.second.lease_until > now + kLeasesAhead * lease; });
  }

  std::vector<WorkerRecord> workers(std::int64_t id) override {
    const std::lock_guard lock(mutex_);
    std::vector<WorkerRecord> living;
    const TimeUs now = clock_.now();
    for (const auto& [name, worker] : study(id).workers) {
      if (worker.lease_until > now && worker.lease_until <= now + kLongestLease) living.push_back(worker);
    }
    return living;
  }

  std::optional<std::int64_t> trial_by_key(std::int64_t id, std::string_view key) override {
    const std::lock_guard lock(mutex_);
    return study(id).trial_by_key(key);
  }

  void set_patience(const Patience& /*patience*/) override {}  // it is never away
  std::string url() const override { return "memory:"; }

 private:
  StoredStudy& study(std::int64_t id) {
    const auto found = studies_.find(id);
    if (found == studies_.end()) throw NotFoundError(fmt::format("there is no study {} in {}", id, url()));
    return found->second;
  }

  void check_writable() const {
    if (read_only_) throw StorageError("memory: was opened read-only and cannot be changed");
  }

  const Clock& clock_;
  const bool read_only_;
  std::mutex mutex_;
  std::int64_t last_id_ = 0;
  std::map<std::string, std::int64_t, std::less<>> names_;
  std::map<std::int64_t, StoredStudy> studies_;
};

}  // namespace

std::unique_ptr<Storage> open_memory(const Clock& clock, bool read_only) {
  return std::make_unique<MemoryStorage>(clock, read_only);
}

}  // namespace krigon::detail
