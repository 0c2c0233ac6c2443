#include "submit/names.hpp"

#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

using ::testing::HasSubstr;

TEST(JobName, OfAPlainStudyIsItsOwn) {
  EXPECT_EQ(job_name("line", 4), "krigon-line");
  EXPECT_EQ(job_name("line-2", 1), "krigon-line-2");
}

TEST(JobName, IsALabelWhateverTheStudyIsCalled) {
  const std::regex label("[a-z0-9]([a-z0-9-]*[a-z0-9])?");
  std::set<std::string> names;
  const std::vector<std::string> studies{"a b",
                                         "a-b",
                                         "a_b",
                                         "A-B",
                                         "a--b",
                                         "a-b-",
                                         "-a-b",
                                         "...",
                                         "",
                                         "日本",
                                         "line\nbreak",
                                         "it's \"q\"",
                                         "a/b",
                                         "$(rm)",
                                         "-",
                                         "a b ",
                                         std::string(100, 'x'),
                                         std::string(99, 'x'),
                                         std::string(100, '-')};
  for (const auto& study : studies) {
    const std::string name = job_name(study, 12);
    EXPECT_TRUE(std::regex_match(name, label)) << name;
    EXPECT_LE(name.size() + 3, 63u) << name << "-11 is a pod's host name";
    EXPECT_THAT(name, ::testing::StartsWith("krigon"));
    EXPECT_TRUE(names.insert(name).second) << study << " shares " << name;
  }
}

TEST(JobName, IsTheSameForEver) {
  // FNV-1a of 64 bits, its halves xored; computed apart from this program by one that gives its authors'
  // vectors.
  EXPECT_EQ(job_name("", 1), "krigon-4fd0bfc1");
  EXPECT_EQ(job_name("a b", 1), "krigon-a-b-e2bca18b");
}

TEST(JobName, LeavesRoomForTheIndex) {
  const std::string study(100, 'y');
  EXPECT_EQ(job_name(study, 10).size(), 61u);
  EXPECT_EQ(job_name(study, 11).size(), 60u);
  EXPECT_EQ(job_name(study, 1000).size(), 59u);
}

TEST(Names, GivenByAPersonAreChecked) {
  for (const char* good : {"a", "a-1", "0", "krigon-line"})
    EXPECT_NO_THROW(check_label(good, "--name")) << good;
  for (const char* wrong : {"", "A", "a_b", "-a", "a-", "a.b", "a b", "a\n"}) {
    EXPECT_THROW(check_label(wrong, "--name"), UsageError) << wrong;
  }
  EXPECT_THROW(check_label(std::string(64, 'a'), "--name"), UsageError);
  EXPECT_THROW(check_label(std::string(61, 'a'), "--name", 60), UsageError);
  for (const char* good : {"a", "a.b", "my-secret.v1"})
    EXPECT_NO_THROW(check_subdomain(good, "--secret")) << good;
  for (const char* wrong : {"", ".", "a.", ".a", "a..b", "a.-b", "A", "a b"}) {
    EXPECT_THROW(check_subdomain(wrong, "--secret"), UsageError) << wrong;
  }
  EXPECT_THROW(check_subdomain(std::string(254, 'a'), "--secret"), UsageError);
  try {
    check_subdomain("My Secret", "--secret");
  } catch (const UsageError& e) {
    EXPECT_THAT(e.what(), HasSubstr("--secret: found \"My Secret\", allowed: "));
  }
}

}  // namespace
}  // namespace krigon
