#pragma once

#include <sys/types.h>

#include "runner/shim_protocol.hpp"
#include "runner/unique_fd.hpp"

namespace krigon::detail {

/// The program, started, or why not.
struct Launched {
  pid_t pid = -1;
  UniqueFd out, err;  ///< what it prints, non-blocking
  ShimStage stage = ShimStage::none;
  int error = 0;
  bool cgroup_failed = false;
  bool affinity_failed = false;
};

/// Forks and executes: stdin from /dev/null, default signals, no core file, own process group,
/// dying with this process. An exec that fails is told apart from a program that exits with 127.
Launched launch(const ShimPlan& plan);

}  // namespace krigon::detail
