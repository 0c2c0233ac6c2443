#pragma once

#include <memory>
#include <string>

#include "simulation/connection.hpp"

namespace krigon::simulation {

/// A process that runs trials, on a machine with a clock of its own.
struct World::Worker {
  std::int64_t index = 0;
  std::string host;
  std::int64_t slots = 1;
  double rate = 1, offset = 0;  ///< of its clock
  bool alive = true;
  bool busy = false;  ///< somewhere on the stack
  int interrupts = 0;
  TimeUs fit_takes = 0;    ///< its next proposal, longer than usual
  std::uint64_t turn = 0;  ///< the one that counts
  RunObserver observer;
  RunOptions options;
  std::shared_ptr<Connection> connection;
  std::unique_ptr<Processes> processes;
  std::unique_ptr<StudyManager> manager;
  std::unique_ptr<WorkerLoop> loop;

  double seconds(TimeUs now) const { return offset + rate * static_cast<double>(now) / kSecond; }
};

}  // namespace krigon::simulation
