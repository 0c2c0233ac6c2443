#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/storage.hpp"

namespace krigon::simulation {

/// Hands everything on to another store: what a decorator does not change.
class Forwarding : public Storage {
 public:
  explicit Forwarding(std::shared_ptr<Storage> inner) : inner_(std::move(inner)) {}

  StudyRecord create_study(const StudySpec& spec, const nlohmann::json& fingerprint) override {
    return inner_->create_study(spec, fingerprint);
  }
  std::optional<StudyRecord> find_study(std::string_view name) override { return inner_->find_study(name); }
  std::vector<StudyRecord> studies() override { return inner_->studies(); }
  void delete_study(std::int64_t study) override { inner_->delete_study(study); }
  void update_spec(std::int64_t study, const StudySpec& spec, const nlohmann::json& fingerprint) override {
    inner_->update_spec(study, spec, fingerprint);
  }
  StudySpec spec_at(std::int64_t study, std::int64_t revision) override {
    return inner_->spec_at(study, revision);
  }
  Applied apply(std::int64_t study, const Command& command) override { return inner_->apply(study, command); }
  StudyHead head(std::int64_t study) override { return inner_->head(study); }
  using Storage::changes_since;
  Delta changes_since(std::int64_t study, std::int64_t sequence, std::int64_t limit) override {
    return inner_->changes_since(study, sequence, limit);
  }
  Delta window(std::int64_t study, std::int64_t from, std::int64_t best) override {
    return inner_->window(study, from, best);
  }
  std::vector<TrialRecord> trials(std::int64_t study, const TrialQuery& query) override {
    return inner_->trials(study, query);
  }
  std::optional<TrialRecord> trial(std::int64_t study, std::int64_t number) override {
    return inner_->trial(study, number);
  }
  std::vector<AttemptRecord> attempts(std::int64_t study, std::int64_t trial) override {
    return inner_->attempts(study, trial);
  }
  std::vector<AttemptRecord> running_attempts(std::int64_t study) override {
    return inner_->running_attempts(study);
  }
  std::vector<ReportRecord> reports(std::int64_t study, std::int64_t trial) override {
    return inner_->reports(study, trial);
  }
  std::vector<DecisionRecord> decisions(std::int64_t study, std::int64_t trial) override {
    return inner_->decisions(study, trial);
  }
  std::vector<EventRecord> events(std::int64_t study, std::int64_t after, std::int64_t limit) override {
    return inner_->events(study, after, limit);
  }
  void heartbeat(std::int64_t study, const WorkerRecord& worker, TimeUs lease) override {
    inner_->heartbeat(study, worker, lease);
  }
  std::vector<WorkerRecord> workers(std::int64_t study) override { return inner_->workers(study); }
  std::optional<std::int64_t> trial_by_key(std::int64_t study, std::string_view key) override {
    return inner_->trial_by_key(study, key);
  }
  TimeUs now() override { return inner_->now(); }
  void set_patience(const Patience& patience) override { inner_->set_patience(patience); }
  std::string url() const override { return inner_->url(); }

 protected:
  std::shared_ptr<Storage> inner_;
};

}  // namespace krigon::simulation
