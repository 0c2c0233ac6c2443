#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "backend/composed.hpp"
#include "kernels/cuda/context.hpp"
#include "kernels/cuda/graph.hpp"

/// What this backend keeps with the seam's objects, in their `own`.
namespace krigon::cuda {

/// How many members go through an operation at once: as many as are asked for, until memory ran out.
constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();

/// What goes with the data of a likelihood.
struct OwnData {
  explicit OwnData(Context& context) : graphs(context) {}
  Graphs graphs;
  std::int64_t at_once = kAll;
};

/// What goes with a factorised process.
struct OwnPosterior {
  OwnPosterior(Backend& backend, Context& context) : work(backend), graphs(context) {}
  Buffer inverse;  ///< L^-1, `capacity` x `capacity`, 0 above the diagonal
  std::int64_t capacity = 0;
  std::int64_t order = 0;  ///< of its leading part that is done
  std::int64_t kept = 0;   ///< points of the last posterior_for_vjp, where it was of single points
  detail::WorkSpace work;
  Graphs graphs;
  std::int64_t at_once = kAll;  ///< of posterior
  // Of posterior_for_vjp and posterior_vjp. Where more are asked for at once, only `points` are kept, and
  // what the adjoint needs is computed a second time.
  std::int64_t at_once_for_vjp = kAll;
  bool in_portions = false;
  Buffer points;  ///< D x those of the last posterior_for_vjp

  ConstView inverse_view(std::int64_t n) const { return {inverse.data(), n, n, capacity}; }
};

inline OwnData& own(detail::ComposedData& data, Context& context) {
  if (!data.own) data.own = std::make_shared<OwnData>(context);
  return *static_cast<OwnData*>(data.own.get());
}
inline OwnPosterior& own(detail::ComposedPosterior& model, Backend& backend, Context& context) {
  if (!model.own) model.own = std::make_shared<OwnPosterior>(backend, context);
  return *static_cast<OwnPosterior*>(model.own.get());
}

/// Slots of OwnPosterior::work. Twice the first ones: of posterior_for_vjp, which posterior leaves alone, and
/// of posterior.
enum Slot : std::size_t {
  kPoints,
  kFeatures,
  kCross,
  kSolved,
  kFeatureChange,
  kOwnSlots,
  kProduct = 2 * kOwnSlots,
  kMoments
};

}  // namespace krigon::cuda
