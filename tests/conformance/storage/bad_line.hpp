#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace krigon::testing {

/// Stands between PostgreSQL and who speaks to it, on a socket of its own, and breaks connections at moments
/// that a test names by what happens and not by a time.
class BadLine {
 public:
  /// `server`: the folder of the server's socket. `folder`: gets this one's.
  BadLine(const std::filesystem::path& server, const std::filesystem::path& folder);
  ~BadLine();
  BadLine(const BadLine&) = delete;
  BadLine& operator=(const BadLine&) = delete;

  /// From now on answers that leave no transaction open are held back while `lost` is asked: those of which
  /// it says so never arrive, and the connection ends instead. Once; then all is as before.
  void lose_answer(std::function<bool()> lost);
  /// What is sent next still arrives; whoever sent it is cut off at once, and the server is not told.
  void hang_up() { hangs_up_ = true; }
  /// Connections that were broken.
  int breaks() const { return breaks_; }

 private:
  void accept_all();
  void carry(int client);
  /// Takes whole answers off the front of `held`, of what the server said. False: the connection is to end.
  bool answer(int client, std::string& held);
  bool is_lost();

  std::filesystem::path server_;
  int listener_ = -1;
  std::atomic<bool> ends_{false}, hangs_up_{false};
  std::atomic<int> breaks_{0};
  std::mutex lock_;  ///< guards what follows
  std::function<bool()> lost_;
  std::vector<std::thread> threads_;
  std::thread accepting_;
};

}  // namespace krigon::testing
