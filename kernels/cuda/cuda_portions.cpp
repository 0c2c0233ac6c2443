// Batches that are wider than the device's memory: they go in portions, halved until their work space fits,
// and only where a single member does not fit is there an error. What was learnt is kept for the next call.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/own.hpp"
#include "krigon/error.hpp"

namespace krigon::cuda {

using detail::ComposedData;
using detail::ComposedPosterior;

namespace {

template <typename T>
BasicView<T> columns_of(const BasicView<T>& matrix, std::int64_t first, std::int64_t count) {
  return {matrix.column(first), matrix.rows, count, matrix.leading};
}

DeviceMemoryError with(std::string_view what, const DeviceMemoryError& error) {
  return DeviceMemoryError(fmt::format("{}: {}", what, error.what()));
}

/// evaluate(first, width) for all of `count` members. Where memory runs out, release() gives back what others
/// held of it, and the same members are tried again: first as they were, then half as many.
template <typename Evaluate, typename Release>
void in_portions(std::int64_t count, std::int64_t& at_once, std::string_view what, const Release& release,
                 const Evaluate& evaluate) {
  bool released = false;
  for (std::int64_t first = 0; first < count;) {
    const std::int64_t width = std::min(at_once, count - first);
    try {
      evaluate(first, width);
      first += width;
      released = false;
    } catch (const DeviceMemoryError& error) {
      release();
      if (released && width == 1) throw with(what, error);
      if (released) at_once = (width + 1) / 2;
      released = true;
    }
  }
}

std::string likelihood_in_words(std::int64_t n) {
  return fmt::format("the likelihood of {} points, for one set of hyperparameters at a time", n);
}
std::string posterior_in_words(std::int64_t n, std::int64_t q) {
  return q == 1 ? fmt::format("the posterior of {} points, at one candidate at a time", n)
                : fmt::format("the posterior of {} points, at one group of {} candidates at a time", n, q);
}

}  // namespace

void CudaBackend::release(ComposedData& data) {
  data.work.release();
  context_.release_scratch();
}

void CudaBackend::release(ComposedPosterior& model, bool kept_too) {
  OwnPosterior& mine = own(model, *this, context_);
  model.release_work(kept_too);
  if (kept_too) {
    mine.work.release();
  } else {
    mine.work.release(kFeatureChange);
  }
  context_.release_scratch();
}

void CudaBackend::mll_value_grad(ResidentData& resident, ConstView theta, View out) {
  auto& data = static_cast<ComposedData&>(resident);
  if (theta.columns == 0 || theta.columns != out.columns) {
    ComposedBackend::mll_value_grad(data, theta, out);  // nothing, or an error
    return;
  }
  in_portions(
      theta.columns, own(data, context_).at_once, likelihood_in_words(data.n), [&] { release(data); },
      [&](std::int64_t first, std::int64_t width) {
        likelihood_at_once(data, columns_of(theta, first, width), columns_of(out, first, width));
      });
}

std::unique_ptr<ResidentPosterior> CudaBackend::prepare(ResidentData& resident, ConstView theta,
                                                        double* info) {
  auto& data = static_cast<ComposedData&>(resident);
  std::unique_ptr<ResidentPosterior> model;
  std::int64_t one = 1;
  in_portions(
      1, one, fmt::format("a process of {} points", data.n), [&] { release(data); },
      [&](std::int64_t, std::int64_t) { model = ComposedBackend::prepare(data, theta, info); });
  return model;
}

void CudaBackend::posterior(ResidentPosterior& resident, ConstView x, std::int64_t q, View out) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  if (out.columns == 0 || x.columns != out.columns * q) {
    ComposedBackend::posterior(model, x, q, out);  // nothing, or an error
    return;
  }
  in_portions(
      out.columns, own(model, *this, context_).at_once, posterior_in_words(model.n, q),
      [&] { release(model, false); },
      [&](std::int64_t first, std::int64_t width) {
        posterior_at_once(model, columns_of(x, first * q, width * q), q, columns_of(out, first, width));
      });
}

void CudaBackend::posterior_for_vjp(ResidentPosterior& resident, ConstView x, std::int64_t q, View out) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  OwnPosterior& mine = own(model, *this, context_);
  mine.in_portions = false;
  if (out.columns <= mine.at_once_for_vjp) {
    try {
      posterior_for_vjp_at_once(model, x, q, out);
      return;
    } catch (const DeviceMemoryError& error) {
      if (out.columns < 2) throw with(posterior_in_words(model.n, q), error);
      mine.at_once_for_vjp = (out.columns + 1) / 2;
    }
  }
  release(model, true);
  keep_points_alone(model, x, q);
  posterior(model, x, q, out);
}

void CudaBackend::keep_points_alone(ComposedPosterior& model, ConstView x, std::int64_t q) {
  OwnPosterior& mine = own(model, *this, context_);
  Buffer points;
  try {
    points = allocate(static_cast<std::size_t>(x.rows * x.columns));
  } catch (const DeviceMemoryError& error) {
    throw with(posterior_in_words(model.n, q), error);
  }
  add(1, x, 0, {points.data(), x.rows, x.columns, x.rows});
  release(model, true);
  mine.points = std::move(points);
  mine.kept = 0;
  mine.in_portions = true;
  model.kept = x.columns;
  model.kept_q = q;
}

void CudaBackend::posterior_vjp(ResidentPosterior& resident, ConstView adjoint, View dx) {
  auto& model = static_cast<ComposedPosterior&>(resident);
  OwnPosterior& mine = own(model, *this, context_);
  const std::int64_t q = model.kept_q;
  if (!mine.in_portions) {
    try {
      posterior_vjp_at_once(model, adjoint, dx);
      return;
    } catch (const DeviceMemoryError& error) {
      if (model.kept <= q) throw with(posterior_in_words(model.n, q), error);
      mine.at_once_for_vjp = (model.kept / q + 1) / 2;
    }
    release(model, false);
    keep_points_alone(
        model, mine.kept > 0 ? mine.work.matrix(kPoints, model.columns, model.kept) : model.kept_points(), q);
  }
  const std::int64_t columns = model.kept;
  if (adjoint.columns * q != columns || adjoint.rows != q * (model.outputs + q) || dx.rows != model.columns ||
      dx.columns != columns) {
    throw UsageError(
        "posterior_vjp: adjoint and dx need the shapes of out and x of the last posterior_for_vjp");
  }
  const ConstView points{mine.points.data(), model.columns, columns, model.columns};
  in_portions(
      adjoint.columns, mine.at_once_for_vjp, posterior_in_words(model.n, q), [&] { release(model, true); },
      [&](std::int64_t first, std::int64_t width) {
        const View moments = mine.work.matrix(kMoments, adjoint.rows, width);
        posterior_for_vjp_at_once(model, columns_of(points, first * q, width * q), q, moments);
        posterior_vjp_at_once(model, columns_of(adjoint, first, width), columns_of(dx, first * q, width * q));
      });
  model.kept = columns;
  model.kept_q = q;
}

void CudaBackend::paths(ResidentPosterior& model, ResidentPaths& paths, ConstView x, View out) {
  if (x.columns == 0 || x.columns != out.columns) {
    ComposedBackend::paths(model, paths, x, out);  // nothing, or an error
    return;
  }
  std::int64_t at_once = kAll;
  in_portions(
      x.columns, at_once, fmt::format("{} sample paths, at one candidate at a time", paths.samples),
      [&] { context_.release_scratch(); },
      [&](std::int64_t first, std::int64_t width) {
        ComposedBackend::paths(model, paths, columns_of(x, first, width), columns_of(out, first, width));
      });
}

void CudaBackend::path(ResidentPosterior& model, ResidentPaths& paths, std::int64_t sample, ConstView x,
                       View out, View dx) {
  const bool slopes = dx.data != nullptr;
  if (x.columns == 0 || x.columns != out.columns || (slopes && x.columns != dx.columns)) {
    ComposedBackend::path(model, paths, sample, x, out, dx);  // nothing, or an error
    return;
  }
  std::int64_t at_once = kAll;
  in_portions(
      x.columns, at_once, "a sample path, at one candidate at a time", [&] { context_.release_scratch(); },
      [&](std::int64_t first, std::int64_t width) {
        ComposedBackend::path(model, paths, sample, columns_of(x, first, width),
                              columns_of(out, first, width), slopes ? columns_of(dx, first, width) : View{});
      });
}

}  // namespace krigon::cuda
