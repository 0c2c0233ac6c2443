#include "core/clock.hpp"

#include <chrono>

namespace krigon {

TimeUs SystemClock::now() const {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace krigon
