#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "krigon/gp.hpp"
#include "model/gp.hpp"

namespace krigon {

/// A column of the user's as the model sees it.
struct InputColumn {
  double middle = 0;
  double width = 1;             ///< > 0: the model's column is (x - middle) / width
  std::vector<double> choices;  ///< of a categorical column, ascending: one model column each
  std::size_t first = 0;        ///< model column
};

struct GaussianProcess::Impl {
  GpOptions options;
  std::size_t columns = 0;  ///< d
  std::size_t width = 0;    ///< D, of the model
  std::vector<InputColumn> inputs;
  std::shared_ptr<Backend> backend;
  std::string device;
  GpData data;
  FitResult result;
  std::optional<Posterior> posterior;
  std::string note;

  /// y per model unit.
  double scale() const { return result.transform.spread / result.transform.factor; }

  void set_columns(std::span<const double> x);
  void set_kernel();
  /// The model's rows of points. UsageError where they are no points, named after `what`.
  std::vector<double> rows(std::span<const double> x, const char* what) const;
  void rows(std::span<const double> x, const char* what, std::vector<double>& rows) const;
  /// Observed point i in the user's columns, within rounding.
  std::vector<double> point(std::size_t i) const;
  /// The gradient over rows as one over the user's columns; 0 where a column is categorical.
  void pull_back(std::span<const double> row_gradient, std::span<double> gradient) const;
  void fit();
};

/// Lets the rest of the library at what a process is made of.
struct ProcessAccess {
  using Impl = GaussianProcess::Impl;
  static Impl& of(GaussianProcess& process) { return *process.impl_; }
};

}  // namespace krigon
