#pragma once

#include "simulation.hpp"

namespace krigon::bench {

/// The same on the same clock, with the points of the sampler auto: the study manager as
/// it is in production over a store in memory, so that the sampler sees running trials as pending ones and
/// learns from the reports of stopped ones. An ask takes no time on the clock. Of recorded
/// problems it chooses among the configurations. Rules that clone trials have no place here. A study that has
/// nothing more to begin before the target is reached ends without it.
Result simulate_study(const Setting& setting);

}  // namespace krigon::bench
