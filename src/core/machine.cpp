#include "core/machine.hpp"

#include "core/machine_step.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace detail {

Result apply(const Rows& rows, const TakeSuggester& c, TimeUs now) {
  if (c.worker.empty()) return refuse(RefusalKind::usage, "a suggester needs a name");
  Transition result;
  StudyHead head = rows.head();
  const bool own = head.suggester == c.worker;
  const bool free = head.suggester.empty() || lease_over(head.suggester_until, now, c.stood_until) ||
                    (!c.dead.empty() && head.suggester == c.dead);
  if (!own && (c.lease == 0 || !free)) return result;
  if (!own) ++head.suggester_fence;
  head.suggester = c.lease == 0 ? "" : c.worker;
  head.suggester_until = c.lease == 0 ? 0 : now + c.lease;
  result.change.head = std::move(head);
  return result;
}

Result apply(const Rows& rows, const AddRunningTime& c, TimeUs /*now*/) {
  if (c.amount < 0) return refuse(RefusalKind::usage, "running time cannot be negative");
  Transition result;
  result.change.head = rows.head();
  result.change.head->running_time += c.amount;
  return result;
}

}  // namespace detail

bool lease_over(TimeUs until, TimeUs now, TimeUs stood_until) {
  return until != 0 && (until <= now || until == stood_until);
}

std::variant<Transition, Refusal> transition(const Rows& rows, const Command& command, TimeUs now) {
  return std::visit([&](const auto& c) { return detail::apply(rows, c, now); }, command);
}

void throw_refusal(const Refusal& refusal) {
  switch (refusal.kind) {
    case RefusalKind::not_found:
      throw NotFoundError(refusal.message);
    case RefusalKind::usage:
      throw UsageError(refusal.message);
    case RefusalKind::lease_lost:
      throw LeaseLostError(refusal.message);
    case RefusalKind::stale:
      throw StaleError(refusal.message);
    case RefusalKind::conflict:
      break;
  }
  throw ConflictError(refusal.message);
}

}  // namespace krigon
