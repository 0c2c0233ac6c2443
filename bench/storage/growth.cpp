// What it costs that a study is large: the same figures from a thousand trials to a million.

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.hpp"

namespace krigon::bench {

namespace {

namespace fs = std::filesystem;

/// A program that is spoken to line by line.
class Program {
 public:
  explicit Program(const std::vector<std::string>& command) {
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) throw std::runtime_error("pipe");
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
      std::vector<char*> words;
      for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
      words.push_back(nullptr);
      execv(words[0], words.data());
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    in_ = fdopen(to[1], "w");
    out_ = fdopen(from[0], "r");
  }
  ~Program() {
    if (child_ > 0) end();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string answer(const std::string& line) {
    fmt::print(in_, "{}\n", line);
    std::fflush(in_);
    return next();
  }
  /// A line of its output, empty after the last.
  std::string next() {
    std::string line;
    for (int c; (c = std::getc(out_)) != EOF && c != '\n';) line += static_cast<char>(c);
    return line;
  }
  /// Its largest resident memory, in bytes. Throws where it failed.
  double end() {
    std::fclose(std::exchange(in_, nullptr));
    while (std::getc(out_) != EOF) {
    }
    std::fclose(std::exchange(out_, nullptr));
    int status = 0;
    rusage usage{};
    wait4(std::exchange(child_, -1), &status, 0, &usage);
    if (status != 0) throw std::runtime_error(fmt::format("krigon ended with status {}", status));
    return static_cast<double>(usage.ru_maxrss) * 1024;
  }

 private:
  pid_t child_ = -1;
  std::FILE *in_ = nullptr, *out_ = nullptr;
};

struct Row {
  double megabytes = 0, open_ms = 0, status_ms = 0, best_ms = 0, first_ask_s = 0, cycle_ms = 0;
  double memory_mb = 0, storage_ms = 0;
};

Row measure(const fs::path& path) {
  Row row;
  row.megabytes = static_cast<double>(fs::file_size(path)) / 1e6;
  row.open_ms = microseconds([&] { open_storage(path.string())->find_study("bench").value(); }) / 1e3;
  const auto command = [&](const char* name) {
    return std::vector<std::string>{KRIGON_PROGRAM, name,   "--storage", "sqlite:///" + path.string(),
                                    "--study",      "bench"};
  };
  const auto run = [&](const char* name) {
    std::vector<double> times;
    for (int i = 0; i < 5; ++i) {
      times.push_back(microseconds([&] {
        const auto memory = Program(command(name)).end();
        row.memory_mb = std::max(row.memory_mb, memory / 1e6);
      }));
    }
    return quantile(times, 0.5) / 1e3;
  };
  row.status_ms = run("status");
  row.best_ms = run("best");
  {
    Program session(command("pipe"));
    std::string asked;
    row.first_ask_s = microseconds([&] { asked = session.answer(R"({"op": "ask"})"); }) / 1e6;
    std::vector<double> cycles;
    for (int i = 0; i < 20; ++i) {
      const auto trial = nlohmann::json::parse(asked).at("trial").get<std::int64_t>();
      cycles.push_back(microseconds([&] {
        session.answer(
            fmt::format(R"({{"op": "tell", "trial": {}, "metrics": {{"loss": {}}}}})", trial, 0.5 + i));
        asked = session.answer(R"({"op": "ask"})");
      }));
    }
    row.cycle_ms = quantile(cycles, 0.5) / 1e3;
    row.memory_mb = std::max(row.memory_mb, session.end() / 1e6);
  }
  const auto store = open_storage(path.string());
  const auto study = store->find_study("bench").value().id;
  std::vector<double> cycles;
  for (int i = 0; i < 300; ++i) cycles.push_back(microseconds([&] { cycle(*store, study, i); }));
  row.storage_ms = quantile(cycles, 0.5) / 1e3;
  return row;
}

}  // namespace

void growth(const fs::path& folder, const std::vector<int>& sizes) {
  // Filled where durability costs nothing, then copied to the disk that is measured.
  const fs::path shared = fs::is_directory("/dev/shm") ? "/dev/shm" : folder;
  const auto filled = shared / fmt::format("krigon-bench-{}.db", getpid());
  const auto path = folder / "growth.db";
  auto grows = spec();
  grows.early_stopping.type = "asha";
  grows.early_stopping.max_steps = 9;
  fmt::print("a study with asha grows; medians; memory is the most that a command took\n");
  fmt::print("{:>9} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>9} {:>12}\n", "trials", "file MB", "open ms",
             "status", "best ms", "first ask s", "ask+tell ms", "memory MB", "in storage ms");
  Row row;
  int trials = 0;
  for (const int size : sizes) {
    {
      const auto store = open_storage(filled.string());
      const auto found = store->find_study("bench");
      const auto study = found ? found->id : store->create_study(grows, nullptr).id;
      for (; trials < size; ++trials) cycle(*store, study, trials, true);
    }
    fs::copy_file(filled, path, fs::copy_options::overwrite_existing);
    row = measure(path);
    fmt::print("{:9} {:8.0f} {:8.1f} {:8.1f} {:8.1f} {:11.2f} {:11.1f} {:9.0f} {:13.3f}\n", size,
               row.megabytes, row.open_ms, row.status_ms, row.best_ms, row.first_ask_s, row.cycle_ms,
               row.memory_mb, row.storage_ms);
    for (const char* end : {"", "-wal", "-shm"}) fs::remove(path.string() + end);
  }
  fs::remove(filled);
  const auto bar = [](const char* what, double value, double most) {
    fmt::print("  {:44} {:8.2f}  (bar: {:4})  {}\n", what, value, most,
               value < most ? "reached" : "NOT REACHED");
  };
  fmt::print("with {} trials\n", trials);
  bar("opens, seconds", row.open_ms / 1e3, 1);
  bar("status, milliseconds", row.status_ms, 100);
  bar("best, milliseconds", row.best_ms, 100);
  bar("first ask of the sampler auto, seconds", row.first_ask_s, 3);
  bar("memory, MB", row.memory_mb, 500);
  fmt::print("\n");
}

}  // namespace krigon::bench
