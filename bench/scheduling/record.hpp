#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krigon/space.hpp"
#include "krigon/value.hpp"

namespace krigon::bench {

/// Learning curves of real trainings, one of each random configuration, and what the configurations are:
/// record.py made them, and says how the files are laid out.
class Record {
 public:
  /// Of files in curves/, without their endings: that of the curves, and that of the parameters, which
  /// records of the same trainings share. Throws EnvironmentError where one is missing or is no such file,
  /// or where they do not belong together.
  Record(const std::string& curves, const std::string& parameters);
  std::size_t size() const { return values_.size() / steps_; }
  /// The loss after each step.
  std::span<const float> curve(std::size_t at) const {
    return std::span(values_).subspan(at * steps_, steps_);
  }
  const Space& space() const { return space_; }
  /// Of each configuration.
  const std::vector<Parameters>& parameters() const { return parameters_; }
  /// The configuration that has these parameters.
  std::optional<std::size_t> number_of(const Parameters& parameters) const;

 private:
  void read_curves(const std::string& path);
  void read_parameters(const std::string& path);

  std::size_t steps_ = 0;
  std::vector<float> values_;
  Space space_;
  std::vector<Parameters> parameters_;
  std::map<Parameters, std::size_t> numbers_;
};

}  // namespace krigon::bench
