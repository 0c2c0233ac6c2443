#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace krigon::detail {

/// Where memory of a group of processes can be limited on this machine.
struct MemoryControl {
  enum class Kind { none, v1, v2 };
  Kind kind = Kind::none;
  std::filesystem::path folder;  ///< this process's own cgroup; trials' groups are made in it
  std::string why_not;           ///< kind none: for a person
};

/// Finds this process's memory cgroup from /proc/self/mountinfo and /proc/self/cgroup (given as text,
/// with the folder that stands for the root, so that a test can describe another machine). A version 1
/// memory controller wins: on a machine that has both, the unified hierarchy does not control memory.
MemoryControl find_memory_control(const std::string& mountinfo, const std::string& cgroups,
                                  const std::filesystem::path& root = "/");
/// On this machine, tried by making a group and limiting it.
MemoryControl detect_memory_control();

/// A new group under `control` whose processes may use `bytes` of memory together, without swap.
/// Throws EnvironmentError.
std::filesystem::path make_memory_cgroup(const MemoryControl& control, const std::string& name,
                                         std::uint64_t bytes);

}  // namespace krigon::detail
