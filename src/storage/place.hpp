#pragma once

#include <filesystem>

namespace krigon::detail {

/// Where a store's file may lie: its folder must exist, the path be no folder, and the file system be
/// local, because SQLite's locks do not hold on network file systems. Throws StorageError otherwise.
/// Returns the absolute path.
std::filesystem::path check_place(const std::filesystem::path& file);

/// The name of a network file system with this statfs() type, nullptr for others.
const char* network_file_system(unsigned long type);

}  // namespace krigon::detail
