#pragma once

#include "config/field.hpp"
#include "krigon/study.hpp"

namespace krigon::detail {

/// The section `early_stopping` of a study that runs `parallel` trials at a time. What is wrong is reported;
/// what is returned then is of no use.
EarlyStopping read_early_stopping(const Field& field, std::int64_t parallel);

}  // namespace krigon::detail
