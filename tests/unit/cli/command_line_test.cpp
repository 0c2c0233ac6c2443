// Commands over a memory store, from arguments to output and exit code.

#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli.hpp"
#include "cli/exit_code.hpp"
#include "fake_study.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

struct Said {
  int code;
  std::string out;
  std::string err;
};

class CommandLine : public ::testing::Test {
 protected:
  CommandLine() {
    services.load_study = [this](const std::filesystem::path& file) {
      if (file != "study.yaml") throw ConfigError(file.string() + ":1: there is no such file");
      return LoadedStudy{spec, std::nullopt};
    };
    services.open_storage = [this](const std::string&, bool create) {
      if (!store && create) store = open_storage("memory:");
      if (!store) throw StorageError("no store");
      return store;
    };
    services.store_exists = [this](const std::string&) { return store != nullptr; };
    services.choose_device = [this](const std::string& device, const StudySpec&) {
      devices.push_back(device);
      if (device == "cuda") throw EnvironmentError("device cuda: no NVIDIA driver here");
      return Compute{nullptr, device + ", said the test"};
    };
    services.make_manager = [](std::shared_ptr<Storage> s, StudyRecord r, std::shared_ptr<Backend>) {
      return krigon::testing::make_counting(std::move(s), std::move(r));
    };
    services.describe_sampler = [](const StudySpec&) { return "counts in eighths"; };
    services.make_scheduler = make_scheduler;
    services.append_report = [this](const std::filesystem::path& file, std::optional<std::int64_t> step,
                                    const Metrics& metrics) {
      json line = metrics_to_json(metrics);
      if (step) line["step"] = *step;
      reports += file.string() + " " + line.dump() + "\n";
    };
    services.fingerprint = [](const StudySpec&, const std::filesystem::path&) { return json::object(); };
    services.doctor = [this] { return findings; };
  }

  Said say(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    Context context{services,
                    in,
                    out,
                    err,
                    [this](const char* name) {
                      const auto found = environment.find(name);
                      return found == environment.end() ? nullptr : found->second.c_str();
                    },
                    {},
                    {}};
    const int code = run(arguments, context);
    return {code, out.str(), err.str()};
  }
  std::string out(const std::vector<std::string>& arguments, const std::string& input = "") {
    const Said said = say(arguments, input);
    EXPECT_EQ(said.code, kOk) << said.err;
    return said.out;
  }

  StudySpec spec = krigon::testing::counting_spec();
  std::shared_ptr<Storage> store;
  std::map<std::string, std::string> environment;
  std::string reports;
  std::vector<std::string> devices;
  std::vector<Finding> findings{{"blas", "openmp"}, {"gpu", "none", true, "no driver"}};
  Services services;
};

TEST_F(CommandLine, WrongArgumentsExitWithTwoAndPointToTheHelp) {
  EXPECT_EQ(say({}).code, kUsage);
  EXPECT_EQ(say({"rnu"}).code, kUsage);
  EXPECT_EQ(say({"best", "--format", "xml", "study.yaml"}).code, kUsage);
  EXPECT_EQ(say({"trials", "study.yaml", "--csv", "--json"}).code, kUsage);
  EXPECT_EQ(say({"ask", "study.yaml", "--count", "0"}).code, kUsage);
  const Said said = say({"status", "--jsno", "study.yaml"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_THAT(said.err, HasSubstr("Try 'krigon status --help'."));
  EXPECT_EQ(store, nullptr) << "nothing is created";
}

TEST_F(CommandLine, AWrongStudyFileExitsWithTwoAndItsLineFirst) {
  const Said said = say({"check", "other.yaml"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_EQ(said.err, "other.yaml:1: there is no such file\n");
}

TEST_F(CommandLine, ErrorsHaveTheirExitCodes) {
  EXPECT_EQ(say({"status", "study.yaml"}).code, kNotFound);
  out({"ask", "study.yaml"});
  EXPECT_EQ(say({"show", "study.yaml", "9"}).code, kNotFound);
  EXPECT_EQ(say({"best", "study.yaml"}).code, kNoResult);
  EXPECT_EQ(say({"show", "study.yaml", "best"}).code, kNotFound);
  EXPECT_EQ(say({"tell", "study.yaml", "0", "acc=1"}).code, kUsage);
  out({"tell", "study.yaml", "0", "loss=1"});
  EXPECT_EQ(say({"tell", "study.yaml", "0", "loss=2"}).code, kConflict);
  services.open_storage = [](const std::string&, bool) -> std::shared_ptr<Storage> {
    throw StorageError("krigon.db: the disk is full");
  };
  const Said said = say({"status", "study.yaml"});
  EXPECT_EQ(said.code, kEnvironment);
  EXPECT_EQ(said.err, "krigon: krigon.db: the disk is full\n");
  services.open_storage = [](const std::string&, bool) -> std::shared_ptr<Storage> {
    throw std::logic_error("oh");
  };
  EXPECT_EQ(say({"status", "study.yaml"}).code, kDefect);
}

TEST_F(CommandLine, ChecksWithoutCreating) {
  const std::string text = out({"check", "study.yaml"});
  EXPECT_THAT(text, HasSubstr("objective:       minimize loss\n"));
  EXPECT_THAT(text, HasSubstr("sampler:         counts in eighths\n"));
  EXPECT_THAT(text, HasSubstr("x          real  0 to 1\n"));
  const json object = json::parse(out({"check", "study.yaml", "--json"}));
  EXPECT_EQ(object.at("ok"), true);
  EXPECT_EQ(object.at("study"), to_json(spec));
  EXPECT_EQ(store, nullptr);
  spec.early_stopping.type = "hyperbond";
  EXPECT_EQ(say({"check", "study.yaml"}).code, kUsage);
}

TEST_F(CommandLine, AskTellBest) {
  EXPECT_EQ(out({"ask", "study.yaml"}), "0 x=0\n");
  EXPECT_EQ(out({"ask", "study.yaml", "--count", "2", "--key", "k"}), "1 x=0.125\n2 x=0.25\n");
  EXPECT_EQ(out({"ask", "study.yaml", "--count", "2", "--key", "k"}), "1 x=0.125\n2 x=0.25\n");
  EXPECT_EQ(out({"tell", "study.yaml", "0", "loss=0.5"}), "trial 0 is completed\n");
  EXPECT_EQ(out({"tell", "study.yaml", "0", "loss=0.5"}), "trial 0 was already completed\n");
  EXPECT_EQ(out({"tell", "study.yaml", "1", "loss=0.25", "--json"}),
            "{\"changed\":true,\"ok\":true,\"state\":\"completed\"}\n");
  EXPECT_EQ(out({"tell", "study.yaml", "2", "--failed", "no memory"}), "trial 2 is failed\n");
  EXPECT_EQ(out({"best", "study.yaml", "--format", "args"}), "--x=0.125\n");
  const json best = json::parse(out({"best", "study.yaml", "--json"}));
  EXPECT_EQ(best.at("trial"), 1);
  EXPECT_EQ(best.at("metrics"), json({{"loss", 0.25}}));
  EXPECT_THAT(out({"best", "study.yaml"}), HasSubstr("loss:   0.25\n"));
  EXPECT_EQ(say({"tell", "study.yaml", "2", "loss=1", "--failed", "x"}).code, kUsage);
  EXPECT_EQ(say({"tell", "study.yaml", "2"}).code, kUsage);
}

TEST_F(CommandLine, AskSaysWhenNothingIsLeft) {
  const Said eight = say({"ask", "study.yaml", "--count", "9"});
  EXPECT_EQ(eight.code, kOk);
  EXPECT_THAT(eight.err, HasSubstr("nothing left"));
  EXPECT_EQ(say({"ask", "study.yaml"}).code, kNoResult);
}

TEST_F(CommandLine, StatusAndList) {
  out({"ask", "study.yaml", "--count", "3"});
  out({"tell", "study.yaml", "0", "loss=0.5"});
  const json status = json::parse(out({"status", "study.yaml", "--json"}));
  EXPECT_EQ(status.at("completed"), 1);
  EXPECT_EQ(status.at("running"), 2);
  EXPECT_EQ(status.at("best").at("trial"), 0);
  EXPECT_EQ(status.at("running_trials").size(), 2u);
  EXPECT_THAT(out({"status", "study.yaml"}), HasSubstr("best:          loss 0.5 (trial 0)\n"));
  EXPECT_THAT(out({"list"}), HasSubstr("counting     1        2  minimize loss   0.5"));
  const json listed = json::parse(out({"list", "--json"}));
  EXPECT_EQ(listed.at("study"), "counting");
  EXPECT_EQ(listed.at("best_value"), 0.5);
}

TEST_F(CommandLine, ByNameOrAsTheOnlyStudyOfAStore) {
  out({"ask", "study.yaml"});
  EXPECT_THAT(out({"status", "--storage", "x"}), HasSubstr("counting"));
  EXPECT_THAT(out({"status", "--storage", "x", "--study", "counting"}), HasSubstr("counting"));
  EXPECT_EQ(say({"status", "--storage", "x", "--study", "other"}).code, kNotFound);
  spec.name = "second";
  out({"ask", "study.yaml"});
  const Said said = say({"status", "--storage", "x"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_THAT(said.err, HasSubstr("choose one with --study: counting, second"));
}

TEST_F(CommandLine, TheStoreMayBeNamedByTheEnvironment) {
  std::vector<std::string> opened;
  services.open_storage = [&, inner = services.open_storage](const std::string& url, bool create) {
    opened.push_back(url);
    return inner(url, create);
  };
  const auto opened_by = [&](const std::vector<std::string>& arguments) {
    opened.clear();
    out(arguments);
    return opened;
  };
  services.load_study = [this](const std::filesystem::path&) {
    return LoadedStudy{spec, "sqlite:///file.db"};
  };
  using Urls = std::vector<std::string>;
  EXPECT_EQ(opened_by({"ask", "study.yaml"}), Urls{"sqlite:///file.db"});
  environment["KRIGON_STORAGE"] = "postgresql://db/environment";
  EXPECT_EQ(opened_by({"ask", "study.yaml"}), Urls{"postgresql://db/environment"});
  EXPECT_EQ(opened_by({"status", "--study", "counting"}), Urls{"postgresql://db/environment"});
  EXPECT_EQ(opened_by({"status"}), Urls{"postgresql://db/environment"})
      << "no study.yaml here: its only study";
  EXPECT_EQ(opened_by({"list"}), Urls{"postgresql://db/environment"});
  EXPECT_EQ(opened_by({"ask", "study.yaml", "--storage", "x"}), Urls{"x"});
  EXPECT_EQ(opened_by({"list", "--storage", "x"}), Urls{"x"});
}

TEST_F(CommandLine, SubmittingCreatesTheStudyAndADryRunDoesNot) {
  spec.trial.command = {"true"};
  const std::vector<std::string> arguments{
      "submit",   "study.yaml", "--storage", "postgresql://me:s3cret@db/t",
      "--engine", "kubernetes", "--workers", "2",
      "--image",  "x"};
  std::vector<std::string> dry = arguments;
  dry.emplace_back("--dry-run");
  const std::string manifest = out(dry);
  EXPECT_EQ(store, nullptr);
  EXPECT_EQ(out(arguments), manifest);
  ASSERT_NE(store, nullptr);
  EXPECT_TRUE(store->find_study("counting"));
  EXPECT_EQ(out({"submit", "--storage", "postgresql://me:s3cret@db/t", "--study", "counting", "--engine",
                 "kubernetes", "--workers", "2", "--image", "x", "--dry-run"}),
            manifest)
      << "by its name it is the same";
}

TEST_F(CommandLine, AChangedSpaceIsAConflictAChangedBudgetARevision) {
  out({"ask", "study.yaml"});
  spec.budget.trials = 50;
  out({"ask", "study.yaml"});
  const json status = json::parse(out({"status", "study.yaml", "--json"}));
  EXPECT_EQ(status.at("revision"), 2);
  EXPECT_EQ(status.at("budget"), 50);
  spec.space = Space({{"x", RealDomain{0, 2, Scale::linear, {}}, {}}});
  const Said said = say({"ask", "study.yaml"});
  EXPECT_EQ(said.code, kConflict);
  EXPECT_THAT(said.err, HasSubstr("begun with another search space"));
}

TEST_F(CommandLine, TrialsAsTableCsvAndJson) {
  out({"ask", "study.yaml", "--count", "3"});
  out({"report", "study.yaml", "--trial", "2", "step=4", "loss=0.7"});
  out({"tell", "study.yaml", "0", "loss=0.5"});
  out({"tell", "study.yaml", "1", "loss=0.25"});
  EXPECT_EQ(out({"trials", "study.yaml"}),
            "trial  state      loss  step  parameters  reason\n"
            "    0  completed   0.5        x=0\n"
            "    1  completed  0.25        x=0.125\n"
            "    2  running     0.7     4  x=0.25\n");
  EXPECT_EQ(out({"trials", "study.yaml", "--csv", "--state", "completed"}),
            "trial,state,x,loss,step,reason\n0,completed,0,0.5,,\n1,completed,0.125,0.25,,\n");
  EXPECT_EQ(json::parse(out({"trials", "study.yaml", "--json", "--top", "1"})).at("trial"), 1);
}

TEST_F(CommandLine, ReportsInsideATrialWithoutAStore) {
  environment["KRIGON_REPORT_FILE"] = "/t/report";
  EXPECT_EQ(out({"report", "step=3", "accuracy=0.91", "loss=1"}), "");
  EXPECT_EQ(out({"report", "accuracy=0.95", "--json"}), "{\"ok\":true}\n");
  EXPECT_EQ(reports,
            "/t/report {\"accuracy\":0.91,\"loss\":1.0,\"step\":3}\n"
            "/t/report {\"accuracy\":0.95}\n");
  for (const auto& words : std::vector<std::vector<std::string>>{{"step=3"},
                                                                 {"step=0", "a=1"},
                                                                 {"step=x", "a=1"},
                                                                 {"a=1", "a=2"},
                                                                 {"a=nan"},
                                                                 {"a=1", "b"},
                                                                 {"a"}}) {
    std::vector<std::string> arguments{"report"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    EXPECT_EQ(say(arguments).code, kUsage) << words.back();
  }
  environment.clear();
  const Said said = say({"report", "a=1"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_THAT(said.err, HasSubstr("KRIGON_REPORT_FILE is not set"));
}

TEST_F(CommandLine, ReportsFromOutsideAndIsToldToStop) {
  spec.early_stopping.type = "asha";
  spec.early_stopping.reduction = 2;
  out({"ask", "study.yaml", "--count", "3"});
  EXPECT_EQ(out({"report", "study.yaml", "--trial", "0", "step=1", "loss=0.1"}), "continue\n");
  EXPECT_EQ(out({"report", "study.yaml", "--trial", "1", "step=1", "loss=0.2"}), "stop\n");
  const json again =
      json::parse(out({"report", "study.yaml", "--trial", "1", "step=1", "loss=0.2", "--json"}));
  EXPECT_EQ(again.at("stop"), true);
  EXPECT_EQ(say({"report", "study.yaml", "--trial", "0", "loss=0.1"}).code, kUsage);
  const json shown = json::parse(out({"show", "study.yaml", "1", "--json"}));
  EXPECT_EQ(shown.at("state"), "stopped");
  EXPECT_EQ(shown.at("decisions").at(0).at("verdict"), "stop");
  EXPECT_EQ(shown.at("reports").at(0).at("value"), 0.2);
  EXPECT_THAT(out({"show", "study.yaml", "1"}), HasSubstr("   1   0.2  stop\n"));
}

TEST_F(CommandLine, EnqueuesAtTheHead) {
  EXPECT_EQ(out({"enqueue", "study.yaml", "x=0.75"}), "trial 0 is queued: x=0.75\n");
  EXPECT_EQ(out({"enqueue", "study.yaml", "--parameters", "{\"x\": 1}"}), "trial 1 is queued: x=1\n");
  EXPECT_EQ(say({"enqueue", "study.yaml", "x=7"}).code, kUsage);
  EXPECT_EQ(say({"enqueue", "study.yaml"}).code, kUsage);
  EXPECT_EQ(say({"enqueue", "study.yaml", "x=1", "--parameters", "{}"}).code, kUsage);
  EXPECT_EQ(say({"enqueue", "study.yaml", "--parameters", "{"}).code, kUsage);
  EXPECT_EQ(json::parse(out({"ask", "study.yaml", "--json"})).at("parameters"), json({{"x", 0.75}}));
  EXPECT_EQ(json::parse(out({"ask", "study.yaml", "--json"})).at("parameters"), json({{"x", 1.0}}));
}

TEST_F(CommandLine, ExportsAndImports) {
  out({"ask", "study.yaml", "--count", "2", "--key", "k"});
  out({"tell", "study.yaml", "0", "loss=0.5"});
  out({"report", "study.yaml", "--trial", "1", "step=2", "loss=0.9"});
  out({"tell", "study.yaml", "1", "--stopped"});
  const std::string lines = out({"export", "study.yaml"});
  EXPECT_EQ(out({"import", "study.yaml", "-"}, lines), "0 trials imported, 2 known already by their keys\n");
  store = nullptr;
  EXPECT_EQ(out({"import", "study.yaml", "-", "--json"}, lines), "{\"imported\":2,\"known\":0}\n");
  EXPECT_EQ(json::parse(out({"show", "study.yaml", "1", "--json"})).at("reports").at(0).at("step"), 2);
  EXPECT_EQ(out({"import", "study.yaml", "-", "--format", "csv"}, "x,loss\n0.5,1\n"), "1 trial imported\n");
  const Said wrong = say({"import", "study.yaml", "-", "--format", "csv"}, "x,loss\n0.5,2\n7,1\n");
  EXPECT_EQ(wrong.code, kUsage);
  EXPECT_THAT(wrong.err, HasSubstr("-: line 3: "));
  EXPECT_THAT(wrong.err, HasSubstr("nothing was imported"));
  EXPECT_EQ(json::parse(out({"status", "study.yaml", "--json"})).at("trials"), 3);
}

TEST_F(CommandLine, DeletesOnlyWhenToldTo) {
  out({"ask", "study.yaml"});
  EXPECT_EQ(say({"delete", "study.yaml"}).code, kUsage) << "nobody can answer";
  EXPECT_EQ(out({"delete", "study.yaml", "--yes"}), "deleted \"counting\" with its 1 trial\n");
  EXPECT_EQ(say({"status", "study.yaml"}).code, kNotFound);
}

TEST_F(CommandLine, PipesLineByLine) {
  EXPECT_EQ(out({"pipe", "study.yaml"},
                "{\"op\": \"ask\", \"key\": \"a\"}\n\nwhat?\n{\"op\": \"tell\", \"trial\": 0, \"metrics\": "
                "{\"loss\": 1}}")
                .find("{\"attempt\":1,\"parameters\":{\"x\":0.0},\"seed\":"),
            0u);
  EXPECT_EQ(json::parse(out({"status", "study.yaml", "--json"})).at("completed"), 1);
}

TEST_F(CommandLine, ComputesWhereItIsToldAndNowhereElse) {
  out({"ask", "study.yaml"});
  out({"ask", "study.yaml", "--device", "cuda:1"});
  out({"tell", "study.yaml", "0", "loss=1"});
  EXPECT_EQ(devices, (std::vector<std::string>{"auto", "cuda:1", "cpu"}));
  const Said said = say({"ask", "study.yaml", "--device", "cuda"});
  EXPECT_EQ(said.code, kEnvironment);
  EXPECT_NE(said.err.find("no NVIDIA driver"), std::string::npos);
}

TEST_F(CommandLine, TheDoctorSaysWhatToMend) {
  EXPECT_EQ(out({"doctor"}), "blas:  openmp\ngpu:   none (no driver)\n");
  findings[0].ok = false;
  const Said said = say({"doctor", "--json"});
  EXPECT_EQ(said.code, kNoResult);
  EXPECT_EQ(json::parse(said.out).at("ok"), false);
}

TEST_F(CommandLine, RunNeedsACommand) {
  const Said said = say({"run", "study.yaml"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_THAT(said.err, HasSubstr("run needs a trial command"));
  EXPECT_EQ(store, nullptr);
}

TEST_F(CommandLine, VersionAndHelpExitWithZero) {
  EXPECT_THAT(out({"--version"}), HasSubstr("krigon 0."));
  EXPECT_THAT(out({"--help"}), HasSubstr("Exit status"));
}

}  // namespace
}  // namespace krigon::cli
