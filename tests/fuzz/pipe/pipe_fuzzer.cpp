// Lines of any bytes to a pipe session: each is answered by one line of JSON, whatever came before.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "cli/pipe_session.hpp"
#include "tests/unit/cli/fake_study.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto spec = krigon::testing::counting_spec();
  spec.budget.trials = 6;
  spec.early_stopping.type = "asha";
  spec.early_stopping.reduction = 2;
  const auto manager = krigon::testing::make_counting(spec);
  krigon::cli::PipeSession session(*manager);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string answer = session.handle(text.substr(at, end - at));
    if (answer.find('\n') != std::string::npos || !nlohmann::json::parse(answer).is_object()) std::abort();
    at = end + 1;
  }
  return 0;
}
