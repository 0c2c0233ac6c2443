#include "crowd.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

namespace krigon::bench {

namespace {

using Steady = std::chrono::steady_clock;

double microseconds_since(Steady::time_point start) {
  return std::chrono::duration<double, std::micro>(Steady::now() - start).count();
}

}  // namespace

double microseconds(const std::function<void()>& body) {
  const auto start = Steady::now();
  body();
  return microseconds_since(start);
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

namespace {
constexpr int kDimensions = 10;
}  // namespace

StudySpec spec(const std::string& name) {
  StudySpec s;
  s.name = name;
  s.objectives = {{"loss", Direction::minimize}};
  std::vector<Parameter> parameters;
  for (int i = 0; i < kDimensions; ++i) {
    parameters.push_back({fmt::format("parameter_{}", i), RealDomain{0, 1, Scale::linear, {}}, {}});
  }
  s.space = Space(parameters);
  return s;
}

namespace {

/// Each trial so far made so many events.
CreateTrial ask(int i, int events) {
  CreateTrial create;
  // Evenly spread in all dimensions: the additive recurrence of the root of x^11 = x + 1.
  double step = 1;
  for (int d = 0; d < kDimensions; ++d) {
    step /= 1.0682972;
    create.parameters[fmt::format("parameter_{}", d)] = std::fmod(0.5 + (i + 1) * step, 1.0);
  }
  create.worker = "client";
  create.proposal.sampler = "gp";
  create.proposal.saw_sequence = events * i;
  create.proposal.model = {{"lengthscales", std::vector<double>(kDimensions, 1.0 / 3)}, {"noise", 1e-4 / 3}};
  return create;
}

}  // namespace

void cycle(Storage& storage, std::int64_t study, int i, bool reports) {
  const auto asked = storage.apply(study, ask(i, reports ? 3 : 2));
  double loss = 0;
  for (const auto& [name, value] : asked.trial->parameters) {
    const double far = std::get<double>(value) - 0.3;
    loss += far * far;
  }
  if (reports) {
    storage.apply(study, ReportStep{asked.trial->number, asked.attempt->fence, 1, {{"loss", 2 * loss}}});
  }
  storage.apply(study, CompleteTrial{asked.trial->number, asked.attempt->fence, {{"loss", loss}}, 0});
}

Crowd crowd(int processes, double seconds, const std::function<std::function<void(int)>(int)>& open) {
  std::vector<std::pair<pid_t, int>> children;
  // All begin when all have opened: a byte from each says that it has, and the end of `go` that they may.
  int ready[2], go[2];
  if (pipe(ready) != 0 || pipe(go) != 0) throw std::runtime_error("pipe");
  for (int p = 0; p < processes; ++p) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    const pid_t child = fork();
    if (child == 0) {
      close(go[1]);
      int status = 0;
      std::vector<double> times;
      bool told = false;
      const auto tell = [&] {
        char byte = 0;
        if (!std::exchange(told, true) && (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 0)) {
          _exit(2);
        }
      };
      try {
        const auto work = open(p);
        tell();
        const auto begin = Steady::now();
        for (int i = p * 1000; microseconds_since(begin) < seconds * 1e6; ++i) {
          times.push_back(microseconds([&] { work(i); }));
        }
      } catch (const std::exception& e) {
        fmt::print(stderr, "{}\n", e.what());
        status = 1;
      }
      tell();
      const char* at = reinterpret_cast<const char*>(times.data());
      for (std::size_t left = times.size() * sizeof(double); left > 0;) {
        const auto written = write(ends[1], at, left);
        if (written <= 0) _exit(2);
        at += written;
        left -= static_cast<std::size_t>(written);
      }
      _exit(status);
    }
    close(ends[1]);
    children.emplace_back(child, ends[0]);
  }
  close(go[0]);
  for (int p = 0; p < processes; ++p) {
    char byte = 0;
    if (read(ready[0], &byte, 1) != 1) throw std::runtime_error("a process ended before it began");
  }
  const auto start = Steady::now();
  close(go[1]);
  close(ready[0]);
  close(ready[1]);
  Crowd result;
  std::vector<double> all;
  for (const auto& [child, end] : children) {
    std::vector<char> bytes;
    char block[4096];
    for (ssize_t got; (got = read(end, block, sizeof block)) > 0;)
      bytes.insert(bytes.end(), block, block + got);
    close(end);
    int status = 0;
    waitpid(child, &status, 0);
    result.failed += status != 0;
    const auto count = bytes.size() / sizeof(double);
    const auto before = all.size();
    all.resize(before + count);
    if (count > 0) std::memcpy(all.data() + before, bytes.data(), count * sizeof(double));
  }
  result.seconds = microseconds_since(start) / 1e6;
  result.cycles = all.size();
  result.p99_ms = quantile(all, 0.99) / 1e3;
  result.worst_ms = quantile(all, 1) / 1e3;
  return result;
}

}  // namespace krigon::bench
