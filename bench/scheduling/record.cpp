#include "record.hpp"

#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "problems.hpp"

namespace krigon::bench {

Record::Record(const std::string& name) : steps_(kMaxSteps) {
  const std::string path = fmt::format("{}/bench/scheduling/curves/{}.curves", KRIGON_SOURCE_DIR, name);
  std::ifstream file(path, std::ios::binary);
  std::string head;
  if (!std::getline(file, head)) throw EnvironmentError(fmt::format("{}: cannot be read", path));
  std::istringstream words(head);
  std::string kind;
  std::size_t steps = 0;
  double least = 0, most = 0;
  words >> kind >> steps >> least >> most;
  if (!words || kind != "krigon-curves" || steps != steps_ || !(least > 0 && most > least)) {
    throw EnvironmentError(fmt::format("{}: begins with \"{}\", expected \"krigon-curves {} LEAST MOST\"",
                                       path, head.substr(0, 60), steps_));
  }
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty() || bytes.size() % (2 * steps_) != 0) {
    throw EnvironmentError(
        fmt::format("{}: found {} bytes of curves, expected rows of {}", path, bytes.size(), 2 * steps_));
  }
  const auto byte = [&](std::size_t at) {
    return static_cast<unsigned>(static_cast<unsigned char>(bytes[at]));
  };
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    const double code = byte(at) + 256 * byte(at + 1);
    values_.push_back(static_cast<float>(least * std::pow(most / least, code / 65535)));
  }
}

}  // namespace krigon::bench
