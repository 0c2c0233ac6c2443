#pragma once

#include <vector>

#include <sys/types.h>

namespace krigon::detail {

/// The living descendants of this process and the zombies among them, children first. A snapshot:
/// more may have been forked meanwhile. Read from /proc/<pid>/task/*/children, or from every
/// process's parent where the kernel has no such file.
std::vector<pid_t> descendants();

/// One signal to every descendant found now.
void signal_descendants(int signal);

/// SIGKILL to every descendant found now and to its whole process group, which takes those forked
/// at this moment too. Call again until wait(2) says that there is no child left: whatever is
/// orphaned comes to this process, as it is a child subreaper.
void kill_descendants();

}  // namespace krigon::detail
