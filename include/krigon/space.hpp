#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "krigon/value.hpp"

#pragma GCC visibility push(default)

namespace krigon {

enum class Scale { linear, log };

/// Real values in [min, max], or min + i·step up to max where `step` is set (linear only).
struct RealDomain {
  double min = 0;
  double max = 1;
  Scale scale = Scale::linear;
  std::optional<double> step = {};
};

/// Integers min, min+step, ... up to max. With Scale::log min must be at least 1 and step 1.
struct IntegerDomain {
  std::int64_t min = 0;
  std::int64_t max = 1;
  Scale scale = Scale::linear;
  std::int64_t step = 1;
};

/// One of the listed values. `ordered` says that neighbours in the list are alike (batch sizes).
struct CategoricalDomain {
  std::vector<Value> values;
  bool ordered = false;
};

/// Always this value; the model never sees it.
struct ConstantDomain {
  Value value;
};

using Domain = std::variant<RealDomain, IntegerDomain, CategoricalDomain, ConstantDomain>;

/// The parameter holds one of these values. False while that parameter is itself inactive.
struct Condition {
  std::string parameter;
  std::vector<Value> values;
};

struct Parameter {
  std::string name;
  Domain domain;
  std::vector<Condition> when = {};  ///< active only where all hold; empty: always active
};

/// A search space: named parameters, some of them active only under conditions, and constraints
/// between them. Immutable and cheap to copy. Safe to read from several threads.
class Space {
 public:
  Space();
  /// Throws SpaceError, naming the parameter, when a domain is empty or not finite, a name is
  /// doubled or not [A-Za-z_][A-Za-z0-9_.-]*, a condition names an unknown parameter, a value that
  /// it cannot take, or itself through a circle, or when a constraint does not parse or names an
  /// unknown parameter. Constraints are muParser expressions over numeric and boolean parameters,
  /// true when not 0; one that names an inactive parameter is taken as satisfied.
  explicit Space(std::vector<Parameter> parameters, std::vector<std::string> constraints = {});
  ~Space();
  Space(const Space&);
  Space(Space&&) noexcept;
  Space& operator=(const Space&);
  Space& operator=(Space&&) noexcept;

  /// In the order given.
  const std::vector<Parameter>& parameters() const;
  const std::vector<std::string>& constraints() const;
  /// Indices into parameters(), every parent before its children.
  const std::vector<std::size_t>& order() const;
  /// nullptr where there is none of that name.
  const Parameter* find(std::string_view name) const;

  /// Whether `parameter` is active at `point` (its parents must already be in `point`).
  bool active(const Parameter& parameter, const Parameters& point) const;
  /// Whether every constraint holds at a complete point.
  bool feasible(const Parameters& point) const;
  /// Throws SpaceError unless `point` holds exactly the active parameters, each with a value of its
  /// domain, and satisfies the constraints. The message names the first offender and what is allowed.
  void validate(const Parameters& point) const;
  /// `point` with defaults filled in: constants, integers given where reals are meant (and reals
  /// that are whole where integers are), then validated.
  Parameters complete(const Parameters& point) const;
  /// The number of points, or nullopt where a real parameter makes it infinite (conditions and
  /// constraints counted as if absent; saturates at 2^62).
  std::optional<std::int64_t> size() const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace krigon

#pragma GCC visibility pop
