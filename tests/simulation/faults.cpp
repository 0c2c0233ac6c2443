// What is done to a history, and what people do meanwhile.
#include <algorithm>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "simulation/worker.hpp"
#include "simulation/world.hpp"

namespace krigon::simulation {
namespace {

/// A process number on its host.
int process_of(const std::string& worker) {
  const auto first = worker.find(':');
  return std::stoi(worker.substr(first + 1));
}

}  // namespace

World::Worker* World::hit(const Fault& fault) {
  const bool suggester = fault.kind == FaultKind::kill_suggester || fault.kind == FaultKind::stop_suggester ||
                         fault.kind == FaultKind::long_fit;
  const std::string& leads = watch_->last_head().suggester;
  for (const auto& worker : workers_) {
    if (suggester && worker->alive && !worker->connection->dead && worker->connection->name == leads) {
      return worker.get();
    }
  }
  const std::size_t count = workers_.size();
  for (std::size_t i = 0; i < count; ++i) {
    auto& worker = workers_[(static_cast<std::size_t>(fault.worker) + i) % count];
    if (worker->alive && !worker->connection->dead) return worker.get();
  }
  return nullptr;
}

void World::comes(const Fault& fault) {
  if (fault.amid_proposal()) {
    amid_proposal_.push_back(fault);
  } else {
    carry_out(fault);
  }
}

void World::carry_out(const Fault& fault) {
  last_fault_ = now_ + std::max<TimeUs>(fault.amount, 0);
  const auto note = [&](const std::string& whom) {
    ++chronicle_.faults.at(static_cast<std::size_t>(fault.kind));
    chronicle_.happened.push_back(fmt::format("{:9.3f} s  {}{}", static_cast<double>(now_ - began_) / kSecond,
                                              describe(fault), whom.empty() ? "" : " -> " + whom));
  };
  watch_->digest(static_cast<std::uint64_t>(fault.kind));
  if (by_person(fault.kind)) {
    note("");
    person(fault);
    return;
  }
  if (fault.kind == FaultKind::set_clock) {
    note("");
    clock_.offset += fault.amount;
    last_fault_ = now_ + std::min(std::abs(fault.amount), 2 * plan_.lease);
    return;
  }
  if (fault.kind == FaultKind::join) {
    note("");
    join(fmt::format("machine{}", fault.choice % 5), 1000 + static_cast<int>(fault.choice));
    return;
  }
  Worker* worker = hit(fault);
  if (worker == nullptr) {
    look_after();
    worker = workers_.back().get();
  }
  note(worker->connection->name);
  hit_worker(fault, *worker);
}

void World::hit_worker(const Fault& fault, Worker& worker) {
  Connection& way = *worker.connection;
  // Between two commands, or in the middle of one.
  const bool at_once = fault.choice % 3 == 0, afterwards = fault.choice % 3 == 1;
  switch (fault.kind) {
    case FaultKind::kill:
    case FaultKind::kill_suggester:
      if (at_once) {
        kill(worker);
      } else {
        way.traps.push_back({Trap::What::kill, afterwards, 0});
      }
      break;
    case FaultKind::stop:
    case FaultKind::stop_suggester:
      if (at_once) {
        way.stopped_until = std::max(way.stopped_until, now_ + fault.amount);
      } else {
        way.traps.push_back({Trap::What::stop, afterwards, fault.amount});
      }
      break;
    case FaultKind::partition:
      way.cut_until = std::max(way.cut_until, now_ + fault.amount);
      break;
    case FaultKind::lost_answer:
      way.traps.push_back({Trap::What::lose_answer, true, fault.amount});
      break;
    case FaultKind::terminate:
      worker.interrupts = 2;
      break;
    case FaultKind::interrupt:
      worker.interrupts = std::max(worker.interrupts, 1);
      break;
    case FaultKind::restart: {
      const std::string host = worker.host;
      const int process = process_of(way.name);
      kill(worker);
      join(host, process);
      break;
    }
    case FaultKind::long_fit:
      worker.fit_takes = fault.amount;
      break;
    case FaultKind::process_dies:
      worker.processes->one_dies(fault.choice);
      break;
    case FaultKind::stubborn:
      worker.processes->ignore_termination();
      break;
    default:
      break;
  }
}

/// As the program's commands do it: each opens the study anew.
void World::person(const Fault& fault) {
  const auto way =
      std::make_shared<Connection>(*this, watch_, "", 1'000'000 + static_cast<std::uint64_t>(++persons_));
  const std::int64_t trials = std::max<std::int64_t>(watch_->last_head().next_trial, 1);
  const auto find = [&](auto wanted) {
    for (std::int64_t i = 0; i < trials; ++i) {
      const std::int64_t number = (fault.choice + i) % trials;
      const auto state = watch_->state(number);
      if (state && wanted(*state)) return number;
    }
    return std::int64_t{0};
  };
  try {
    const auto managed = manager(way, [] {});
    switch (fault.kind) {
      case FaultKind::cancel:
        managed->apply(CancelTrial{find([](TrialState s) { return !ended(s); }), "no longer wanted"});
        break;
      case FaultKind::enqueue:
        for (std::int64_t i = 0; i <= fault.choice % 8; ++i) {
          managed->enqueue({{"x", 0.5}, {"ended", std::int64_t{0}}, {"pending", std::int64_t{0}}});
        }
        break;
      case FaultKind::ask:
        ask(fault);
        break;
      case FaultKind::contradict:
        managed->apply(CompleteTrial{
            find([](TrialState s) { return s == TrialState::completed; }), 0, {{"loss", -7.0}}, {}});
        break;
      case FaultKind::speak_for:
        if (fault.choice % 2 == 0) {
          managed->apply(StopTrial{find([](TrialState s) { return s == TrialState::paused; }), 0, "enough"});
        } else {
          FailAttempt fail;
          fail.trial = find([](TrialState s) { return s == TrialState::running; });
          managed->apply(fail);
        }
        break;
      default:
        break;
    }
  } catch (const Error&) {
    // It is shown the refusal.
  }
}

void World::ask(const Fault& fault) {
  const auto way =
      std::make_shared<Connection>(*this, watch_, "", 2'000'000 + static_cast<std::uint64_t>(persons_));
  // Of one that has no answer, it is asked again with the same key.
  if (fault.choice % 2 == 0) way->traps.push_back({Trap::What::lose_answer, true, 2 * plan_.patience});
  const std::string key = fmt::format("key {}", fault.choice % 50);
  ++pending_;
  std::optional<Asked> asked;
  for (int i = 0; i < 3 && !asked; ++i) {
    try {
      asked = manager(way, [] {})->ask({"client", "somewhere", 0}, key);
      if (!asked) break;
    } catch (const StorageError&) {
    }
  }
  --pending_;
  if (!asked) return;
  ++pending_;
  const auto number = asked->trial.number;
  const auto fence = asked->attempt.fence;
  at(now_ + fault.amount, [this, number, fence] { tell(number, fence, 0.25); });
  at(now_ + fault.amount + 1, [this, number, fence] {
    tell(number, fence, 0.75);
    --pending_;
  });
}

void World::tell(std::int64_t trial, std::int64_t fence, double value) {
  try {
    watch_->hears("");
    watch_->apply(study_, CompleteTrial{trial, fence, {{"loss", value}}, {}});
  } catch (const Error&) {
    // Withdrawn meanwhile, or told before.
  }
}

}  // namespace krigon::simulation
