#include "worker/outage.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace krigon {
namespace {

/// What is shorter is not worth a word.
constexpr std::chrono::seconds kWorthAWord{5};

}  // namespace

Outage::Outage(Storage& storage, std::chrono::microseconds longest, RunObserver& observer,
               std::function<bool()> meanwhile)
    : storage_(storage), longest_(longest), observer_(observer), meanwhile_(std::move(meanwhile)) {
  storage_.set_patience(
      [this](std::chrono::milliseconds waited, const std::string& why) { return wait_on(waited, why); });
}

Outage::~Outage() {
  storage_.set_patience({});
}

void Outage::over() {
  if (!said_) return;
  said_ = false;
  observer_.note("the store is back");
}

bool Outage::wait_on(std::chrono::milliseconds waited, const std::string& why) noexcept {
  if (std::this_thread::get_id() != thread_) return false;
  try {
    if (!said_ && waited >= kWorthAWord) {
      said_ = true;
      observer_.note(fmt::format("{}; trials run on, and it is waited for up to {:.0f} s", why,
                                 std::chrono::duration<double>(longest_).count()));
    }
    const bool leaving = meanwhile_();
    return waited < (leaving ? std::min<std::chrono::microseconds>(longest_, kPatience) : longest_);
  } catch (...) {
    return false;  // it is the store's error that is told
  }
}

}  // namespace krigon
