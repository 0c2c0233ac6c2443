#include "runner/report_tail.hpp"

#include <fstream>

#include <gmock/gmock.h>

#include "runner/report_line.hpp"
#include "runner_fixture.hpp"

namespace krigon::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReportTailTest : public krigon::testing::FolderTest {
 protected:
  void append(const std::string& text) { std::ofstream(file_, std::ios::app | std::ios::binary) << text; }
  std::vector<std::string> read(std::size_t most = 1 << 20) {
    std::vector<std::string> lines;
    more_ = tail_.read(most, [&](std::string_view line) { lines.emplace_back(line); });
    return lines;
  }
  std::filesystem::path file_ = folder_ / "file";
  ReportTail tail_{file_.string()};
  bool more_ = false;
};

TEST_F(ReportTailTest, WholeLinesOnly) {
  EXPECT_THAT(read(), IsEmpty());  // no file yet
  append("one\ntw");
  EXPECT_THAT(read(), ElementsAre("one"));
  EXPECT_THAT(read(), IsEmpty());
  append("o\n\nthree");
  EXPECT_THAT(read(), ElementsAre("two", ""));
  std::vector<std::string> last;
  tail_.finish([&](std::string_view line) { last.emplace_back(line); });
  EXPECT_THAT(last, ElementsAre("three"));
}

TEST_F(ReportTailTest, ReadsInBoundedPieces) {
  append("0123456789\nab\n");
  EXPECT_THAT(read(5), IsEmpty());
  EXPECT_TRUE(more_);
  EXPECT_THAT(read(6), ElementsAre("0123456789"));
  EXPECT_THAT(read(100), ElementsAre("ab"));
  EXPECT_FALSE(more_);
}

TEST_F(ReportTailTest, CutAndReplacedFilesAreReadFromTheirStart) {
  append("one\ntwo\n");
  read();
  std::ofstream(file_, std::ios::trunc) << "new\n";
  EXPECT_THAT(read(), ElementsAre("new"));
  std::ofstream(folder_ / "other") << "other one\n";
  std::filesystem::rename(folder_ / "other", file_);
  EXPECT_THAT(read(), ElementsAre("other one"));
}

TEST_F(ReportTailTest, LongLinesAreDroppedAndCounted) {
  append(std::string(kLongestReportLine + 1, 'x'));
  EXPECT_THAT(read(), IsEmpty());
  append(std::string(3 * kLongestReportLine, 'x'));
  EXPECT_THAT(read(), IsEmpty());
  append("x\ngood\n" + std::string(kLongestReportLine + 1, 'y') + "\n" +
         std::string(kLongestReportLine, 'z') + "\n");
  EXPECT_THAT(read(), ElementsAre("good", std::string(kLongestReportLine, 'z')));
  EXPECT_EQ(tail_.too_long(), 2);
}

TEST_F(ReportTailTest, FoldersAndPipesAreNotRead) {
  std::filesystem::create_directory(file_);
  EXPECT_THAT(read(), IsEmpty());
}

}  // namespace
}  // namespace krigon::detail
