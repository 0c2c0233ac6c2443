#include "worker/fingerprint.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
      throw EnvironmentError("SHA-256 is not available in this machine's libcrypto");
    }
  }
  void add(const void* data, std::size_t size) { EVP_DigestUpdate(context_.get(), data, size); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    std::string text;
    for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

std::string hash_file(const fs::path& path, const std::string& shown) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ConfigError(fmt::format("inputs: \"{}\" cannot be read ({})", shown, path.string()));
  Sha256 hash;
  std::array<char, 1 << 16> block{};
  while (file.read(block.data(), block.size()) || file.gcount() > 0) {
    hash.add(block.data(), static_cast<std::size_t>(file.gcount()));
  }
  return hash.hex();
}

std::string hash_input(const fs::path& folder, const std::string& input) {
  const fs::path path = folder / input;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw ConfigError(fmt::format("inputs: \"{}\" is not there (looked for {})", input, path.string()));
  }
  if (!fs::is_directory(path)) return hash_file(path, input);
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), path).generic_string());
  }
  std::sort(files.begin(), files.end());
  Sha256 hash;
  for (const auto& file : files) {
    std::string line = file;
    line += '\0';
    line += hash_file(path / file, fmt::format("{}/{}", input, file));
    line += '\n';
    hash.add(line.data(), line.size());
  }
  return hash.hex();
}

/// What git prints, without its last newline; nullopt where it fails or is not installed.
std::optional<std::string> git(const fs::path& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"git", "-C", folder.string()});
  std::vector<char*> argv;
  for (auto& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, "git", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::string text;
  std::array<char, 4096> block{};
  for (ssize_t n = 0; error == 0 && (n = ::read(pipe[0], block.data(), block.size())) > 0;) {
    text.append(block.data(), static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  if (error != 0) return std::nullopt;
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return std::nullopt;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

json fingerprint(const StudySpec& spec, const fs::path& study_folder) {
  const fs::path folder = study_folder.empty() ? fs::path(".") : study_folder;
  json result{
      {"commit", nullptr}, {"dirty", false}, {"command", spec.trial.command}, {"inputs", json::object()}};
  if (const auto commit = git(folder, {"rev-parse", "--verify", "HEAD"})) {
    result["commit"] = *commit;
    const auto changed = git(folder, {"status", "--porcelain", "--untracked-files=no"});
    result["dirty"] = changed && !changed->empty();
  }
  for (const auto& input : spec.inputs) result["inputs"][input] = hash_input(folder, input);
  return result;
}

std::vector<std::string> fingerprint_differences(const json& then, const json& now) {
  std::vector<std::string> lines;
  if (!then.is_object() || !now.is_object()) {
    if (then != now) lines.emplace_back("nothing was recorded of the code and inputs");
    return lines;
  }
  const auto shown = [](const json& j) { return j.is_string() ? j.get<std::string>() : j.dump(); };
  for (const char* key : {"commit", "command"}) {
    if (then.value(key, json()) != now.value(key, json())) {
      lines.push_back(fmt::format("{}: was {}, is {}", key, shown(then.value(key, json())),
                                  shown(now.value(key, json()))));
    }
  }
  if (then.value("dirty", false) || now.value("dirty", false)) {
    lines.push_back(fmt::format(
        "the code {} changes that no commit holds",
        then.value("dirty", false) ? (now.value("dirty", false) ? "had and has" : "had") : "has"));
  }
  const json before = then.value("inputs", json::object()), after = now.value("inputs", json::object());
  for (const auto& [path, hash] : before.items()) {
    if (!after.contains(path)) {
      lines.push_back(fmt::format("input {}: no longer declared", path));
    } else if (after.at(path) != hash) {
      lines.push_back(fmt::format("input {}: its content has changed", path));
    }
  }
  for (const auto& [path, hash] : after.items()) {
    if (!before.contains(path)) lines.push_back(fmt::format("input {}: was not declared", path));
  }
  return lines;
}

}  // namespace krigon
