// Which store a URL names, and what is said about those that name none.
#include <filesystem>

#include "fixture.hpp"

namespace krigon::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string url_error(const std::string& url) {
  try {
    open_storage(url);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "opened";
}

TEST(StorageUrl, EveryFormOfAPath) {
  TemporaryFolder folder;
  const auto path = (folder.path() / "store.db").string();
  const auto before = fs::current_path();
  fs::current_path(folder.path());
  for (const std::string& url :
       {"sqlite://" + path, "sqlite:" + path, path, std::string("sqlite:store.db"),
        std::string("sqlite://store.db"), std::string("store.db"), std::string("./x/../store.db")}) {
    EXPECT_EQ(open_storage(url)->url(), "sqlite://" + path) << url;
  }
  // Nothing in a path has a meaning of its own.
  for (const std::string name :
       {"100%41.db", "a?mode=memory", "a#b", "file:c", "d:e.db", "with space ü.db"}) {
    const auto store = open_storage("sqlite:" + name);
    EXPECT_EQ(store->url(), "sqlite://" + (folder.path() / name).string());
    EXPECT_TRUE(fs::exists(folder.path() / name)) << name;
  }
  fs::current_path(before);
}

TEST(StorageUrl, MemoryIsNewEachTime) {
  const auto one = open_storage("memory:");
  one->create_study(small_spec("s"), nullptr);
  EXPECT_EQ(one->url(), "memory:");
  EXPECT_TRUE(open_storage("memory:")->studies().empty());
}

TEST(StorageUrl, LookingForAStoreMakesNone) {
  TemporaryFolder folder;
  const auto url = "sqlite://" + (folder.path() / "store.db").string();
  EXPECT_FALSE(store_exists(url));
  EXPECT_FALSE(fs::exists(folder.path() / "store.db"));
  open_storage(url);
  EXPECT_TRUE(store_exists(url));
  EXPECT_FALSE(store_exists("memory:"));
  EXPECT_THROW(store_exists("redis://host/0"), UsageError);
}

TEST(StorageUrl, OthersAreRefusedByName) {
  EXPECT_THAT(url_error("redis://host/0"),
              AllOf(HasSubstr("\"redis://host/0\""), HasSubstr("memory:"), HasSubstr("sqlite:///")));
  EXPECT_THAT(url_error("SQLITE:///x"), HasSubstr("found \"SQLITE:\""));
  EXPECT_THAT(url_error(""), HasSubstr("names no file"));
  EXPECT_THAT(url_error("sqlite:"), HasSubstr("names no file"));
  EXPECT_THAT(url_error("sqlite://"), HasSubstr("names no file"));
  EXPECT_THAT(url_error("memory:x"), HasSubstr("\"x\" after memory:"));
  EXPECT_THAT(url_error(":memory:"), HasSubstr("write memory:"));
}

}  // namespace
}  // namespace krigon::testing
