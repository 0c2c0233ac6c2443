#pragma once

namespace krigon::cli {

/// Counts a person's Ctrl-C while it lives; SIGTERM and SIGHUP count twice (stop the trials now) and
/// once more each time. One at a time: signal handlers belong to the process. The handlers before it
/// come back with its end.
class Interrupts {
 public:
  /// Throws EnvironmentError.
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  static int count();
  /// Readable once count() has risen, until drain().
  int wake_fd() const { return read_fd_; }
  void drain() const;

 private:
  int read_fd_ = -1;
};

}  // namespace krigon::cli
