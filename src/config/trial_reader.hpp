#pragma once

#include <string>
#include <vector>

#include "config/command.hpp"
#include "config/field.hpp"
#include "core/spec.hpp"

namespace krigon::detail {

/// The section `trial`. `objective`: the metric's name, empty where it is not known; a metric that is read
/// from output is likely to be that.
TrialSpec read_trial(const Field& field, const CommandNames& names, const std::string& objective);

/// Reports parameters that would reach a trial under one and the same variable.
void check_variables(const Field& parameters);

/// The section `on_best`: its command. `checkpoint`: as for read_command().
std::vector<std::string> read_on_best(const Field& field, const CommandNames& names, bool checkpoint);

}  // namespace krigon::detail
