#include "simulation/world.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "scheduler/schedulers.hpp"
#include "simulation/connection.hpp"
#include "simulation/rules.hpp"
#include "simulation/worker.hpp"
#include "storage/storage.hpp"

namespace krigon::simulation {
namespace {

/// Longer without an event than any lease, timeout or stop lasts: then the next fault need not wait for one.
constexpr TimeUs kIdle = 30 * kSecond;
constexpr TimeUs kLooksEvery = 2 * kSecond;
/// From the last fault to the end. What is left may be the whole study, run by three workers.
constexpr TimeUs kLongestEnd = 120 * kSecond;
constexpr std::int64_t kFewestWorkers = 3;

StudySpec spec_of(const Plan& plan) {
  StudySpec spec;
  spec.name = "simulated";
  spec.objectives = {{"loss", plan.maximize ? Direction::maximize : Direction::minimize}};
  spec.space = Space({{"x", RealDomain{0, 1}},
                      {"ended", IntegerDomain{0, 1'000'000}},
                      {"pending", IntegerDomain{0, 1'000'000}}});
  if (plan.trials > 0) spec.budget.trials = plan.trials;
  spec.trial.retries = plan.retries;
  spec.seed = plan.seed;
  if (plan.rule == Rule::asha) spec.early_stopping = {"asha", 1, 6, 2, 5};
  if (plan.rule == Rule::pbt) {
    spec.early_stopping.type = "pbt";
    spec.early_stopping.population = plan.population;
    spec.early_stopping.interval = 1;
  }
  return spec;
}

}  // namespace

Chronicle run_history(const Plan& plan, const Options& options) {
  return World(plan, options).run();
}

World::World(const Plan& plan, const Options& options) : plan_(plan), options_(options) {
  std::shared_ptr<Storage> store = open_storage("memory:", {.clock = &clock_});
  study_ = store->create_study(spec_of(plan_), nullptr).id;
  if (options_.without != Protection::none) store = std::make_shared<Unprotected>(store, options_.without);
  watch_ = std::make_shared<Watch>(store, plan_, now_, clock_);
  watch_->trace = options_.trace;
  watch_->on_event = [this](std::int64_t sequence) {
    while (next_fault_ < plan_.faults.size() && plan_.faults[next_fault_].after <= sequence) {
      at(now_ + 1, [this, fault = plan_.faults[next_fault_]] { comes(fault); });
      ++next_fault_;
    }
  };
}

World::~World() = default;

Chronicle World::run() {
  for (std::int64_t i = 0; i < plan_.workers; ++i)
    join(fmt::format("machine{}", i / 2), 100 + static_cast<int>(i));
  last_fault_ = now_;
  at(now_ + kLooksEvery, [this] { look_after(); });
  try {
    while (!over()) run_until(due_.top().at);
    watch_->hears("");
    watch_->everything(study_);
  } catch (const Violation& violation) {
    chronicle_.violation = violation;
  }
  chronicle_.digest = watch_->digest();
  chronicle_.workers = static_cast<std::int64_t>(workers_.size());
  chronicle_.trials = watch_->last_head().next_trial;
  chronicle_.commands = watch_->commands();
  chronicle_.leases_lost = watch_->leases_lost();
  chronicle_.stale = watch_->stale();
  chronicle_.refused = watch_->refused();
  chronicle_.pauses = watch_->pauses();
  chronicle_.clones = watch_->clones();
  chronicle_.end_took = static_cast<double>(now_ - last_fault_) / kSecond;
  chronicle_.events = watch_->sequence();
  chronicle_.seconds = static_cast<double>(now_ - began_) / kSecond;
  return std::move(chronicle_);
}

void World::run_until(TimeUs until) {
  while (!due_.empty() && due_.top().at <= until) {
    const Due next = due_.top();
    due_.pop();
    now_ = std::max(now_, next.at);
    if (next.worker < 0) {
      next.then();
    } else if (Worker& worker = *workers_[static_cast<std::size_t>(next.worker)]; worker.turn == next.turn) {
      wake(worker);
    }
  }
  now_ = std::max(now_, until);
}

void World::at(TimeUs when, std::function<void()> then) {
  due_.push({when, ++order_, -1, 0, std::move(then)});
}

void World::wake_at(Worker& worker, TimeUs when) {
  due_.push({when, ++order_, worker.index, ++worker.turn, {}});
}

void World::hold_up(Connection& who, TimeUs until) {
  who.stopped_until = std::max(who.stopped_until, until);
  ++depth_;
  while (!who.dead && who.stopped_until > now_) run_until(who.stopped_until);
  --depth_;
  if (who.dead) throw Killed{};
}

void World::wake(Worker& worker) {
  if (!worker.alive || worker.busy) return;
  if (worker.connection->stopped_until > now_) {
    wake_at(worker, worker.connection->stopped_until);
    return;
  }
  worker.busy = true;
  bool goes_on = false;
  try {
    goes_on = turn(worker);
  } catch (const Killed&) {
  } catch (const StorageError&) {
    // As of the program: it says so and ends, and its shims end what it ran.
    ++chronicle_.cut_off;
  } catch (const Error& e) {
    throw Violation{"no refusal ends a worker", fmt::format("{}: {}", worker.connection->name, e.what())};
  }
  worker.busy = false;
  ++chronicle_.steps;
  if (!goes_on || worker.connection->dead) {
    bury(worker);
    return;
  }
  TimeUs next = now_ + std::max<TimeUs>(worker.processes->waits(), kMillisecond / 4);
  if (const auto due = worker.processes->next_due()) next = std::min(next, std::max(*due, now_ + 1));
  wake_at(worker, next);
}

bool World::turn(Worker& worker) {
  if (!worker.loop) {
    worker.manager = manager(worker.connection, [this, &worker] {
      for (const Fault& fault : std::exchange(amid_proposal_, {})) {
        at(now_ + 1, [this, fault] { carry_out(fault); });
        hold_up(*worker.connection, now_ + 2);
      }
      if (const TimeUs takes = std::exchange(worker.fit_takes, 0); takes > 0) {
        hold_up(*worker.connection, now_ + takes);
      }
    });
    RunOptions& options = worker.options;
    options.interrupts = [&worker] { return worker.interrupts; };
    options.lease = plan_.lease;
    options.lead_lease = plan_.lead_lease;
    options.slots = worker.slots;
    WorkerLoop::World in;
    in.runner = worker.processes.get();
    in.seconds = [this, &worker] { return worker.seconds(now_); };
    in.worker = worker.connection->name;
    in.host = worker.host;
    in.threads = false;
    worker.loop = std::make_unique<WorkerLoop>(*worker.manager, options, worker.observer, std::move(in));
    return true;
  }
  if (worker.loop->step()) return true;
  worker.loop->finish();
  return false;
}

void World::bury(Worker& worker) {
  worker.alive = false;
  worker.connection->dead = true;
  worker.loop.reset();
  worker.manager.reset();
  worker.processes->all_die();
  watch_->digest(static_cast<std::uint64_t>(worker.index));
}

void World::kill(Worker& worker) {
  worker.processes->all_die();
  worker.connection->dead = true;
  if (!worker.busy) bury(worker);  // otherwise it comes to its end once it is back on the stack's top
}

std::unique_ptr<StudyManager> World::manager(const std::shared_ptr<Storage>& storage,
                                             std::function<void()> fitting) {
  auto study = watch_->find_study("simulated").value();
  std::unique_ptr<Scheduler> scheduler;
  if (plan_.rule == Rule::moody) {
    scheduler = std::make_unique<MoodyScheduler>(plan_.seed);
  } else {
    scheduler = make_scheduler(study.spec.early_stopping);
  }
  return std::make_unique<StudyManager>(
      storage, std::move(study),
      std::make_unique<SayingSampler>(plan_.seed, plan_.points, std::move(fitting)), std::move(scheduler));
}

void World::join(const std::string& host, int process) {
  const auto index = static_cast<std::int64_t>(workers_.size());
  Draw draw(plan_.seed, static_cast<std::uint64_t>(index), Topic::worker);
  auto worker = std::make_unique<Worker>();
  worker->index = index;
  worker->host = host;
  worker->slots = index % 2 == 0 ? plan_.slots : 1;
  worker->rate = 0.98 + 0.04 * draw.uniform();
  worker->offset = static_cast<double>(draw.between(0, 1'000'000));
  const auto name = fmt::format("{}:{}:{}@1", host, process, now_ / (10 * kMillisecond) + index);
  worker->connection = std::make_shared<Connection>(*this, watch_, name, static_cast<std::uint64_t>(index));
  worker->processes = std::make_unique<Processes>(plan_.seed, now_);
  workers_.push_back(std::move(worker));
  wake_at(*workers_.back(), now_ + draw.between(0, 2 * kSecond));
}

std::int64_t World::living() const {
  return std::count_if(workers_.begin(), workers_.end(), [](const auto& w) { return w->alive; });
}

bool World::over() const {
  if (living() > 0 || pending_ > 0) return false;
  const StudyHead& head = watch_->last_head();
  if (head.running + head.paused > 0) return false;
  if (plan_.trials > 0 && head.finished() >= plan_.trials) return watch_->leftovers() == 0;
  if (plan_.rule == Rule::pbt) return head.completed >= plan_.population && head.queued == 0;
  return plan_.points > 0 && head.next_trial >= plan_.points && head.queued == 0;
}

/// Faults that no event brings, workers where all are gone, and that it comes to an end.
void World::look_after() {
  if (over()) return;
  if (now_ - watch_->changed_at() > kIdle && now_ - last_fault_ > kIdle &&
      next_fault_ < plan_.faults.size()) {
    comes(plan_.faults[next_fault_++]);
  }
  if (living() == 0) {
    for (std::int64_t i = 0; i < kFewestWorkers; ++i) join(fmt::format("late{}", i), 7);
  }
  if (now_ - last_fault_ > kLongestEnd) {
    const StudyHead& head = watch_->last_head();
    const bool used_up = plan_.trials > 0 && head.finished() >= plan_.trials && head.running == 0;
    throw Violation{
        used_up && head.paused > 0           ? "nothing is left paused at the end"
        : used_up && watch_->leftovers() > 0 ? "nothing is left queued that no one will run"
                                             : "the study ends",
        fmt::format("{} s after the last fault, {} workers live, {} trials have ended, {} are queued, {} "
                    "running, {} paused",
                    kLongestEnd / kSecond, living(), head.finished(), head.queued, head.running,
                    head.paused)};
  }
  at(now_ + kLooksEvery, [this] { look_after(); });
}

}  // namespace krigon::simulation
