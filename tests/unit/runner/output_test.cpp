#include "runner/shim/output.hpp"

#include <string>

#include <gmock/gmock.h>

#include "runner_fixture.hpp"

namespace krigon::detail {
namespace {

using krigon::testing::read_file;

class OutputFileTest : public krigon::testing::FolderTest {
 protected:
  /// Writes numbered lines in pieces of `piece` bytes and returns what the file holds.
  std::string kept(int lines, std::uint64_t limit, std::size_t piece) {
    whole_.clear();
    for (int i = 0; i < lines; ++i) whole_ += "line " + std::to_string(i) + '\n';
    OutputFile file;
    EXPECT_TRUE(file.open((folder_ / "log").string(), limit));
    for (std::size_t at = 0; at < whole_.size(); at += piece)
      file.write(std::string_view(whole_).substr(at, piece));
    file.close();
    dropped_ = file.dropped();
    EXPECT_EQ(file.error(), 0);
    return read_file(folder_ / "log");
  }
  std::string whole_;
  std::int64_t dropped_ = 0;
};

TEST_F(OutputFileTest, KeepsAllUpToTheLimit) {
  EXPECT_EQ(kept(1000, 100'000, 37), whole_);
  EXPECT_EQ(kept(1000, whole_.size(), 1000), whole_);
  EXPECT_EQ(dropped_, 0);
}

TEST_F(OutputFileTest, KeepsBothEndsBeyondIt) {
  for (const std::size_t piece : {1, 100, 4096, 1'000'000}) {
    const std::string text = kept(20'000, 20'000, piece);
    EXPECT_LE(text.size(), 20'100u);
    EXPECT_EQ(text.substr(0, 10'000), whole_.substr(0, 10'000));
    const std::size_t gap = text.find(" bytes left out here");
    ASSERT_NE(gap, std::string::npos);
    const std::string end = text.substr(text.find('\n', gap) + 1);
    EXPECT_GE(end.size(), 4'900u);
    EXPECT_EQ(end, whole_.substr(whole_.size() - end.size()));
    EXPECT_EQ(end.substr(0, 5), "line ");
    EXPECT_GT(dropped_, 0);
  }
}

TEST_F(OutputFileTest, FullDiskLosesOutputAndSaysSo) {
  OutputFile file;
  ASSERT_TRUE(file.open("/dev/full", 1 << 20));
  file.write("text");
  file.close();
  EXPECT_EQ(file.error(), ENOSPC);
  EXPECT_EQ(file.dropped(), 4);
}

TEST_F(OutputFileTest, RefusesAFileThatCannotBe) {
  OutputFile file;
  EXPECT_FALSE(file.open("/no/such/folder/log", 100));
}

}  // namespace
}  // namespace krigon::detail
