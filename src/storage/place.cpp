#include "storage/place.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <sys/vfs.h>

#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

namespace fs = std::filesystem;

constexpr unsigned long kFuse = 0x65735546;

struct Known {
  unsigned long type;
  const char* name;
};

// statfs(2) and the kernel's magic.h.
constexpr std::array<Known, 12> kNetwork{{{0x6969, "NFS"},
                                          {0x517B, "SMB"},
                                          {0xFF534D42, "CIFS"},
                                          {0xFE534D42, "SMB2"},
                                          {0x5346414F, "AFS"},
                                          {0x6B414653, "AFS"},
                                          {0x73757245, "Coda"},
                                          {0x564C, "NCP"},
                                          {0x00C36400, "Ceph"},
                                          {0x0BD00BD0, "Lustre"},
                                          {0x19830326, "BeeGFS"},
                                          {0x47504653, "GPFS"}}};

/// FUSE serves local and remote file systems alike; /proc/self/mountinfo names the kind.
std::string fuse_kind(const fs::path& folder) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line, kind;
  std::size_t longest = 0;
  while (std::getline(mounts, line)) {
    // id parent major:minor root mount-point options ... - kind source options
    std::size_t at = 0;
    for (int field = 0; field < 4 && at != std::string::npos; ++field) at = line.find(' ', at + 1);
    const auto dash = line.find(" - ");
    if (at == std::string::npos || dash == std::string::npos) continue;
    const fs::path point = line.substr(at + 1, line.find(' ', at + 1) - at - 1);
    const auto within = folder.lexically_relative(point);
    if (within.empty() || *within.begin() == ".." || point.native().size() < longest) continue;
    longest = point.native().size();
    kind = line.substr(dash + 3, line.find(' ', dash + 3) - dash - 3);
  }
  return kind;
}

/// "" for a local file system.
std::string remote_kind(const fs::path& folder) {
  struct statfs info {};
  if (statfs(folder.c_str(), &info) != 0) return "";
  const auto type = static_cast<unsigned long>(info.f_type) & 0xFFFFFFFFUL;
  if (const char* name = network_file_system(type)) return name;
  if (type != kFuse) return "";
  const auto kind = fuse_kind(folder);
  for (const char* remote : {"ssh", "nfs", "smb", "ftp", "dav", "s3", "gcs", "blob", "rclone", "gdrive",
                             "onedrive", "gluster", "ceph", "hdfs", "juicefs", "mfs", "beegfs", "lustre"}) {
    if (kind.find(remote) != std::string::npos) return kind;
  }
  return "";
}

}  // namespace

const char* network_file_system(unsigned long type) {
  for (const auto& known : kNetwork) {
    if (known.type == type) return known.name;
  }
  return nullptr;
}

fs::path check_place(const fs::path& file) {
  std::error_code error;
  fs::path path = fs::absolute(file, error).lexically_normal();
  if (error) throw StorageError(fmt::format("the store {}: {}", file.string(), error.message()));
  // A link is followed: what counts is where the file itself lies, and SQLite's side files with it.
  if (fs::is_symlink(path, error)) {
    const auto target = fs::weakly_canonical(path, error);
    if (!error) path = target;
  }
  if (fs::is_directory(path, error)) {
    throw StorageError(fmt::format("the store {}: it is a folder. Name a file in it, e.g. {}", path.string(),
                                   (path / "krigon.db").string()));
  }
  const auto folder = path.parent_path();
  const auto status = fs::status(folder, error);
  if (!fs::is_directory(status)) {
    throw StorageError(fmt::format("the store {}: its folder {} {}. Make it first, or name another",
                                   path.string(), folder.string(),
                                   !fs::exists(status) ? "does not exist" : "is not a folder"));
  }
  if (const auto kind = remote_kind(folder); !kind.empty()) {
    throw StorageError(
        fmt::format("the store {}: it lies on a network file system ({}), where the locks of SQLite do not "
                    "hold. Name a file on a local disk",
                    path.string(), kind));
  }
  return path;
}

}  // namespace krigon::detail
