#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "app/acquisition/box.hpp"

namespace krigon {

/// Values (m) of groups of q points x (m q x d), and their gradients unless that is empty.
using GroupFunction =
    std::function<void(std::span<const double> x, std::span<double> value, std::span<double> gradient)>;

/// Candidates with their values: groups of q points.
struct RawCandidates {
  std::span<const double> x;  ///< m q x d
  std::span<const double> value;
};

/// Appends a group of options.q points put together one after another, each the best for those before it:
/// random groups of many points hardly ever have every point in a good place. `regroup` makes groups of
/// `function` be of so many points; in the end of options.q.
void append_greedy(const GroupFunction& function, const std::function<void(std::size_t)>& regroup,
                   const SearchBox& box, const AcquisitionOptions& options, std::vector<double>& x,
                   std::vector<double>& value);

/// The best of the candidates and of what L-BFGS-B makes of those chosen among them, in lockstep. `stream`
/// sets the choices of several searches of one seed apart.
AcquisitionMaximum search_maximum(const GroupFunction& function, const SearchBox& box, std::size_t q,
                                  const RawCandidates& raw, const AcquisitionOptions& options,
                                  std::uint64_t stream);

}  // namespace krigon
