#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "app/gaussian_process.hpp"
#include "krigon/acquisition.hpp"

namespace krigon {

/// Where an acquisition is looked for: bounds of every column, and the choices of the categorical ones.
/// Unit coordinates are in [0, 1], those of choices cut into as many levels.
class SearchBox {
 public:
  /// Of the options, else of the first process. UsageError, named after `what`, where there is no such box.
  SearchBox(std::span<ProcessAccess::Impl* const> processes, const AcquisitionOptions& options,
            const char* what);

  std::size_t columns() const { return low_.size(); }
  bool categorical(std::size_t column) const { return !choices_[column].empty(); }
  double width(std::size_t column) const { return high_[column] - low_[column]; }

  /// Any number of points; spans of the same length.
  void from_unit(std::span<const double> unit, std::span<double> x) const;
  void to_unit(std::span<const double> x, std::span<double> unit) const;
  bool contains(std::span<const double> point) const;
  /// count groups of q points, of a scrambled Sobol sequence.
  std::vector<double> sobol(std::size_t count, std::size_t q, std::uint64_t seed) const;

 private:
  std::vector<double> low_, high_;
  std::vector<std::vector<double>> choices_;
};

}  // namespace krigon
