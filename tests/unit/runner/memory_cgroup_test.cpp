#include "runner/memory_cgroup.hpp"

#include <gmock/gmock.h>

#include "runner_fixture.hpp"

namespace krigon::detail {
namespace {

using krigon::testing::FolderTest;
using krigon::testing::write_file;

constexpr const char* kV1Mounts =
    "24 1 8:1 / / rw - ext4 /dev/root rw\n"
    "31 24 0:27 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n"
    "33 24 0:29 / /sys/fs/cgroup/memory rw,relatime shared:11 - cgroup cgroup rw,memory\n"
    "34 24 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

TEST(MemoryControl, VersionOneWinsOverAUnifiedHierarchyWithoutMemory) {
  const auto control = find_memory_control(kV1Mounts, "8:cpu:/\n4:memory:/users/7\n0::/\n");
  EXPECT_EQ(control.kind, MemoryControl::Kind::v1);
  EXPECT_EQ(control.folder, "/sys/fs/cgroup/memory/users/7");
}

TEST(MemoryControl, VersionOneInAContainerThatSeesItsOwnPart) {
  const auto control =
      find_memory_control("33 24 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                          "4:memory:/docker/abc/x\n");
  EXPECT_EQ(control.folder, "/sys/fs/cgroup/memory/x");
}

TEST(MemoryControl, NothingMounted) {
  const auto control = find_memory_control("24 1 8:1 / / rw - ext4 /dev/root rw\n", "0::/\n");
  EXPECT_EQ(control.kind, MemoryControl::Kind::none);
  EXPECT_THAT(control.why_not, ::testing::HasSubstr("no cgroup hierarchy"));
}

class MemoryControlV2 : public FolderTest {
 protected:
  static constexpr const char* kMounts = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
  void SetUp() override {
    own_ = folder_ / "sys/fs/cgroup/user/run";
    write_file(own_ / "cgroup.controllers", "cpu memory pids\n");
  }
  std::filesystem::path own_;
};

TEST_F(MemoryControlV2, FoundWhereTheControllerIsHandedDown) {
  const auto control = find_memory_control(kMounts, "0::/user/run\n", folder_);
  EXPECT_EQ(control.kind, MemoryControl::Kind::v2);
  EXPECT_EQ(control.folder, own_);
}

TEST_F(MemoryControlV2, AManagerThatMovedDownStillUsesItsFirstGroup) {
  EXPECT_EQ(find_memory_control(kMounts, "0::/user/run/krigon-manager\n", folder_).folder, own_);
}

TEST_F(MemoryControlV2, SaysHowToGetOneWhereItIsNot) {
  write_file(own_ / "cgroup.controllers", "cpu pids\n");
  const auto control = find_memory_control(kMounts, "0::/user/run\n", folder_);
  EXPECT_EQ(control.kind, MemoryControl::Kind::none);
  EXPECT_THAT(control.why_not, ::testing::HasSubstr("Delegate=yes"));
}

}  // namespace
}  // namespace krigon::detail
