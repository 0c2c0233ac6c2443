#include "app/acquisition/box.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "krigon/error.hpp"
#include "optim/sobol.hpp"

namespace krigon {

SearchBox::SearchBox(std::span<ProcessAccess::Impl* const> processes, const AcquisitionOptions& options,
                     const char* what) {
  const ProcessAccess::Impl& first = *processes.front();
  const std::size_t d = first.columns;
  const bool given = !options.lower.empty() || !options.upper.empty();
  if (given && (options.lower.size() != d || options.upper.size() != d)) {
    throw UsageError(fmt::format("{}: {} columns, but {} lower and {} upper bounds", what, d,
                                 options.lower.size(), options.upper.size()));
  }
  choices_.resize(d);
  for (std::size_t c = 0; c < d; ++c) {
    const InputColumn& input = first.inputs[c];
    const double low = given ? options.lower[c] : input.middle - input.width / 2;
    const double high = given ? options.upper[c] : input.middle + input.width / 2;
    if (!std::isfinite(low) || !std::isfinite(high) || !(low <= high)) {
      throw UsageError(fmt::format("{}: column {} has the bounds {} and {}", what, c, low, high));
    }
    low_.push_back(low);
    high_.push_back(high);
    for (const ProcessAccess::Impl* process : processes) {
      const auto& choices = process->inputs[c].choices;
      if (!choices.empty()) choices_[c] = choices;
    }
  }
}

void SearchBox::from_unit(std::span<const double> unit, std::span<double> x) const {
  const std::size_t d = columns();
  for (std::size_t i = 0; i < unit.size(); ++i) {
    const std::size_t c = i % d;
    const auto& choices = choices_[c];
    if (choices.empty()) {
      x[i] = std::clamp(low_[c] + unit[i] * (high_[c] - low_[c]), low_[c], high_[c]);
    } else {
      const auto level = static_cast<std::size_t>(unit[i] * static_cast<double>(choices.size()));
      x[i] = choices[std::min(level, choices.size() - 1)];
    }
  }
}

void SearchBox::to_unit(std::span<const double> x, std::span<double> unit) const {
  const std::size_t d = columns();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % d;
    const auto& choices = choices_[c];
    if (choices.empty()) {
      unit[i] = width(c) > 0 ? (x[i] - low_[c]) / width(c) : 0.0;
    } else {
      const auto level = std::lower_bound(choices.begin(), choices.end(), x[i]) - choices.begin();
      unit[i] = (static_cast<double>(level) + 0.5) / static_cast<double>(choices.size());
    }
  }
}

bool SearchBox::contains(std::span<const double> point) const {
  for (std::size_t c = 0; c < columns(); ++c) {
    if (!categorical(c) && !(low_[c] <= point[c] && point[c] <= high_[c])) return false;
  }
  return true;
}

std::vector<double> SearchBox::sobol(std::size_t count, std::size_t q, std::uint64_t seed) const {
  const std::size_t dims = q * columns();
  const ScrambledSobol sobol(dims, seed);
  std::vector<double> x(count * dims), unit(dims);
  for (std::size_t i = 0; i < count; ++i) {
    sobol.point(static_cast<std::uint32_t>(i), unit);
    from_unit(unit, std::span(x).subspan(i * dims, dims));
  }
  return x;
}

}  // namespace krigon
