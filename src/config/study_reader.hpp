#pragma once

#include "config/diagnostics.hpp"
#include "config/document.hpp"
#include "config/study_file.hpp"

namespace krigon::detail {

/// A study from a file's tree. Errors and warnings go to `diagnostics`; what is returned is whole only
/// where there are no errors.
LoadedStudy read_study(const Node& root, const std::filesystem::path& folder, Diagnostics& diagnostics);

}  // namespace krigon::detail
