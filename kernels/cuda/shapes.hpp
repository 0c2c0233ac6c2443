#pragma once

#include "backend/view.hpp"
#include "krigon/error.hpp"

namespace krigon::cuda {

inline void require(bool fine, const char* what) {
  if (!fine) throw UsageError(what);
}

template <typename T>
bool square(const BasicView<T>& view) {
  return view.rows == view.columns;
}

}  // namespace krigon::cuda
