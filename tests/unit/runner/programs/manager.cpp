// Runs trials until it is killed. Usage: manager SHIM FOLDER TRIALS PROGRAM [ARGUMENT...]
#include <chrono>
#include <cstdlib>

#include "runner/runner.hpp"

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  krigon::RunnerOptions options;
  options.shim = argv[1];
  options.study_folder = argv[2];
  options.trials_folder = std::filesystem::path(argv[2]) / "trials";
  options.spec.objectives = {{"x", krigon::Direction::minimize}};
  options.spec.trial.command.assign(argv + 4, argv + argc);
  options.spec.trial.grace = std::chrono::milliseconds(300);
  krigon::Runner runner(options);
  for (int trial = 0; trial < std::atoi(argv[3]); ++trial) runner.start({.trial = trial});
  for (;;) runner.poll(std::chrono::milliseconds(1000));
}
