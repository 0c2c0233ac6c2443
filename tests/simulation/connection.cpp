#include "simulation/connection.hpp"

#include <algorithm>

#include "krigon/error.hpp"

namespace krigon::simulation {
namespace {

/// Commands that are late at once, one above another: more would only wait for each other.
constexpr int kDeepestDelay = 3;

}  // namespace

void Connection::before() {
  if (dead) throw Violation{"the dead are silent", name + " gave a command after its end"};
  ++commands;
  applies = false;
  bool lost = false;
  spring(false, lost);
  delay(2 * commands);
  if (cut_until > world.now()) wait_for_network(cut_until);
}

bool Connection::after() {
  bool lost = false;
  spring(true, lost);
  if (!lost) delay(2 * commands + 1);
  return lost;
}

bool Connection::springs(const Trap& trap, bool afterwards) const {
  // The answer to a question may be lost unnoticed: it is put again.
  return trap.afterwards == afterwards && (trap.what != Trap::What::lose_answer || applies);
}

void Connection::spring(bool afterwards, bool& lost) {
  while (!traps.empty() && springs(traps.front(), afterwards)) {
    const Trap trap = traps.front();
    traps.pop_front();
    switch (trap.what) {
      case Trap::What::kill:
        throw Killed{};
      case Trap::What::stop:
        world.hold_up(*this, world.now() + trap.amount);
        break;
      case Trap::What::lose_answer:
        lost = true;
        cut_until = std::max(cut_until, world.now() + trap.amount);
        wait_for_network(cut_until);
        break;
    }
  }
}

void Connection::wait_for_network(TimeUs until) {
  const TimeUs deadline = world.now() + world.plan().patience;
  world.hold_up(*this, std::min(until, deadline));
  if (until > deadline) throw StorageError("the store cannot be reached");
}

void Connection::delay(std::uint64_t which) {
  if (world.plan().delays == 0 || world.depth() >= kDeepestDelay) return;
  Draw draw(world.plan().seed, (id << 40U) ^ which, Topic::delay);
  if (!draw.chance(world.plan().delays)) return;
  world.hold_up(*this, world.now() + draw.between(1, draw.chance(0.1) ? 2 * kSecond : 100 * kMillisecond));
}

}  // namespace krigon::simulation
