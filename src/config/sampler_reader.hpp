#pragma once

#include "config/field.hpp"
#include "core/spec.hpp"

namespace krigon::detail {

/// The key `sampler`: a type, or a section. `space`: what it samples, nullptr where that is not known whole.
SamplerSpec read_sampler(const Field& field, const Space* space);

}  // namespace krigon::detail
