#include "peer.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.hpp"
#include "krigon/error.hpp"

namespace krigon::bench {

using nlohmann::json;

Peer::Peer(const std::string& script) {
  const std::string python = KRIGON_SOURCE_DIR "/build/peers/bin/python";
  const std::string path = KRIGON_SOURCE_DIR "/bench/peers/" + script;
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
    ::execl(python.c_str(), python.c_str(), path.c_str(), threads.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  to_ = ::fdopen(in[1], "w");
  from_ = ::fdopen(out[0], "r");
}

Peer::~Peer() {
  std::fclose(to_);
  std::fclose(from_);
  ::waitpid(child_, nullptr, 0);
}

json Peer::ask(const json& task) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("krigon-peers-{}.json", ::getpid());
  std::ofstream(path) << task;
  fmt::print(to_, "{}\n", path.string());
  std::fflush(to_);
  std::string answer;
  for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
    if (c == EOF) throw UsageError("the peer ended without an answer; its words are above");
    answer += static_cast<char>(c);
  }
  std::filesystem::remove(path);
  // The peer's threads spin for a while after its answer, on the processors that ours is timed on next. Not
  // asleep: theirs was not either, it has just read the task.
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  while (std::chrono::steady_clock::now() < end) {
  }
  return json::parse(answer);
}

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

std::vector<double> standardised(const GpData& data) {
  const OutputTransform transform = OutputTransform::of(data.y, OutputScaling::standardise);
  std::vector<double> z;
  for (const double y : data.y) z.push_back(transform.forward(y));
  return z;
}

json written(const Priors& priors) {
  const auto one = [](const LogNormalPrior& prior) {
    return json{
        {"location", prior.location}, {"scale", prior.scale}, {"lower", prior.lower}, {"upper", prior.upper}};
  };
  return {{"lengthscale", one(priors.lengthscale)},
          {"signal_variance", one(priors.signal_variance)},
          {"noise_variance", one(priors.noise_variance)},
          {"mean_scale", priors.mean_scale}};
}

}  // namespace krigon::bench
