#include "simulation.hpp"

#include <algorithm>
#include <queue>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "core/perturb.hpp"

namespace krigon::bench {
namespace {

class Simulation {
 public:
  explicit Simulation(const Setting& setting) : setting_(setting), free_(setting.workers) { begin_study(); }

  Result run() {
    fill();
    while (!tally_.done()) {
      if (events_.empty()) {
        begin_study();
        fill();
        if (events_.empty()) throw std::runtime_error("the rule begins nothing");
      }
      const auto [time, number] = events_.top();
      events_.pop();
      tally_.result.time = time;
      step(number);
      fill();
    }
    return tally_.whole();
  }

 private:
  struct Trial {
    Learner learner;
    Random noise;
    Parameters parameters;
    std::int64_t attempt = 1;
    std::int64_t parent = -1, replaces = -1;
  };
  /// When a trial's next step ends, and which; of equal times the smaller number.
  using Event = std::pair<double, std::int64_t>;

  void begin_study() {
    scheduler_ = setting_.scheduler();
    trials_.clear();
    first_ = tally_.result.trials;
  }

  /// Numbers count from 0 in each study; what is drawn does not repeat.
  std::uint64_t luck(std::int64_t number) const { return static_cast<std::uint64_t>(first_ + number); }

  void fill() {
    while (free_ > 0) {
      const auto next = tally_.result.trials - first_;
      const auto said = scheduler_->continuation();
      if (said && said->kind == Continuation::Kind::resume) {
        auto& trial = trials_.at(said->trial);
        ++trial.attempt;
        go_on(said->trial, trial);
      } else if (said) {
        const auto& parent = trials_.at(said->trial);
        auto parameters =
            perturb(space(setting_.problem), parent.parameters, setting_.seed, first_ + next, said->resample);
        Random random(setting_.seed, luck(next), Purpose::local_search);
        const Shape shape = shape_of(setting_.problem, parameters, random);
        begin(
            {Learner(parent.learner, shape), random, std::move(parameters), 1, said->trial, said->replaces});
      } else if (scheduler_->takes_new(next)) {
        Random random(setting_.seed, luck(next), Purpose::local_search);
        auto parameters = is_recorded(setting_.problem) ? random_configuration(setting_.problem, random)
                                                        : random_point(setting_.seed, first_ + next);
        const Shape shape = shape_of(setting_.problem, parameters, random);
        begin({Learner(shape), random, std::move(parameters)});
      } else {
        return;
      }
    }
  }

  void begin(Trial trial) {
    const auto number = tally_.result.trials++ - first_;
    scheduler_->observe_parameters(number, trial.parameters);
    go_on(number, trials_.emplace(number, std::move(trial)).first->second);
  }

  void go_on(std::int64_t number, const Trial& trial) {
    --free_;
    scheduler_->observe_state(number, TrialState::running, trial.parent, trial.replaces);
    events_.emplace(tally_.result.time + trial.learner.step_time(), number);
  }

  void step(std::int64_t number) {
    auto& trial = trials_.at(number);
    trial.learner.step();
    tally_.step_done(trial.learner);
    const double loss = trial.learner.report(trial.noise);
    scheduler_->observe(number, trial.attempt, trial.learner.steps(), loss);
    const Verdict verdict = scheduler_->judge(number).verdict;
    if (trial.learner.steps() >= kMaxSteps) {
      scheduler_->observe_completed(number, loss);
      tally_.completed(trial.learner, loss);
      leave(number, TrialState::completed);
    } else if (verdict == Verdict::go_on) {
      events_.emplace(tally_.result.time + trial.learner.step_time(), number);
    } else {
      leave(number, verdict == Verdict::stop ? TrialState::stopped : TrialState::paused);
    }
  }

  void leave(std::int64_t number, TrialState state) {
    ++free_;
    const auto& trial = trials_.at(number);
    scheduler_->observe_state(number, state, trial.parent, trial.replaces);
    if (state != TrialState::paused) trials_.erase(number);
  }

  Setting setting_;
  std::size_t free_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unordered_map<std::int64_t, Trial> trials_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::int64_t first_ = 0;
  Tally tally_{setting_};
};

}  // namespace

Result simulate(const Setting& setting) {
  return Simulation(setting).run();
}

}  // namespace krigon::bench
