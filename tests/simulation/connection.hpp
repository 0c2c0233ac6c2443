#pragma once

#include <deque>
#include <string>
#include <type_traits>

#include "simulation/world.hpp"

namespace krigon::simulation {

/// What waits for a worker's next command.
struct Trap {
  enum class What { stop, kill, lose_answer };
  What what = What::stop;
  bool afterwards = false;  ///< once the command has taken effect
  TimeUs amount = 0;
};

/// A worker's way to the store. As a store behind a network does it (storage/postgres.cpp), a command is sent
/// again while the connection is away for no longer than the store's patience, and an answer that did not
/// come is asked for: so a worker sees a delay, or a StorageError of which it cannot tell whether the command
/// took effect.
struct Connection final : Forwarding {
  Connection(World& in_world, std::shared_ptr<Watch> store, std::string speaker, std::uint64_t number)
      : Forwarding(store), world(in_world), watch(std::move(store)), name(std::move(speaker)), id(number) {}

  World& world;
  std::shared_ptr<Watch> watch;
  std::string name;  ///< empty: a person
  std::uint64_t id;
  bool dead = false;
  TimeUs stopped_until = 0, cut_until = 0;
  std::deque<Trap> traps;
  std::uint64_t commands = 0;
  bool applies = false;  ///< the command under way changes something

  Applied apply(std::int64_t study, const Command& command) override {
    // Without an event there is nothing by which to know whether it took effect: it is done again.
    const bool known = !std::holds_alternative<RenewLease>(command) &&
                       !std::holds_alternative<TakeSuggester>(command) &&
                       !std::holds_alternative<AddRunningTime>(command);
    return on_the_way(known, [&] {
      applies = true;
      watch->hears(name);
      return watch->apply(study, command);
    });
  }
  StudyHead head(std::int64_t study) override {
    return on_the_way(true, [&] { return inner_->head(study); });
  }
  using Storage::changes_since;
  Delta changes_since(std::int64_t study, std::int64_t sequence, std::int64_t limit) override {
    return on_the_way(true, [&] { return inner_->changes_since(study, sequence, limit); });
  }
  Delta window(std::int64_t study, std::int64_t from, std::int64_t best) override {
    return on_the_way(true, [&] { return inner_->window(study, from, best); });
  }
  std::vector<TrialRecord> trials(std::int64_t study, const TrialQuery& query) override {
    return on_the_way(true, [&] { return inner_->trials(study, query); });
  }
  std::optional<TrialRecord> trial(std::int64_t study, std::int64_t number) override {
    return on_the_way(true, [&] { return inner_->trial(study, number); });
  }
  std::vector<AttemptRecord> running_attempts(std::int64_t study) override {
    return on_the_way(true, [&] { return inner_->running_attempts(study); });
  }
  void heartbeat(std::int64_t study, const WorkerRecord& worker, TimeUs lease) override {
    on_the_way(false, [&] {
      inner_->heartbeat(study, worker, lease);
      return true;
    });
  }
  std::vector<WorkerRecord> workers(std::int64_t study) override {
    return on_the_way(true, [&] { return inner_->workers(study); });
  }
  TimeUs now() override {
    return on_the_way(true, [&] { return inner_->now(); });
  }

 private:
  template <class F>
  std::invoke_result_t<F> on_the_way(bool known, const F& command) {
    before();
    auto answer = command();
    if (after() && !known) answer = command();
    return answer;
  }
  void before();
  /// Whether the answer was lost, and asked for again.
  bool after();
  void spring(bool afterwards, bool& lost);
  bool springs(const Trap& trap, bool afterwards) const;
  void wait_for_network(TimeUs until);
  void delay(std::uint64_t which);
};

}  // namespace krigon::simulation
