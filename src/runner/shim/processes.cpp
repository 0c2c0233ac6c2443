#include "runner/shim/processes.hpp"

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "runner/unique_fd.hpp"

namespace krigon::detail {

namespace {

bool read_file(const std::string& path, std::string& text) {
  text.clear();
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::read(fd.get(), buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<std::size_t>(n));
  return n == 0;
}

template <class Visit>
void each_number_in(const std::string& folder, Visit visit) {
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir)) {
    char* end = nullptr;
    const long number = std::strtol(entry->d_name, &end, 10);
    if (number > 0 && *end == '\0') visit(static_cast<pid_t>(number));
  }
  ::closedir(dir);
}

template <class Visit>
void children_of(pid_t pid, Visit visit) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  std::string text;
  each_number_in(tasks, [&](pid_t task) {
    if (!read_file(tasks + '/' + std::to_string(task) + "/children", text)) return;
    const char* at = text.c_str();
    char* end = nullptr;
    for (long child = std::strtol(at, &end, 10); end != at; child = std::strtol(at, &end, 10)) {
      visit(static_cast<pid_t>(child));
      at = end;
    }
  });
}

bool kernel_lists_children() {
  static const bool there = [] {
    const std::string self = std::to_string(::getpid());
    return ::access(("/proc/" + self + "/task/" + self + "/children").c_str(), R_OK) == 0;
  }();
  return there;
}

std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> result;
  std::string text;
  each_number_in("/proc", [&](pid_t pid) {
    if (!read_file("/proc/" + std::to_string(pid) + "/stat", text)) return;
    const std::size_t name_end = text.rfind(')');  // the name may hold anything, ')' included
    if (name_end == std::string::npos || name_end + 4 >= text.size()) return;
    result.emplace(static_cast<pid_t>(std::strtol(text.c_str() + name_end + 4, nullptr, 10)), pid);
  });
  return result;
}

void kill_one(pid_t pid) {
  const pid_t group = ::getpgid(pid);
  if (group > 1 && group != ::getpgrp()) ::kill(-group, SIGKILL);
  ::kill(pid, SIGKILL);
}

}  // namespace

std::vector<pid_t> descendants() {
  std::vector<pid_t> found;
  const auto add = [&](pid_t pid) { found.push_back(pid); };
  if (kernel_lists_children()) {
    children_of(::getpid(), add);
    for (std::size_t i = 0; i < found.size(); ++i) children_of(found[i], add);
    return found;
  }
  const auto children = children_by_parent();
  const auto add_all = [&](pid_t parent) {
    const auto [first, last] = children.equal_range(parent);
    for (auto it = first; it != last; ++it) add(it->second);
  };
  add_all(::getpid());
  for (std::size_t i = 0; i < found.size(); ++i) add_all(found[i]);
  return found;
}

void signal_descendants(int signal) {
  for (const pid_t pid : descendants()) ::kill(pid, signal);
}

void kill_descendants() {
  if (!kernel_lists_children()) {
    for (const pid_t pid : descendants()) kill_one(pid);
    return;
  }
  // Killed as they are found: a walk to the end would give those who fork time to do so.
  std::vector<pid_t> found;
  const auto kill_and_keep = [&](pid_t pid) {
    found.push_back(pid);
    kill_one(pid);
  };
  children_of(::getpid(), kill_and_keep);
  for (std::size_t i = 0; i < found.size(); ++i) children_of(found[i], kill_and_keep);
}

}  // namespace krigon::detail
