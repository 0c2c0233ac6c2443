#include "runner/resources.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include "krigon/error.hpp"

namespace krigon::detail {

namespace {

/// Enough for any study, small enough to be added to.
constexpr std::int64_t kUnlimited = std::int64_t{1} << 20;

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items;
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string item = list.substr(begin, end - begin);
    std::erase(item, ' ');
    // CUDA ends the list at the first entry that names no device.
    if (item.empty() || item == "-1" || item == "NoDevFiles") break;
    if (std::find(items.begin(), items.end(), item) == items.end()) items.push_back(item);
    begin = end + 1;
  }
  return items;
}

std::int64_t nvidia_devices() {
  std::error_code error;
  std::int64_t count = 0;
  for (std::filesystem::directory_iterator it("/proc/driver/nvidia/gpus", error), end; !error && it != end;
       it.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

std::vector<std::uint64_t> inherited_cpus() {
  for (std::size_t most = 1024; most <= (std::size_t{1} << 20); most *= 4) {
    cpu_set_t* set = CPU_ALLOC(most);
    if (set == nullptr) break;
    const std::size_t size = CPU_ALLOC_SIZE(most);
    std::vector<std::uint64_t> cpus;
    const bool read = ::sched_getaffinity(0, size, set) == 0;
    for (std::size_t cpu = 0; read && cpu < most; ++cpu) {
      if (CPU_ISSET_S(cpu, size, set)) cpus.push_back(cpu);
    }
    CPU_FREE(set);
    if (read) return cpus;
  }
  return {};
}

std::optional<VisibleGpus> inherited_gpus() {
  for (const char* variable : {"CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"}) {
    if (const char* list = std::getenv(variable)) return VisibleGpus{variable, list};
  }
  return std::nullopt;
}

ResourcePool::ResourcePool(const ResourceSpec& spec, const std::optional<VisibleGpus>& visible,
                           std::vector<std::uint64_t> cpus, std::int64_t devices)
    : gpus_per_trial_(spec.gpus_per_trial), cpus_per_trial_(spec.cpus_per_trial) {
  if (gpus_per_trial_ < 0 || cpus_per_trial_ < 0) {
    throw UsageError("resources: gpus_per_trial and cpus_per_trial cannot be negative");
  }
  std::vector<std::string> there;
  if (visible) {
    there = split(visible->list);
  } else {
    for (std::int64_t i = 0; i < devices; ++i) there.push_back(std::to_string(i));
  }
  if (spec.gpus.empty()) {
    if (gpus_per_trial_ > 0) gpus_ = there;
  } else {
    for (const int index : spec.gpus) {
      if (visible) {
        if (index < 0 || static_cast<std::size_t>(index) >= there.size()) {
          throw UsageError(fmt::format(
              "resources: gpus: {} is out of range: {} is '{}', {}", index, visible->variable, visible->list,
              there.empty() ? "which names none" : fmt::format("so 0 to {} are allowed", there.size() - 1)));
        }
        gpus_.push_back(there[static_cast<std::size_t>(index)]);
      } else {
        if (index < 0) throw UsageError(fmt::format("resources: gpus: {} is no device number", index));
        gpus_.push_back(std::to_string(index));
      }
    }
    restrict_gpus_ = gpus_per_trial_ == 0;
  }
  if (gpus_per_trial_ > static_cast<std::int64_t>(gpus_.size())) {
    throw EnvironmentError(
        fmt::format("resources: gpus_per_trial is {}, but there {} {} GPU{} to hand out{}", gpus_per_trial_,
                    gpus_.size() == 1 ? "is" : "are", gpus_.size(), gpus_.size() == 1 ? "" : "s",
                    visible ? fmt::format(" ({} is '{}')", visible->variable, visible->list) : ""));
  }
  if (cpus_per_trial_ > static_cast<std::int64_t>(cpus.size())) {
    throw EnvironmentError(
        fmt::format("resources: cpus_per_trial is {}, but this process may use only {} CPU{}",
                    cpus_per_trial_, cpus.size(), cpus.size() == 1 ? "" : "s"));
  }
  for (std::size_t i = 0; i < gpus_.size(); ++i) free_gpus_.insert(i);
  free_cpus_.insert(cpus.begin(), cpus.end());
}

ResourcePool ResourcePool::inherited(const ResourceSpec& spec) {
  return {spec, inherited_gpus(), inherited_cpus(), nvidia_devices()};
}

std::int64_t ResourcePool::capacity() const {
  std::int64_t most = kUnlimited;
  if (gpus_per_trial_ > 0)
    most = std::min(most, static_cast<std::int64_t>(free_gpus_.size()) / gpus_per_trial_);
  if (cpus_per_trial_ > 0)
    most = std::min(most, static_cast<std::int64_t>(free_cpus_.size()) / cpus_per_trial_);
  return most;
}

Share ResourcePool::take() {
  Share share;
  for (std::int64_t i = 0; i < gpus_per_trial_; ++i) {
    share.gpus.push_back(gpus_[*free_gpus_.begin()]);
    free_gpus_.erase(free_gpus_.begin());
  }
  for (std::int64_t i = 0; i < cpus_per_trial_; ++i) {
    share.cpus.push_back(*free_cpus_.begin());
    free_cpus_.erase(free_cpus_.begin());
  }
  return share;
}

void ResourcePool::give_back(const Share& share) {
  for (const auto& gpu : share.gpus) {
    for (std::size_t i = 0; i < gpus_.size(); ++i) {
      if (gpus_[i] == gpu && free_gpus_.insert(i).second) break;
    }
  }
  free_cpus_.insert(share.cpus.begin(), share.cpus.end());
}

std::optional<std::string> ResourcePool::visible_devices(const Share& share) const {
  if (gpus_per_trial_ > 0) return fmt::format("{}", fmt::join(share.gpus, ","));
  if (restrict_gpus_) return fmt::format("{}", fmt::join(gpus_, ","));
  return std::nullopt;
}

nlohmann::json ResourcePool::to_json(const Share& share) {
  auto gpus = nlohmann::json::array();
  for (const auto& gpu : share.gpus) {
    const bool number = gpu.size() < 9 && gpu.find_first_not_of("0123456789") == std::string::npos;
    if (number) {
      gpus.push_back(std::stoll(gpu));
    } else {
      gpus.push_back(gpu);
    }
  }
  return {{"gpus", gpus}, {"cpus", share.cpus}};
}

}  // namespace krigon::detail
