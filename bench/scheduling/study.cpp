#include "study.hpp"

#include <queue>
#include <unordered_map>
#include <utility>

#include "backend/cpu_backend.hpp"
#include "core/encoding.hpp"
#include "core/machine.hpp"
#include "manager/manager.hpp"
#include "propose/auto.hpp"
#include "storage/storage.hpp"

namespace krigon::bench {
namespace {

constexpr const char* kMetric = "loss";

class StudySimulation {
 public:
  explicit StudySimulation(const Setting& setting)
      : setting_(setting), free_(setting.workers), storage_(open_storage("memory:")) {
    StudySpec spec;
    spec.name = name_of(setting.problem);
    spec.objectives = {{kMetric, Direction::minimize}};
    spec.space = space(setting.problem);
    spec.early_stopping.max_steps = kMaxSteps;
    spec.trial.checkpoint = true;
    spec.seed = setting.seed;
    GpSamplerOptions options;
    if (is_recorded(setting.problem)) {
      const Encoding encoding(spec.space);
      for (const auto& recorded : configurations(setting.problem)) {
        options.among.push_back(encoding.encode(recorded).value());
      }
    }
    // All processors are at other studies already.
    auto points = make_auto_sampler(spec.space, spec.seed, make_cpu_backend({.threads = 1}), options);
    auto study = storage_->create_study(spec, nullptr);
    manager_ =
        std::make_unique<StudyManager>(storage_, std::move(study), std::move(points), setting.scheduler());
  }

  Result run() {
    fill();
    while (!tally_.done() && !events_.empty()) {
      const auto [time, number] = events_.top();
      events_.pop();
      tally_.result.time = time;
      step(number);
      if (!tally_.done()) fill();
    }
    return tally_.whole();
  }

 private:
  struct Trial {
    Learner learner;
    Random noise;
    std::int64_t fence = 0;
  };
  /// When a trial's next step ends, and which; of equal times the smaller number.
  using Event = std::pair<double, std::int64_t>;

  void fill() {
    while (free_ > 0) {
      const auto asked = manager_->ask({});
      if (!asked) return;
      const std::int64_t number = asked->trial.number;
      auto found = trials_.find(number);
      if (found == trials_.end()) {
        Random random(setting_.seed, static_cast<std::uint64_t>(number), Purpose::local_search);
        const Shape shape = shape_of(setting_.problem, asked->trial.parameters, random);
        found = trials_.emplace(number, Trial{Learner(shape), random}).first;
        ++tally_.result.trials;
      }
      Trial& trial = found->second;
      trial.fence = asked->attempt.fence;
      --free_;
      events_.emplace(tally_.result.time + trial.learner.step_time(), number);
    }
  }

  void step(std::int64_t number) {
    Trial& trial = trials_.at(number);
    trial.learner.step();
    tally_.step_done(trial.learner);
    const double loss = trial.learner.report(trial.noise);
    const auto said = manager_->report(number, trial.fence, trial.learner.steps(), {{kMetric, loss}});
    if (trial.learner.steps() >= kMaxSteps) {
      manager_->apply(CompleteTrial{number, trial.fence, {{kMetric, loss}}, {}});
      tally_.completed(trial.learner, loss);
    } else if (said.verdict == Verdict::go_on) {
      events_.emplace(tally_.result.time + trial.learner.step_time(), number);
      return;
    } else {
      manager_->end_early(number, trial.fence, said.reason);
    }
    ++free_;
    if (said.verdict != Verdict::pause) trials_.erase(number);
  }

  Setting setting_;
  std::size_t free_;
  std::shared_ptr<Storage> storage_;
  std::unique_ptr<StudyManager> manager_;
  std::unordered_map<std::int64_t, Trial> trials_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  Tally tally_{setting_};
};

}  // namespace

Result simulate_study(const Setting& setting) {
  return StudySimulation(setting).run();
}

}  // namespace krigon::bench
