#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// What the runner and its shim say to each other over one stream socket.
///
///   runner → shim: u64 length, ShimPlan; then single bytes: 'T' stop, 'K' kill. End of file: the
///                  runner is gone.
///   shim → runner: ShimMessage, one `started` or `not_started`, then one `ended`; then end of file.
///                  End of file without `ended`: the shim itself was killed.
///
/// Both ends come from one build on one machine, so integers go in native order; the version guards
/// against a shim left over from another build.
namespace krigon::detail {

inline constexpr std::uint64_t kShimVersion = 0x4b52'4753'0000'0001;
inline constexpr int kShimControlFd = 3;
inline constexpr char kShimStop = 'T';
inline constexpr char kShimKill = 'K';

struct ShimPattern {
  std::string json_name;  ///< the metric, quoted and escaped for JSON
  std::string pattern;    ///< ECMAScript; the first group, or the whole match without one, is the value
  bool from_stderr = false;
  bool is_objective = false;
  bool is_step = false;
};

/// All that the shim needs to run one attempt.
struct ShimPlan {
  std::vector<std::string> argv;
  std::vector<std::string> env;  ///< NAME=value, the whole environment
  std::string folder;            ///< working directory
  std::string stdout_file, stderr_file, report_file;
  std::vector<ShimPattern> patterns;
  std::uint64_t output_limit = 0;       ///< bytes kept of each stream
  std::uint64_t grace_ms = 0;           ///< from SIGTERM to SIGKILL
  std::uint64_t orphan_grace_ms = 0;    ///< the same where the runner is gone
  std::uint64_t leftover_grace_ms = 0;  ///< the same for what the program leaves behind
  std::vector<std::uint64_t> cpus;      ///< affinity; empty: as inherited
  std::string cgroup;                   ///< a cgroup folder to run in; empty: none
  bool cgroup_v2 = false;
};

enum class ShimWord : std::uint32_t { started = 1, not_started = 2, ended = 3 };

/// Where starting failed.
enum class ShimStage : std::uint32_t { none = 0, plan, pattern, output, fork, folder, exec };

struct ShimMessage {
  ShimWord word = ShimWord::started;
  ShimStage stage = ShimStage::none;  ///< not_started
  std::int32_t error = 0;             ///< not_started: errno
  std::int32_t wait_status = 0;       ///< ended: as wait(2) gives it
  std::int32_t pid = 0;               ///< started
  std::uint8_t signalled = 0;         ///< ended: the shim had sent a signal before the program ended
  std::uint8_t cgroup_failed = 0;     ///< started: not in the cgroup
  std::uint8_t affinity_failed = 0;   ///< started: not pinned
  std::uint8_t unused = 0;
  std::int32_t write_error = 0;  ///< ended: errno of a failed write of output, 0: none
  std::int32_t leftover = 0;     ///< ended: 1 when processes withstood SIGKILL
  std::int64_t oom_kills = 0;    ///< ended: in the cgroup; without one, on the whole machine meanwhile
  std::int64_t peak_memory = 0;  ///< ended: bytes, of the largest process
  std::int64_t cpu_us = 0;       ///< ended
  std::int64_t dropped_stdout = 0, dropped_stderr = 0;  ///< ended: bytes beyond the limit
};

class PlanWriter {
 public:
  void number(std::uint64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view value) {
    number(value.size());
    bytes_.append(value);
  }
  void texts(const std::vector<std::string>& values) {
    number(values.size());
    for (const auto& value : values) text(value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class PlanReader {
 public:
  explicit PlanReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    if (bytes_.size() < sizeof value) {
      good_ = false;
      return 0;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  std::string text() {
    const std::uint64_t size = number();
    if (size > bytes_.size()) {
      good_ = false;
      return {};
    }
    std::string value(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return value;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> values;
    for (std::uint64_t n = number(); n > 0 && good_; --n) values.push_back(text());
    return values;
  }
  bool good() const { return good_; }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

inline std::string encode(const ShimPlan& plan) {
  PlanWriter w;
  w.number(kShimVersion);
  w.texts(plan.argv);
  w.texts(plan.env);
  for (const auto* text : {&plan.folder, &plan.stdout_file, &plan.stderr_file, &plan.report_file})
    w.text(*text);
  w.number(plan.patterns.size());
  for (const auto& p : plan.patterns) {
    w.text(p.json_name);
    w.text(p.pattern);
    w.number((p.from_stderr ? 1u : 0u) | (p.is_objective ? 2u : 0u) | (p.is_step ? 4u : 0u));
  }
  w.number(plan.output_limit);
  w.number(plan.grace_ms);
  w.number(plan.orphan_grace_ms);
  w.number(plan.leftover_grace_ms);
  w.number(plan.cpus.size());
  for (const std::uint64_t cpu : plan.cpus) w.number(cpu);
  w.text(plan.cgroup);
  w.number(plan.cgroup_v2 ? 1 : 0);
  return w.bytes();
}

/// False when `bytes` is not a plan of this version.
inline bool decode(std::string_view bytes, ShimPlan& plan) {
  PlanReader r(bytes);
  if (r.number() != kShimVersion) return false;
  plan.argv = r.texts();
  plan.env = r.texts();
  for (auto* text : {&plan.folder, &plan.stdout_file, &plan.stderr_file, &plan.report_file}) *text = r.text();
  for (std::uint64_t n = r.number(); n > 0 && r.good(); --n) {
    ShimPattern p;
    p.json_name = r.text();
    p.pattern = r.text();
    const std::uint64_t flags = r.number();
    p.from_stderr = (flags & 1u) != 0;
    p.is_objective = (flags & 2u) != 0;
    p.is_step = (flags & 4u) != 0;
    plan.patterns.push_back(p);
  }
  plan.output_limit = r.number();
  plan.grace_ms = r.number();
  plan.orphan_grace_ms = r.number();
  plan.leftover_grace_ms = r.number();
  for (std::uint64_t n = r.number(); n > 0 && r.good(); --n) plan.cpus.push_back(r.number());
  plan.cgroup = r.text();
  plan.cgroup_v2 = r.number() != 0;
  return r.good() && r.at_end() && !plan.argv.empty();
}

}  // namespace krigon::detail
