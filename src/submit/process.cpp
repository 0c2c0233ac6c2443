#include "submit/process.hpp"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

/// Closed at the end of its scope.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

class SpawnActions {
 public:
  SpawnActions() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  posix_spawn_file_actions_t* actions() { return &actions_; }
  posix_spawnattr_t* attributes() { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

[[noreturn]] void fail(std::string_view what, int error) {
  throw EnvironmentError(fmt::format("{}: {}", what, std::strerror(error)));
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// This process's variables but for those named, as "NAME=value".
std::vector<std::string> inherited_without(const std::vector<std::string>& names) {
  std::vector<std::string> kept;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    bool left_out = false;
    for (const auto& other : names) left_out = left_out || name == other;
    if (!left_out) kept.emplace_back(text);
  }
  return kept;
}

/// 0, or why not.
int spawn(pid_t& pid, SpawnActions& how, std::vector<std::string> argv,
          std::vector<std::string> environment) {
  const auto words = pointers_to(argv);
  const auto variables = pointers_to(environment);
  return posix_spawnp(&pid, words[0], how.actions(), how.attributes(), words.data(), variables.data());
}

std::string all_of(const File& file) {
  std::string text;
  ::lseek(file.fd(), 0, SEEK_SET);
  char part[4096];
  for (ssize_t n = 0; (n = ::read(file.fd(), part, sizeof part)) > 0;)
    text.append(part, static_cast<std::size_t>(n));
  const auto last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text;
}

}  // namespace

std::optional<ProgramEnd> run_program(const std::vector<std::string>& argv,
                                      const std::vector<std::string>& without) {
  // Files in memory take any amount of output without anybody reading meanwhile.
  const File out(::memfd_create("out", MFD_CLOEXEC));
  const File err(::memfd_create("err", MFD_CLOEXEC));
  if (out.fd() < 0 || err.fd() < 0) fail("no room for the output of " + argv.at(0), errno);
  SpawnActions how;
  posix_spawn_file_actions_addopen(how.actions(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(how.actions(), out.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(how.actions(), err.fd(), STDERR_FILENO);
  pid_t pid = 0;
  const int error = spawn(pid, how, argv, inherited_without(without));
  if (error == ENOENT) return std::nullopt;
  if (error != 0) fail("cannot start " + argv.at(0), error);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) fail("cannot wait for " + argv.at(0), errno);
  }
  return ProgramEnd{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), all_of(out),
                    all_of(err)};
}

pid_t start_detached(const DetachedProgram& program) {
  SpawnActions how;
  posix_spawnattr_setflags(how.attributes(), POSIX_SPAWN_SETSID);
  posix_spawn_file_actions_addchdir_np(how.actions(), program.folder.c_str());
  posix_spawn_file_actions_addopen(how.actions(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(how.actions(), STDOUT_FILENO, program.log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0666);
  posix_spawn_file_actions_adddup2(how.actions(), STDOUT_FILENO, STDERR_FILENO);
  std::vector<std::string> names;
  for (const auto& variable : program.environment) names.push_back(variable.substr(0, variable.find('=')));
  std::vector<std::string> environment = inherited_without(names);
  environment.insert(environment.end(), program.environment.begin(), program.environment.end());
  pid_t pid = 0;
  const int error = spawn(pid, how, program.argv, environment);
  if (error != 0) {
    fail(fmt::format("cannot start {} in {} with its output in {}", program.argv.at(0),
                     program.folder.string(), program.log.string()),
         error);
  }
  return pid;
}

void write_file(const std::filesystem::path& file, const std::string& text, mode_t mode) {
  std::string name = file.string() + ".XXXXXX";
  const File written(::mkostemp(name.data(), O_CLOEXEC));  // mode 0600 until all is in it
  if (written.fd() < 0) fail("cannot write " + file.string(), errno);
  int error = 0;
  for (std::string_view rest = text; error == 0 && !rest.empty();) {
    const ssize_t n = ::write(written.fd(), rest.data(), rest.size());
    if (n >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0 && ::fchmod(written.fd(), mode) != 0) error = errno;
  if (error == 0 && ::rename(name.c_str(), file.c_str()) != 0) error = errno;
  if (error == 0) return;
  ::unlink(name.c_str());
  fail("cannot write " + file.string(), error);
}

}  // namespace krigon
