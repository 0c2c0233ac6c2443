// What a trial is given: parameters, folders, environment, resources.
#include <cstdlib>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sched.h>

#include "krigon/error.hpp"
#include "runner/resources.hpp"
#include "runner_fixture.hpp"

namespace krigon::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Sets a variable of this process for one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

class RunnerEnvironment : public RunnerTest {
 protected:
  RunnerEnvironment() {
    options_.spec.space = Space({{"learning.rate", RealDomain{1e-5, 1e-1, Scale::log}},
                                 {"layers", IntegerDomain{1, 4}},
                                 {"optimizer", CategoricalDomain{{std::string("sgd"), std::string("adam")}}},
                                 {"momentum", RealDomain{0, 1}, {{"optimizer", {std::string("sgd")}}}}});
  }
  TrialJob job() const {
    TrialJob result;
    result.seed = 99;
    result.parameters = {
        {"learning.rate", 1e-05}, {"layers", std::int64_t{3}}, {"optimizer", std::string("adam")}};
    result.needs_result = false;
    return result;
  }
  /// The trial's environment as it printed it.
  std::map<std::string, std::string> environment() const {
    std::map<std::string, std::string> result;
    std::istringstream in(standard_output());
    for (std::string line; std::getline(in, line);) {
      const std::size_t at = line.find('=');
      if (at != std::string::npos) result[line.substr(0, at)] = line.substr(at + 1);
    }
    return result;
  }
};

TEST_F(RunnerEnvironment, Variables) {
  const Variable stale("KRIGON_PARAM_MOMENTUM", "0.9");
  const Variable store("KRIGON_STORAGE", "postgresql://krigon:secret@host/db");
  const Variable outer("KRIGON_CHECKPOINT_DIR", "/outer");
  options_.spec.early_stopping.max_steps = 27;
  options_.spec.trial.env = {{"MINE", "1"}};
  shell("env");
  ASSERT_EQ(run_one(job()).outcome, Outcome::completed);
  const auto env = environment();
  EXPECT_EQ(env.at("KRIGON_PARAM_LEARNING_RATE"), "1e-05");
  EXPECT_EQ(env.at("KRIGON_PARAM_LAYERS"), "3");
  EXPECT_EQ(env.at("KRIGON_PARAM_OPTIMIZER"), "adam");
  EXPECT_FALSE(env.contains("KRIGON_PARAM_MOMENTUM"));
  EXPECT_FALSE(env.contains("KRIGON_STORAGE"));
  EXPECT_EQ(env.at("KRIGON_SEED"), "99");
  EXPECT_EQ(env.at("KRIGON_TRIAL"), "0");
  EXPECT_EQ(env.at("KRIGON_ATTEMPT"), "1");
  EXPECT_EQ(env.at("KRIGON_MAX_STEPS"), "27");
  EXPECT_EQ(env.at("KRIGON_STUDY"), "test");
  EXPECT_EQ(env.at("KRIGON_STUDY_DIR"), options_.study_folder.string());
  EXPECT_EQ(env.at("KRIGON_TRIAL_DIR"), attempt_folder().string());
  EXPECT_EQ(env.at("PWD"), attempt_folder().string());
  EXPECT_EQ(env.at("MINE"), "1");
  EXPECT_FALSE(env.contains("CUDA_VISIBLE_DEVICES"));
  EXPECT_FALSE(env.contains("KRIGON_CHECKPOINT_DIR"));
  const auto parameters = nlohmann::json::parse(read_file(env.at("KRIGON_PARAMS_FILE")));
  EXPECT_EQ(parameters, (nlohmann::json{{"learning.rate", 1e-05}, {"layers", 3}, {"optimizer", "adam"}}));
}

TEST_F(RunnerEnvironment, NoMaxStepsWhereNoneIsKnown) {
  const Variable stale("KRIGON_MAX_STEPS", "5");
  shell("env");
  ASSERT_EQ(run_one(job()).outcome, Outcome::completed);
  EXPECT_FALSE(environment().contains("KRIGON_MAX_STEPS"));
}

TEST_F(RunnerEnvironment, TemplatesGoAsTheyAreWithoutAShell) {
  options_.spec.trial.command = {"printf", "%s\\n",     "--lr={learning.rate}", "{momentum}",
                                 "{{x}}",  "$HOME; ls", "{trial}-{seed}"};
  ASSERT_EQ(run_one(job()).outcome, Outcome::completed);
  EXPECT_EQ(standard_output(), "--lr=1e-05\n\n{x}\n$HOME; ls\n0-99\n");
}

TEST_F(RunnerEnvironment, RunsInItsFolderWithTheFilesItNames) {
  write_file(options_.study_folder / "train.py",
             "import helper, os\nprint(helper.word, open('data/a.txt').read(), os.getcwd())\n");
  write_file(options_.study_folder / "helper.py", "word = 'helped'\n");
  write_file(options_.study_folder / "data/a.txt", "A");
  options_.spec.inputs = {"data/a.txt"};
  options_.spec.trial.command = {"python3", "train.py"};
  const Ended ended = run_one(job());
  ASSERT_EQ(ended.outcome, Outcome::completed) << ended.reason << '\n' << ended.stderr_tail;
  EXPECT_EQ(standard_output(), "helped A " + attempt_folder().string() + "\n");
  EXPECT_TRUE(fs::is_symlink(attempt_folder() / "train.py"));
}

TEST_F(RunnerEnvironment, RunsInTheStudyFolderWhereToldTo) {
  write_file(options_.study_folder / "data.csv", "here\n");
  options_.spec.trial.own_folder = false;
  options_.spec.trial.command = {"cat", "data.csv"};
  ASSERT_EQ(run_one(job()).outcome, Outcome::completed);
  EXPECT_EQ(standard_output(), "here\n");
}

TEST_F(RunnerEnvironment, CheckpointsLastOverAttemptsButNotOverStudies) {
  options_.spec.trial.checkpoint = true;
  shell("cat $KRIGON_CHECKPOINT_DIR/state; echo $KRIGON_ATTEMPT >> $KRIGON_CHECKPOINT_DIR/state");
  TrialJob attempt = job();
  run_one(attempt);
  attempt.attempt = 2;
  run_one(attempt);
  EXPECT_EQ(read_file(attempt_folder(0, 2) / "stdout.log"), "1\n");
  attempt.attempt = 1;
  EXPECT_EQ(run_one(attempt).outcome, Outcome::completed);
  EXPECT_EQ(standard_output(), "");
  const Runner runner(options_);
  EXPECT_EQ(read_file(runner.checkpoint_folder(0) / "state"), "1\n");
}

TEST_F(RunnerEnvironment, BorrowsCheckpoints) {
  write_file(folder_ / "best/model", "weights");
  options_.spec.trial.checkpoint = true;
  shell("cat $KRIGON_CHECKPOINT_DIR/model");
  TrialJob deploy = job();
  deploy.checkpoint = folder_ / "best";
  EXPECT_EQ(run_one(deploy).outcome, Outcome::completed);
  EXPECT_EQ(standard_output(), "weights");
}

TEST_F(RunnerEnvironment, StartsClean) {
  program({"fds"});
  ASSERT_EQ(run_one(job()).outcome, Outcome::completed);
  EXPECT_EQ(standard_output(), "0 1 2 ");
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  program({"signals"});
  const auto outcome = run_one(job()).outcome;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ASSERT_EQ(outcome, Outcome::completed);
  EXPECT_EQ(standard_output(), "");
}

TEST_F(RunnerEnvironment, NothingToReadAndNoCoreFile) {
  shell("cat; ulimit -c");
  ASSERT_EQ(run_one(job()).outcome, Outcome::completed);
  EXPECT_EQ(standard_output(), "0\n");
}

TEST_F(RunnerEnvironment, CpusAreHandedOutWithinTheInheritedOnes) {
  const auto cpus = detail::inherited_cpus();
  ASSERT_THAT(cpus, Not(IsEmpty()));
  options_.spec.resources.cpus_per_trial = 1;
  shell(
      "grep Cpus_allowed_list /proc/self/status; echo $OMP_NUM_THREADS; touch ready; while [ ! -e go ]; do "
      "sleep 0.02; done");
  Runner runner(options_);
  EXPECT_EQ(runner.capacity(), static_cast<std::int64_t>(cpus.size()));
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    TrialJob next = job();
    next.trial = static_cast<std::int64_t>(i);
    start_ready(runner, next);
    EXPECT_EQ(runner.resources(next.trial),
              (nlohmann::json{{"gpus", nlohmann::json::array()}, {"cpus", {cpus[i]}}}));
  }
  EXPECT_EQ(runner.capacity(), 0);
  TrialJob one_too_many = job();
  one_too_many.trial = 1000;
  EXPECT_THROW(runner.start(one_too_many), UsageError);
  for (std::size_t i = 0; i < cpus.size(); ++i)
    write_file(attempt_folder(static_cast<std::int64_t>(i)) / "go", "");
  finish(runner);
  EXPECT_EQ(runner.capacity(), static_cast<std::int64_t>(cpus.size()));
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    EXPECT_EQ(standard_output(static_cast<std::int64_t>(i)),
              "Cpus_allowed_list:\t" + std::to_string(cpus[i]) + "\n1\n");
  }
  options_.spec.resources.cpus_per_trial = static_cast<std::int64_t>(cpus.size()) + 1;
  EXPECT_THROW(Runner{options_}, EnvironmentError);
}

TEST_F(RunnerEnvironment, GpusAreHandedOutWithinTheInheritedOnes) {
  const Variable visible("CUDA_VISIBLE_DEVICES", "5,GPU-abc,7");
  options_.spec.resources.gpus = {1, 2};
  options_.spec.resources.gpus_per_trial = 1;
  shell("echo $CUDA_VISIBLE_DEVICES; touch ready; while [ ! -e go ]; do sleep 0.02; done");
  Runner runner(options_);
  EXPECT_EQ(runner.capacity(), 2);
  for (std::int64_t i = 0; i < 2; ++i) {
    TrialJob next = job();
    next.trial = i;
    start_ready(runner, next);
  }
  EXPECT_EQ(runner.capacity(), 0);
  EXPECT_EQ(runner.resources(0).at("gpus"), nlohmann::json({"GPU-abc"}));
  EXPECT_EQ(runner.resources(1).at("gpus"), nlohmann::json({7}));
  for (std::int64_t i = 0; i < 2; ++i) write_file(attempt_folder(i) / "go", "");
  finish(runner);
  EXPECT_EQ(standard_output(0), "GPU-abc\n");
  EXPECT_EQ(standard_output(1), "7\n");
}

}  // namespace
}  // namespace krigon::testing
