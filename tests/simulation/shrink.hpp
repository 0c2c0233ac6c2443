#pragma once

#include <functional>
#include <optional>

#include "simulation/world.hpp"

namespace krigon::simulation {

struct Shrunk {
  Plan plan;
  Chronicle history;
  int runs = 0;
};

/// A smaller plan that fails by the same invariant: faults are left out by delta debugging (Zeller and
/// Hildebrandt 2002, "Simplifying and Isolating Failure-Inducing Input"), workers, trials and delays as far
/// as they can be. Precondition: `plan` fails with these options.
Shrunk shrink(const Plan& plan, const Options& options);

/// The plan for a person: what is left, what happened, what broke.
std::string describe(const Plan& plan, const Chronicle& history);

}  // namespace krigon::simulation
