#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "backend/backend.hpp"
#include "krigon/error.hpp"
#include "model/gp.hpp"

namespace krigon {

namespace detail {
inline constexpr double kSmallestVariance = 1e-18;  ///< of the signal's
}

struct Posterior::Impl {
  Backend* backend = nullptr;
  Hyperparameters hyperparameters;
  OutputTransform transform;
  std::size_t columns = 0;
  CovarianceSpec spec;
  double signal = 1;  ///< the prior's variance: the sum of all signal variances
  FitStatus status = FitStatus::ok;
  std::string note;
  double jitter = 0;
  std::size_t observed = 0;
  std::vector<double> targets;
  std::vector<double> known_noise;  ///< of the observed points, model units; may be shorter: then 0
  double best = std::numeric_limits<double>::infinity();
  std::unique_ptr<ResidentPosterior> resident;
  Buffer x, out, adjoint, dx;
  std::vector<double> host_out, host_adjoint, d_mean, d_variance;

  /// Puts m candidates on the device and makes room for their results.
  std::size_t stage(std::span<const double> points, const char* what) {
    if (columns == 0 || points.size() % columns != 0) {
      throw UsageError(
          fmt::format("{}: {} entries are not a multiple of {} columns", what, points.size(), columns));
    }
    const std::size_t m = points.size() / columns;
    if (x.size() < points.size()) {
      x = backend->allocate(points.size());
      dx = backend->allocate(points.size());
    }
    if (out.size() < 2 * m) out = backend->allocate(2 * m);
    if (adjoint.size() < 2 * m) adjoint = backend->allocate(2 * m);
    if (!points.empty()) backend->upload(points, x.data());
    return m;
  }

  View view(const Buffer& buffer, std::size_t rows, std::size_t m) const {
    const auto r = static_cast<std::int64_t>(rows);
    return {buffer.data(), r, static_cast<std::int64_t>(m), r};
  }

  static void check_joint(std::size_t m, std::size_t q, std::size_t room, const char* what) {
    if (q == 0 || m % q != 0 || room != m / q * (q + q * q)) {
      throw UsageError(
          fmt::format("{}: {} candidates in groups of {}, room for {} moments", what, m, q, room));
    }
  }
  /// Room for the moments of m candidates in groups of q.
  View joint_view(Buffer& buffer, std::size_t m, std::size_t q) const {
    const std::size_t rows = q + q * q;
    if (buffer.size() < m / q * rows) buffer = backend->allocate(m / q * rows);
    return view(buffer, rows, m / q);
  }

  void fetch(std::size_t m, std::span<double> mean, std::span<double> variance) {
    host_out.resize(2 * m);
    backend->download(out.data(), host_out);
    for (std::size_t j = 0; j < m; ++j) {
      mean[j] = host_out[2 * j];
      variance[j] = std::max(host_out[2 * j + 1], detail::kSmallestVariance * signal);
    }
  }

  void note_best() {
    for (std::size_t i = 0; i < observed; ++i) best = std::min(best, targets[i]);
  }
};

}  // namespace krigon
