// Runs a fuzz target over its corpus, and over each input cut short at several places, without
// libFuzzer: what was once found stays mended, whichever compiler builds it.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

TEST(Fuzz, Corpus) {
  const auto folder = std::filesystem::path(KRIGON_SOURCE_DIR) / "tests/fuzz/corpus" / KRIGON_FUZZ_TARGET;
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(stream), {}};
    run(input);
    for (std::size_t part = 1; part < 16; ++part) run(input.substr(0, input.size() * part / 16));
    ++inputs;
  }
  EXPECT_GT(inputs, 0) << folder;
}

}  // namespace
