#include "runner/memory_cgroup.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "krigon/error.hpp"
#include "runner/unique_fd.hpp"

namespace krigon::detail {

namespace fs = std::filesystem;

namespace {

/// The cgroup that a manager moves itself into, because in version 2 a group with processes of its
/// own cannot hand memory control down.
constexpr const char* kManagerGroup = "krigon-manager";

std::string read_text(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// 0 or errno. Control files tell of errors by write(2) alone, so no stream.
int write_text(const fs::path& path, const std::string& text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno;
  return ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : errno;
}

bool has_word(const std::string& list, const std::string& word, char separator) {
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, separator);) {
    while (!item.empty() && (item.back() == '\n' || item.back() == ' ')) item.pop_back();
    if (item == word) return true;
  }
  return false;
}

struct Mount {
  std::string root, point, type, options;
};

/// proc(5): 36 35 98:0 ROOT POINT OPTIONS [FIELDS...] - TYPE SOURCE SUPER_OPTIONS
std::vector<Mount> parse_mounts(const std::string& mountinfo) {
  std::vector<Mount> mounts;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    Mount mount;
    std::string skip;
    fields >> skip >> skip >> skip >> mount.root >> mount.point;
    while (fields >> skip && skip != "-") {
    }
    if (fields >> mount.type >> skip >> mount.options) mounts.push_back(mount);
  }
  return mounts;
}

/// The folder of cgroup `path` under a mount that shows the hierarchy from `mount.root` on.
std::optional<fs::path> folder_of(const Mount& mount, const std::string& path, const fs::path& root) {
  std::string rest = path;
  if (mount.root != "/") {
    if (rest.compare(0, mount.root.size(), mount.root) != 0) return std::nullopt;
    rest = rest.substr(mount.root.size());
  }
  return (root / fs::path(mount.point).relative_path() / fs::path(rest).relative_path()).lexically_normal();
}

std::string parent_control_missing(const fs::path& folder) {
  return fmt::format(
      "the memory controller is not handed down to {}; start under a delegated group, such as "
      "'systemd-run --user --scope -p Delegate=yes'",
      folder.string());
}

/// Version 2: makes `folder` hand memory control to its children. Empty, or why not.
std::string hand_down(const fs::path& folder) {
  const fs::path subtree = folder / "cgroup.subtree_control";
  if (has_word(read_text(subtree), "memory", ' ')) return {};
  if (write_text(subtree, "+memory") == 0) return {};
  const std::string self = std::to_string(::getpid());
  if (read_text(folder / "cgroup.procs") != self + '\n') return parent_control_missing(folder);
  std::error_code error;
  fs::create_directory(folder / kManagerGroup, error);
  if (write_text(folder / kManagerGroup / "cgroup.procs", self) != 0 || write_text(subtree, "+memory") != 0) {
    return parent_control_missing(folder);
  }
  return {};
}

}  // namespace

MemoryControl find_memory_control(const std::string& mountinfo, const std::string& cgroups,
                                  const fs::path& root) {
  std::optional<std::string> v1_path, v2_path;
  std::istringstream lines(cgroups);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) v2_path = line.substr(second + 1);
    if (has_word(controllers, "memory", ',')) v1_path = line.substr(second + 1);
  }
  for (const auto& mount : parse_mounts(mountinfo)) {
    if (mount.type == "cgroup" && v1_path && has_word(mount.options, "memory", ',')) {
      if (const auto folder = folder_of(mount, *v1_path, root)) return {MemoryControl::Kind::v1, *folder, {}};
    }
  }
  for (const auto& mount : parse_mounts(mountinfo)) {
    if (mount.type != "cgroup2" || !v2_path) continue;
    auto folder = folder_of(mount, *v2_path, root);
    if (!folder) continue;
    if (folder->filename() == kManagerGroup) folder = folder->parent_path();
    if (has_word(read_text(*folder / "cgroup.controllers"), "memory", ' ')) {
      return {MemoryControl::Kind::v2, *folder, {}};
    }
    return {MemoryControl::Kind::none, {}, parent_control_missing(*folder)};
  }
  return {MemoryControl::Kind::none, {}, "no cgroup hierarchy with a memory controller is mounted"};
}

MemoryControl detect_memory_control() {
  MemoryControl control =
      find_memory_control(read_text("/proc/self/mountinfo"), read_text("/proc/self/cgroup"));
  if (control.kind == MemoryControl::Kind::none) return control;
  if (control.kind == MemoryControl::Kind::v2) {
    if (std::string why = hand_down(control.folder); !why.empty()) {
      return {MemoryControl::Kind::none, {}, std::move(why)};
    }
  }
  try {
    const auto probe =
        make_memory_cgroup(control, fmt::format("krigon-probe-{}", ::getpid()), std::uint64_t{1} << 30);
    ::rmdir(probe.c_str());
  } catch (const EnvironmentError& e) {
    return {MemoryControl::Kind::none, {}, e.what()};
  }
  return control;
}

fs::path make_memory_cgroup(const MemoryControl& control, const std::string& name, std::uint64_t bytes) {
  const fs::path folder = control.folder / name;
  std::error_code error;
  fs::create_directory(folder, error);
  if (error) {
    throw EnvironmentError(fmt::format("cannot make the cgroup {}: {}", folder.string(), error.message()));
  }
  const bool v1 = control.kind == MemoryControl::Kind::v1;
  const fs::path limit = folder / (v1 ? "memory.limit_in_bytes" : "memory.max");
  if (const int failed = write_text(limit, std::to_string(bytes)); failed != 0) {
    ::rmdir(folder.c_str());
    throw EnvironmentError(
        fmt::format("cannot limit memory by {}: {}", limit.string(), std::strerror(failed)));
  }
  // Absent where the kernel does not account swap; then there is nothing to limit.
  if (v1) {
    write_text(folder / "memory.memsw.limit_in_bytes", std::to_string(bytes));
  } else {
    write_text(folder / "memory.swap.max", "0");
    write_text(folder / "memory.oom.group", "1");
  }
  return folder;
}

}  // namespace krigon::detail
