#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "manager/manager.hpp"
#include "storage/storage.hpp"
#include "worker/run_loop.hpp"

namespace krigon {

/// The name of a process that is no more: this one's number, begun at another time.
inline std::string dead_worker_name() {
  std::string name = local_worker_name();
  char& digit = name.at(name.rfind('@') - 1);
  digit = digit == '1' ? '2' : '1';
  return name;
}

/// Uniform points in x, a function of seed and number alone.
class UniformSampler final : public Sampler {
 public:
  explicit UniformSampler(std::int64_t points) : points_(points) {}
  std::string_view name() const override { return "uniform"; }
  Suggestion propose(const History&, std::int64_t number) override {
    Suggestion s;
    s.exhausted = number >= points_;
    s.proposal.sampler = "uniform";
    s.parameters = {{"x", Random(7, static_cast<std::uint64_t>(number), Purpose::random_sampler).uniform()}};
    return s;
  }
  std::string describe(const Space&) const override { return "uniform"; }

 private:
  std::int64_t points_;
};

/// Stops at the first report from the given step on whose loss is above the limit.
class StopAbove final : public Scheduler {
 public:
  StopAbove(double limit, std::int64_t step) : limit_(limit), step_(step) {}
  std::string_view name() const override { return "stop-above"; }
  void observe(std::int64_t trial, std::int64_t, std::int64_t step, double loss) override {
    last_[trial] = {step, loss};
  }
  void observe_completed(std::int64_t, double) override {}
  Judgement judge(std::int64_t trial) override {
    const auto [step, loss] = last_[trial];
    if (step >= step_ && loss > limit_) return {Verdict::stop, {{"loss", loss}}, "above the limit"};
    return {};
  }

 private:
  double limit_;
  std::int64_t step_;
  std::map<std::int64_t, std::pair<std::int64_t, double>> last_;
};

/// A study over a store (in memory unless given), with the fakes above.
struct FakeStudy {
  explicit FakeStudy(StudySpec spec, std::shared_ptr<Storage> store = nullptr, double limit = 1e300,
                     std::int64_t points = INT64_MAX)
      : storage(store ? std::move(store) : open_storage("memory:")) {
    if (spec.name.empty()) spec.name = "s";
    if (spec.objectives.empty()) spec.objectives = {{"loss", Direction::minimize}};
    if (spec.space.parameters().empty()) spec.space = Space({{"x", RealDomain{0, 1}}});
    auto study = storage->find_study(spec.name);
    if (!study) study = storage->create_study(spec, nullptr);
    manager = std::make_unique<StudyManager>(storage, *study, std::make_unique<UniformSampler>(points),
                                             std::make_unique<StopAbove>(limit, 2));
  }
  std::vector<TrialRecord> trials() { return storage->trials(manager->study().id, {}); }

  std::shared_ptr<Storage> storage;
  std::unique_ptr<StudyManager> manager;
};

struct RecordingObserver final : RunObserver {
  void started(const TrialRecord& trial, const AttemptRecord&) override { starts.push_back(trial.number); }
  void reported(const TrialRecord& trial, std::int64_t step, const Metrics&) override {
    reports[trial.number].push_back(step);
  }
  void ended(const TrialRecord& trial, const Ended& how, bool best) override {
    ends.emplace_back(trial.number, trial.state);
    how_ended[trial.number] = how;
    if (best) bests.push_back(trial.number);
  }
  void tick(const RunState& state) override {
    most_running = std::max(most_running, state.running_here);
    if (on_tick) on_tick(state);
  }
  void note(const std::string& text) override { notes.push_back(text); }

  std::vector<std::int64_t> starts, bests;
  std::map<std::int64_t, std::vector<std::int64_t>> reports;
  std::vector<std::pair<std::int64_t, TrialState>> ends;
  std::map<std::int64_t, Ended> how_ended;
  std::size_t most_running = 0;
  std::vector<std::string> notes;
  std::function<void(const RunState&)> on_tick;
};

}  // namespace krigon
