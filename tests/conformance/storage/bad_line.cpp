#include "bad_line.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace krigon::testing {
namespace fs = std::filesystem;
namespace {

sockaddr_un address_in(const fs::path& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = folder / ".s.PGSQL.5432";
  if (name.size() >= sizeof address.sun_path)
    throw std::system_error(ENAMETOOLONG, std::generic_category(), name);
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  return address;
}

int stream() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "a socket");
  return fd;
}

bool send_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

/// Of the server's message that `text` begins with, 0 where it is not yet whole. A letter, then the length of
/// all but the letter.
std::size_t message_size(const char* text, std::size_t size) {
  if (size < 5) return 0;
  std::uint32_t length = 0;
  for (int i = 1; i < 5; ++i) length = length << 8U | static_cast<unsigned char>(text[i]);
  return size < length + 1U ? 0 : length + 1U;
}

}  // namespace

BadLine::BadLine(const fs::path& server, const fs::path& folder) : server_(server), listener_(stream()) {
  const sockaddr_un own = address_in(folder);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 ||
      ::listen(listener_, 16) != 0) {
    const int error = errno;
    ::close(listener_);
    throw std::system_error(error, std::generic_category(), folder.string());
  }
  accepting_ = std::thread([this] { accept_all(); });
}

BadLine::~BadLine() {
  ends_ = true;
  accepting_.join();
  for (std::thread& each : threads_) each.join();
  ::close(listener_);
}

void BadLine::lose_answer(std::function<bool()> lost) {
  const std::lock_guard guard(lock_);
  lost_ = std::move(lost);
}

void BadLine::accept_all() {
  while (!ends_) {
    pollfd waits{listener_, POLLIN, 0};
    if (::poll(&waits, 1, 20) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) threads_.emplace_back([this, client] { carry(client); });
  }
}

void BadLine::carry(int client) {
  const int server = stream();
  const sockaddr_un address = address_in(server_);
  bool open = ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  bool cut_off = false;
  std::string held;
  std::array<char, 65536> block{};
  while (open && !ends_) {
    std::array<pollfd, 2> waits{{{cut_off ? -1 : client, POLLIN, 0}, {server, POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), 20) <= 0) continue;
    if (waits[0].revents != 0) {
      const ssize_t got = ::recv(client, block.data(), block.size(), 0);
      open = got > 0 && send_all(server, block.data(), static_cast<std::size_t>(got));
      if (open && hangs_up_.exchange(false)) {
        cut_off = true;
        ++breaks_;
        ::shutdown(client, SHUT_RDWR);
      }
    }
    if (open && waits[1].revents != 0) {
      const ssize_t got = ::recv(server, block.data(), block.size(), 0);
      if (got > 0) held.append(block.data(), static_cast<std::size_t>(got));
      open = got > 0 && (cut_off || answer(client, held));
    }
  }
  ::close(server);
  ::close(client);
}

bool BadLine::answer(int client, std::string& held) {
  std::size_t end = 0;
  while (const std::size_t size = message_size(held.data() + end, held.size() - end)) {
    // "Ready", and I: in no transaction.
    const bool idle = held[end] == 'Z' && held[end + 5] == 'I';
    const bool ready = held[end] == 'Z';
    end += size;
    if (!ready) continue;
    if (idle && is_lost()) return false;
    if (!send_all(client, held.data(), end)) return false;
    held.erase(0, end);
    end = 0;
  }
  return true;
}

bool BadLine::is_lost() {
  std::function<bool()> lost;
  {
    const std::lock_guard guard(lock_);
    lost = std::exchange(lost_, nullptr);
  }
  if (!lost) return false;
  if (lost()) {
    ++breaks_;
    return true;
  }
  const std::lock_guard guard(lock_);
  if (!lost_) lost_ = std::move(lost);
  return false;
}

}  // namespace krigon::testing
