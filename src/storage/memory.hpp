#pragma once

#include <memory>

#include "core/clock.hpp"
#include "core/storage.hpp"

namespace krigon::detail {

/// A store in this process's memory; one mutex guards it. `clock` must outlive it.
std::unique_ptr<Storage> open_memory(const Clock& clock, bool read_only);

}  // namespace krigon::detail
