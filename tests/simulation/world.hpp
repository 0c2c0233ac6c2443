#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "manager/manager.hpp"
#include "simulation/plan.hpp"
#include "simulation/processes.hpp"
#include "simulation/protections.hpp"
#include "simulation/watch.hpp"
#include "worker/run_loop.hpp"

namespace krigon::simulation {

/// Unwinds a worker that was killed in the middle of a command.
struct Killed {};

/// A worker's way to the store, with what happens on it.
struct Connection;

/// What a history came to.
struct Chronicle {
  std::optional<Violation> violation;
  std::uint64_t digest = 0;
  std::int64_t workers = 0, trials = 0, commands = 0, events = 0, steps = 0;
  std::int64_t leases_lost = 0, stale = 0, refused = 0;  ///< commands that were refused, and why
  std::int64_t cut_off = 0;                              ///< workers that gave up on the store
  std::int64_t pauses = 0, clones = 0;
  std::array<std::int64_t, kFaultKinds> faults{};
  double end_took = 0;                ///< seconds from the last fault to the end
  double seconds = 0;                 ///< of the world's time
  std::vector<std::string> happened;  ///< the faults as they came, with whom they hit
};

struct Options {
  Protection without = Protection::none;
  std::ostream* trace = nullptr;
};

/// Runs the history that a plan decides: production managers and worker loops over the production store in
/// memory, in a world in which time, processes and the ways to the store are not real. One thread; what is
/// due first comes first, and at the same time what was set first.
///
/// A worker that is held up in the middle of a command stays on the stack, while what else is due goes on
/// above it. So commands of different workers interleave anywhere, at the price that of two that are held up
/// at once the later one has to come back first.
Chronicle run_history(const Plan& plan, const Options& options = {});

class World {
 public:
  World(const Plan& plan, const Options& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Chronicle run();

  // For the ways to the store.
  const Plan& plan() const { return plan_; }
  const TimeUs& now() const { return now_; }
  /// Lets `until` come, with a worker in the middle of something. Throws Killed when it was killed meanwhile.
  void hold_up(Connection& who, TimeUs until);
  int depth() const { return depth_; }

 private:
  struct Worker;
  struct StoreClock final : Clock {
    explicit StoreClock(const TimeUs& true_time) : time(true_time) {}
    TimeUs now() const override { return time + offset; }
    const TimeUs& time;
    TimeUs offset = 0;
  };
  struct Due {
    TimeUs at;
    std::uint64_t order;
    std::int64_t worker;  ///< -1: `then`
    std::uint64_t turn;   ///< a worker's; an older one is void
    std::function<void()> then;
    bool operator<(const Due& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  void run_until(TimeUs until);
  void at(TimeUs when, std::function<void()> then);
  void wake_at(Worker& worker, TimeUs when);
  void wake(Worker& worker);
  bool turn(Worker& worker);
  void bury(Worker& worker);
  void kill(Worker& worker);

  void join(const std::string& host, int process);
  std::unique_ptr<StudyManager> manager(const std::shared_ptr<Storage>& storage,
                                        std::function<void()> fitting);
  void look_after();
  bool over() const;
  std::int64_t living() const;
  Worker* hit(const Fault& fault);
  void comes(const Fault& fault);
  void carry_out(const Fault& fault);
  void hit_worker(const Fault& fault, Worker& worker);
  void person(const Fault& fault);
  void ask(const Fault& fault);
  void tell(std::int64_t trial, std::int64_t fence, double value);

  Plan plan_;
  Options options_;
  TimeUs now_ = 1'000'000 * kSecond;
  TimeUs began_ = now_;
  StoreClock clock_{now_};
  std::shared_ptr<Watch> watch_;
  std::int64_t study_ = 0;
  std::priority_queue<Due> due_;
  std::uint64_t order_ = 0;
  int depth_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t next_fault_ = 0;
  std::vector<Fault> amid_proposal_;  ///< wait for the next one
  std::int64_t pending_ = 0;          ///< trials that people hold
  TimeUs last_fault_ = 0;
  int persons_ = 0;
  Chronicle chronicle_;
};

}  // namespace krigon::simulation
