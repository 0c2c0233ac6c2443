// A trial that does nothing for some seconds and says so twice: to Krigon, and to a log of its own, which is
// a witness outside the store.
//
//   krigon_faults_trial SECONDS LOG    appends "trial attempt began ended value" to LOG, times in
//   microseconds
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace {

std::int64_t microseconds() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{1'000'000} * now.tv_sec + now.tv_nsec / 1000;
}

bool append(const char* file, const std::string& line) {
  const int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  const bool whole = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  return close(fd) == 0 && whole;
}

}  // namespace

int main(int argc, char** argv) {
  const char* trial = std::getenv("KRIGON_TRIAL");
  const char* attempt = std::getenv("KRIGON_ATTEMPT");
  const char* report = std::getenv("KRIGON_REPORT_FILE");
  if (argc != 3 || trial == nullptr || attempt == nullptr || report == nullptr) {
    std::fprintf(stderr, "usage: %s SECONDS LOG, as a trial of Krigon\n", argv[0]);
    return 2;
  }
  const std::int64_t began = microseconds();
  const std::int64_t number = std::atoll(trial);
  // Small, so that every display shows it whole; another one at each attempt.
  const std::string value = std::to_string((number * 7 + std::atoll(attempt)) % 1000);
  if (!append(report, "{\"step\": 1, \"loss\": " + value + "}\n")) return 3;
  const auto nanoseconds = static_cast<std::int64_t>(std::atof(argv[1]) * 1e9);
  timespec left{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
  nanosleep(&left, nullptr);
  if (number % 31 == 7) return 1;
  if (!append(report, "{\"loss\": " + value + "}\n")) return 3;
  const std::string line = std::string(trial) + " " + attempt + " " + std::to_string(began) + " " +
                           std::to_string(microseconds()) + " " + value + "\n";
  return append(argv[2], line) ? 0 : 3;
}
