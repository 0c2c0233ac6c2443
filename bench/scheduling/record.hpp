#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace krigon::bench {

/// Learning curves of real trainings, one of each random configuration: curves/record.py made them, and says
/// how the file is laid out.
class Record {
 public:
  /// `name`: of a file in curves/, without its ending. Throws EnvironmentError where it is missing or is no
  /// such file.
  explicit Record(const std::string& name);
  std::size_t size() const { return values_.size() / steps_; }
  /// The loss after each step.
  std::span<const float> curve(std::size_t at) const {
    return std::span(values_).subspan(at * steps_, steps_);
  }

 private:
  std::size_t steps_ = 0;
  std::vector<float> values_;
};

}  // namespace krigon::bench
