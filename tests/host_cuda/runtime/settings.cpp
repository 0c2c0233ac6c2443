#include "tests/host_cuda/runtime/settings.hpp"

#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tests/host_cuda/runtime/violation.hpp"

namespace krigon::host_cuda {
namespace {

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (*text == '\0' || *end != '\0') violation(fmt::format("{}='{}' is no whole number", name, text));
  return value;
}

Schedule schedule_from_environment() {
  const char* text = std::getenv("KRIGON_HOST_CUDA_SCHEDULE");
  const std::string_view name = text == nullptr ? "random" : text;
  if (name == "random") return Schedule::kRandom;
  if (name == "eager") return Schedule::kEager;
  if (name == "lazy") return Schedule::kLazy;
  if (name == "others-first") return Schedule::kOthersFirst;
  violation(fmt::format("KRIGON_HOST_CUDA_SCHEDULE='{}'; allowed: random, eager, lazy, others-first", name));
}

}  // namespace

Settings& settings() {
  static Settings from_environment = [] {
    Settings s;
    s.seed = number_from_environment("KRIGON_HOST_CUDA_SEED", s.seed);
    s.schedule = schedule_from_environment();
    s.memory = number_from_environment("KRIGON_HOST_CUDA_MEMORY", s.memory);
    return s;
  }();
  return from_environment;
}

std::mt19937_64& random_source() {
  static std::mt19937_64 source(settings().seed);
  return source;
}

}  // namespace krigon::host_cuda
