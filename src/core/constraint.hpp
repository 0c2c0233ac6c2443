#pragma once

#include <memory>
#include <string>
#include <vector>

#include "krigon/space.hpp"

namespace krigon::detail {

/// One inequality between parameters, compiled once by muParser. Safe to evaluate from several
/// threads (a lock inside: the compiled form keeps its variables).
class Constraint {
 public:
  /// Throws SpaceError when the text does not parse, names no parameter of the space, or names one
  /// that holds text.
  Constraint(std::string text, const std::vector<Parameter>& parameters);
  ~Constraint();
  Constraint(Constraint&&) noexcept;
  Constraint& operator=(Constraint&&) noexcept;

  const std::string& text() const;
  /// True when the expression is not 0, or a parameter that it names is absent from `point`; false
  /// when it has no value (NaN).
  bool holds(const Parameters& point) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace krigon::detail
