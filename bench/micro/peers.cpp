// A whole fit against BoTorch's: the same data, kernel, priors and threads, by turns within one run.
//
//   krigon-bench-peers [--quick]
//
// Needs `scripts/setup --peers`. Both objectives are Krigon's log posterior, in nats, evaluated by Krigon.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"
#include "model/likelihood.hpp"

namespace {

using namespace krigon;
using nlohmann::json;

constexpr int kThreads = 2;
constexpr std::size_t kColumns = 10;

/// A Python program that answers each line with a line.
class Peer {
 public:
  explicit Peer(const std::string& script) {
    const std::string python = KRIGON_SOURCE_DIR "/build/peers/bin/python";
    if (::access(python.c_str(), X_OK) != 0) {
      throw UsageError("there is no " + python + ": run scripts/setup --peers");
    }
    std::array<int, 2> in{}, out{};
    if (::pipe(in.data()) != 0 || ::pipe(out.data()) != 0) throw UsageError("no pipe to the peer");
    child_ = ::fork();
    if (child_ < 0) throw UsageError("no process for the peer");
    if (child_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      const std::string threads = std::to_string(kThreads);
      ::execl(python.c_str(), python.c_str(), script.c_str(), threads.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    std::fclose(to_);
    std::fclose(from_);
    ::waitpid(child_, nullptr, 0);
  }

  json ask(const std::string& line) {
    fmt::print(to_, "{}\n", line);
    std::fflush(to_);
    std::string answer;
    for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
      if (c == EOF) throw UsageError("the peer ended without an answer; its words are above");
      answer += static_cast<char>(c);
    }
    return json::parse(answer);
  }

 private:
  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

GpData sample_data(std::size_t n) {
  Random random(1, n, Purpose::candidates);
  GpData data;
  data.n = n;
  for (std::size_t k = 0; k < kColumns; ++k) data.groups.push_back(static_cast<std::int32_t>(k));
  for (std::size_t i = 0; i < n; ++i) {
    double y = 0.05 * random.normal();
    for (std::size_t k = 0; k < kColumns; ++k) {
      const double x = random.uniform();
      data.columns.push_back(x);
      y += std::sin(3 * x + static_cast<double>(k)) / static_cast<double>(1 + k);
    }
    data.y.push_back(y);
  }
  return data;
}

json written(const LogNormalPrior& prior) {
  return {
      {"location", prior.location}, {"scale", prior.scale}, {"lower", prior.lower}, {"upper", prior.upper}};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void row(Backend& backend, Peer& peer, std::size_t n, int repeats) {
  const GpData data = sample_data(n);
  const Priors priors = Priors::for_groups(kColumns);
  const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::standardise);
  std::vector<double> z;
  for (const double y : data.y) z.push_back(transform.forward(y));
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("krigon-peers-{}-{}.json", ::getpid(), n))
          .string();
  std::ofstream(path) << json{{"n", n},
                              {"d", kColumns},
                              {"columns", data.columns},
                              {"z", z},
                              {"priors",
                               {{"lengthscale", written(priors.lengthscale)},
                                {"signal_variance", written(priors.signal_variance)},
                                {"noise_variance", written(priors.noise_variance)},
                                {"mean_scale", priors.mean_scale}}}};
  FitOptions options;
  options.output = OutputScaling::standardise;
  std::vector<double> ours, theirs;
  FitResult result;
  json answer;
  for (int i = 0; i < repeats; ++i) {
    answer = peer.ask(path);
    theirs.push_back(1e3 * answer["seconds"].get<double>());
    const auto start = std::chrono::steady_clock::now();
    result = fit(backend, data, options);
    ours.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::filesystem::remove(path);
  detail::NegativeLogPosterior objective(backend, data, z, {}, priors);
  std::vector<double> value(1), gradient(objective.dimension());
  objective(answer["theta"].get<std::vector<double>>(), value, gradient);
  fmt::print("{:>6} {:>12.2f} {:>12.2f} {:>9.1f} {:>14.4f} {:>14.4f} {:>8} {:>8}\n", n, median(ours),
             median(theirs), median(theirs) / median(ours), result.log_posterior, -value[0],
             result.evaluations, answer["evaluations"].get<int>());
  std::fflush(stdout);
}

void run(bool quick) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that dies is an answer that does not come
  const auto backend = make_cpu_backend({.threads = kThreads, .simd = {}});
  Peer peer(KRIGON_SOURCE_DIR "/bench/peers/fit.py");
  fmt::print("a whole fit, {} columns, {} threads, against BoTorch's fit_gpytorch_mll; medians\n", kColumns,
             kThreads);
  fmt::print("{:>6} {:>12} {:>12} {:>9} {:>14} {:>14} {:>8} {:>8}\n", "n", "ours, ms", "theirs, ms",
             "faster by", "our objective", "their objective", "our ev.", "theirs");
  row(*backend, peer, 50, quick ? 1 : 7);
  row(*backend, peer, 200, quick ? 1 : 7);
  row(*backend, peer, 500, quick ? 1 : 5);
  if (quick) return;
  row(*backend, peer, 2000, 3);
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc == 2 && std::strcmp(argv[1], "--quick") == 0;
  if (argc > 1 && !quick) {
    fmt::print(stderr, "usage: krigon-bench-peers [--quick]\n");
    return 2;
  }
  try {
    run(quick);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "krigon-bench-peers: {}\n", error.what());
    return 1;
  }
}
