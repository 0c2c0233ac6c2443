#include "cli/values.hpp"

#include <cstdint>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/trial_text.hpp"
#include "krigon/error.hpp"

namespace krigon::cli {
namespace {

using ::testing::HasSubstr;

const Space& space() {
  static const Space s({{"rate", RealDomain{1e-5, 1, Scale::log, {}}, {}},
                        {"layers", IntegerDomain{1, 4, Scale::linear, 1}, {}},
                        {"batch", CategoricalDomain{{std::int64_t{32}, std::int64_t{64}}, true}, {}},
                        {"kind", CategoricalDomain{{std::string("sgd"), std::string("it's")}, false}, {}},
                        {"warm", CategoricalDomain{{true, false}, false}, {}},
                        {"fixed", ConstantDomain{0.5}, {}}});
  return s;
}

std::string error_of(const std::vector<std::string>& words) {
  try {
    parse_parameters(space(), words);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "";
}

TEST(ParseParameters, ReadsEachByItsKind) {
  const Parameters p = parse_parameters(
      space(), {"rate=1e-2", "layers=3", "batch=64", "kind=sgd", "warm=false", "fixed=0.50"});
  EXPECT_TRUE(same_value(p.at("rate"), 0.01));
  EXPECT_TRUE(same_value(p.at("layers"), std::int64_t{3}));
  EXPECT_TRUE(same_value(p.at("batch"), std::int64_t{64}));
  EXPECT_TRUE(same_value(p.at("kind"), std::string("sgd")));
  EXPECT_TRUE(same_value(p.at("warm"), false));
  EXPECT_TRUE(same_value(p.at("fixed"), 0.5));
}

TEST(ParseParameters, SaysWhatIsWrongAndWhatIsAllowed) {
  EXPECT_EQ(error_of({"rate"}), "found \"rate\", expected NAME=VALUE");
  EXPECT_EQ(error_of({"=3"}), "found \"=3\", expected NAME=VALUE");
  EXPECT_EQ(error_of({"rat=1"}),
            "there is no parameter \"rat\", allowed: rate, layers, batch, kind, warm, fixed");
  EXPECT_EQ(error_of({"rate=fast"}), "parameter \"rate\": found \"fast\", expected a finite number");
  EXPECT_EQ(error_of({"rate=nan"}), "parameter \"rate\": found \"nan\", expected a finite number");
  EXPECT_EQ(error_of({"rate="}), "parameter \"rate\": found \"\", expected a finite number");
  EXPECT_EQ(error_of({"layers=1.5"}), "parameter \"layers\": found \"1.5\", expected an integer");
  EXPECT_EQ(error_of({"batch=48"}), "parameter \"batch\": found \"48\", allowed: 32, 64");
  EXPECT_EQ(error_of({"kind=adam"}), "parameter \"kind\": found \"adam\", allowed: sgd, it's");
  EXPECT_EQ(error_of({"rate=1", "rate=1"}), "parameter \"rate\" is given twice");
}

TEST(ParseNumber, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(parse_number("+1.5", "x"), 1.5);
  EXPECT_EQ(parse_number("-1e3", "x"), -1000);
  for (const char* wrong : {"", "1.5x", "0x10", "inf", "1e999", " 1", "+", "+-1"}) {
    EXPECT_THROW(parse_number(wrong, "x"), UsageError) << wrong;
  }
}

TEST(ShellQuote, QuotesWhatAShellWouldRead) {
  EXPECT_EQ(shell_quote("--lr=1e-05"), "--lr=1e-05");
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b"), "'a b'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("$(rm)"), "'$(rm)'");
  EXPECT_EQ(shell_line({"a", "b c", "{}"}), "a 'b c' '{}'");
}

TEST(VariableName, IsUpperCaseAndPlain) {
  EXPECT_EQ(variable_name("learning_rate"), "KRIGON_PARAM_LEARNING_RATE");
  EXPECT_EQ(variable_name("opt.beta-1"), "KRIGON_PARAM_OPT_BETA_1");
}

TEST(FormatParameters, SpeaksFourLanguages) {
  const Parameters p{
      {"rate", 1e-5}, {"layers", std::int64_t{3}}, {"kind", std::string("it's")}, {"warm", true}};
  EXPECT_EQ(format_parameters(space(), p, ParameterFormat::args),
            "--rate=1e-05 --layers=3 '--kind=it'\\''s' --warm=true\n");
  EXPECT_EQ(format_parameters(space(), p, ParameterFormat::env),
            "KRIGON_PARAM_RATE=1e-05\nKRIGON_PARAM_LAYERS=3\nKRIGON_PARAM_KIND='it'\\''s'\nKRIGON_PARAM_WARM="
            "true\n");
  EXPECT_EQ(format_parameters(space(), p, ParameterFormat::json),
            "{\"kind\":\"it's\",\"layers\":3,\"rate\":1e-05,\"warm\":true}\n");
  EXPECT_EQ(format_parameters(space(), p, ParameterFormat::yaml),
            "rate: 1.0e-05\nlayers: 3\nkind: \"it's\"\nwarm: true\n");
  EXPECT_EQ(format_parameters(space(), {{"rate", 1.0}}, ParameterFormat::yaml), "rate: 1.0\n");
}

TEST(CommandLineOfATrial, FillsInTemplatesOrSetsVariables) {
  StudySpec spec;
  spec.space = space();
  TrialRecord trial;
  trial.parameters = {{"rate", 0.5}, {"kind", std::string("it's")}};
  EXPECT_EQ(command_line(spec, trial, 7), "");
  spec.trial.command = {"train", "--rate", "{rate}", "--kind={kind}", "--seed", "{seed}"};
  EXPECT_EQ(command_line(spec, trial, 7), "train --rate 0.5 '--kind=it'\\''s' --seed 7");
  spec.trial.command = {"python3", "train.py"};
  EXPECT_EQ(command_line(spec, trial, 7),
            "KRIGON_PARAM_RATE=0.5 KRIGON_PARAM_KIND='it'\\''s' python3 train.py");
}

TEST(ParametersLine, HasEveryDigitOrSix) {
  const Parameters p{{"rate", 0.00052295013396268}, {"layers", std::int64_t{3}}};
  EXPECT_EQ(parameters_line(space(), p), "rate=0.00052295013396268 layers=3");
  EXPECT_EQ(short_parameters_line(space(), p), "rate=0.00052295 layers=3");
}

TEST(LastLine, LeavesOutBlankOnes) {
  EXPECT_EQ(last_line("Traceback\nValueError: x\n\n \n"), "ValueError: x");
  EXPECT_EQ(last_line("one"), "one");
  EXPECT_EQ(last_line(" \n"), "");
  EXPECT_EQ(last_line(""), "");
}

TEST(Dump, SurvivesTextThatIsNoUtf8) {
  EXPECT_EQ(dump({{"stderr", "\xff"}}), "{\"stderr\":\"\uFFFD\"}");
}

TEST(TimeJson, IsUtcWithMicroseconds) {
  EXPECT_EQ(time_json(0), nullptr);
  EXPECT_EQ(time_json(1'767'225'599'000'042), "2025-12-31T23:59:59.000042Z");
}

}  // namespace
}  // namespace krigon::cli
