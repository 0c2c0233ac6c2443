#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/history.hpp"

namespace krigon {

/// A sampler's answer: a feasible point and what it rested on.
struct Suggestion {
  Parameters parameters;
  Proposal proposal;       ///< saw_sequence and pending are filled in by the caller
  bool exhausted = false;  ///< nothing left to propose (grid): parameters are empty
};

/// Proposes points. Contract (tests/conformance/sampler):
/// - propose() is a function of (seed, history, number): the same on a fresh object as on one that
///   was asked before, bit for bit on one build, CPU kind and thread count.
/// - The point is complete and feasible (Space::validate passes). Where 10,000 draws find no
///   feasible point, throws SpaceError that names the constraints.
/// - Pending trials count as places already taken: asks without tells give different points while
///   the space has that many.
/// - Failed trials are never read as a number.
/// - A numerical failure falls back a step at a time and says so in Proposal::note.
/// Not thread-safe: the study manager calls it from one thread at a time.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual std::string_view name() const = 0;
  /// The parameters of trial `number`.
  virtual Suggestion propose(const History& history, std::int64_t number) = 0;
  /// Whether what it proposes depends on what was told.
  virtual bool learns() const { return true; }
  /// What it will do in this space, in a sentence or two, for `krigon check`.
  virtual std::string describe(const Space& space) const = 0;
};

}  // namespace krigon
