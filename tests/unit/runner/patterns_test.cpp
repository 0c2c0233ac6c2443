#include "runner/shim/patterns.hpp"

#include <gmock/gmock.h>

#include "runner_fixture.hpp"

namespace krigon::detail {
namespace {

using krigon::testing::read_file;

TEST(RequiredText, IsInEveryMatch) {
  EXPECT_EQ(required_text("val_acc=([0-9.]+)"), "val_acc=");
  EXPECT_EQ(required_text(R"(loss: \(([0-9.]+)\) ok)"), "loss: (");
  EXPECT_EQ(required_text("^epoch +x"), "epoch ");
  EXPECT_EQ(required_text("colou?r ([0-9]+)"), "colo");
  EXPECT_EQ(required_text("ab{2}c"), "a");
  EXPECT_EQ(required_text("accuracy|acc"), "");
  EXPECT_EQ(required_text("(accuracy=)?([0-9]+)"), "");
  EXPECT_EQ(required_text(R"(\d+x)"), "x");
  EXPECT_EQ(required_text("[[:digit:]x]+ab"), "ab");
  EXPECT_EQ(required_text("[a\\]b]cd"), "cd");
  EXPECT_EQ(required_text("["), "");
  EXPECT_EQ(required_text("\\"), "");
  EXPECT_EQ(required_text("[[:"), "");
}

TEST(CompilePattern, TakesTimeInProportionAndBackReferencesToo) {
  const std::regex nested = compile_pattern("(a+)+b");
  EXPECT_FALSE(std::regex_search(std::string(3000, 'a'), nested));  // exponential by backtracking
  EXPECT_TRUE(std::regex_search(std::string("xx"), compile_pattern(R"((x)\1)")));
  EXPECT_THROW(compile_pattern("(["), std::regex_error);
}

class PatternReaderTest : public krigon::testing::FolderTest {
 protected:
  std::string reports_of(std::vector<ShimPattern> patterns, const std::vector<std::string>& pieces) {
    const auto file = folder_ / "report.jsonl";
    std::filesystem::remove(file);
    PatternReader reader(patterns, file.string());
    for (const auto& piece : pieces) reader.feed(false, piece);
    reader.finish();
    return read_file(file);
  }
  const ShimPattern accuracy_{"\"acc\"", "acc=(\\S+)", false, true, false};
};

TEST_F(PatternReaderTest, PiecesAndLastLineWithoutEnd) {
  EXPECT_EQ(reports_of({accuracy_}, {"ac", "c=0.", "5\nacc=0.7", "5"}),
            "{\"step\": 1, \"acc\": 0.5}\n{\"step\": 2, \"acc\": 0.75}\n{\"acc\": 0.75}\n");
}

TEST_F(PatternReaderTest, TextThatIsNoNumber) {
  EXPECT_EQ(reports_of({accuracy_}, {"acc=nan\n"}), "{\"step\": 1, \"acc\": null}\n{\"acc\": null}\n");
  EXPECT_EQ(reports_of({accuracy_}, {"acc=n\"a\n"}), "{\"step\": 1, \"acc\": \"n?a\"}\n{\"acc\": \"n?a\"}\n");
  EXPECT_EQ(reports_of({accuracy_}, {"acc=95%\n"}), "{\"step\": 1, \"acc\": 95}\n{\"acc\": 95}\n");
  EXPECT_EQ(reports_of({accuracy_}, {"acc=1e999\n"}), "{\"step\": 1, \"acc\": 1e999}\n{\"acc\": 1e999}\n");
}

TEST_F(PatternReaderTest, WholeMatchWithoutAGroup) {
  EXPECT_EQ(reports_of({{"\"acc\"", "[0-9]+", false, true, false}}, {"at 12\n"}),
            "{\"step\": 1, \"acc\": 12}\n{\"acc\": 12}\n");
}

TEST_F(PatternReaderTest, LongLinesAreLookedAtFromTheirStart) {
  EXPECT_EQ(reports_of({accuracy_},
                       {"acc=1 " + std::string(10'000'000, 'x') + "\n", std::string(5000, 'x') + "acc=2\n"}),
            "{\"step\": 1, \"acc\": 1}\n{\"acc\": 1}\n");
}

TEST_F(PatternReaderTest, MetricsBesideAnObjectiveReportedOtherwise) {
  EXPECT_EQ(reports_of({{"\"loss\"", "loss=(\\S+)", false, false, false}}, {"loss=3\nloss=2\n"}),
            "{\"step\": 1, \"loss\": 3}\n{\"step\": 2, \"loss\": 2}\n{\"loss\": 2}\n");
}

TEST_F(PatternReaderTest, NothingMatchedNothingWritten) {
  EXPECT_EQ(reports_of({accuracy_}, {"hello\n"}), "");
}

}  // namespace
}  // namespace krigon::detail
