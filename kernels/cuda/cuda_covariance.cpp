// Covariances: their tables on the device, and the launches of their kernels.

#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/cuda/check.hpp"
#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/kernels.hpp"
#include "kernels/cuda/shapes.hpp"

namespace krigon::cuda {

namespace {

/// The tables as the host makes them, one after another.
class Tables {
 public:
  /// Where `values` begin.
  std::size_t put(const std::vector<std::int32_t>& values) {
    const std::size_t at = all_.size();
    all_.insert(all_.end(), values.begin(), values.end());
    return at;
  }
  const std::vector<std::int32_t>& all() const { return all_; }

 private:
  std::vector<std::int32_t> all_;
};

const CudaCovariance& of(const ResidentCovariance& covariance) {
  return static_cast<const CudaCovariance&>(covariance);
}

/// Whether theta has a column for every member, or one for all.
bool theta_fits(const ResidentCovariance& covariance, const ConstView& theta, std::int64_t batch) {
  return theta.rows == covariance.layout.rows() && (theta.columns == batch || theta.columns == 1);
}

/// A column per member as a batch of single columns.
View as_members(const View& columns) {
  return {columns.data, columns.rows, 1, columns.leading, columns.columns, columns.leading};
}

}  // namespace

CudaCovariance::CudaCovariance(Context& context, const CovarianceSpec& specification) : context_(context) {
  specification.check();
  spec = specification;
  layout = {spec.groups(), spec.periods(), spec.terms()};
  columns = spec.columns();
  features = spec.features();

  std::vector<std::int32_t> column, group, period, part, first;
  for (const CovarianceFactor& factor : spec.factors) {
    first.push_back(static_cast<std::int32_t>(column.size()));
    const bool periodic = factor.kind == CovarianceKind::periodic;
    for (std::size_t k = 0; k < factor.columns.size(); ++k) {
      for (const std::int32_t p : periodic ? std::vector{CovarianceTable::kCosine, CovarianceTable::kSine}
                                           : std::vector{CovarianceTable::kPlain}) {
        column.push_back(factor.columns[k]);
        group.push_back(factor.groups[k]);
        period.push_back(periodic ? factor.periods[k] : -1);
        part.push_back(p);
      }
    }
  }
  first.push_back(static_cast<std::int32_t>(column.size()));

  std::vector<std::int32_t> order(spec.factors.size());
  std::iota(order.begin(), order.end(), 0);
  const auto factor_of = [this](std::int32_t f) -> const CovarianceFactor& {
    return spec.factors[static_cast<std::size_t>(f)];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int32_t a, std::int32_t b) { return factor_of(a).term < factor_of(b).term; });
  std::vector<std::int32_t> kind, begin, end, term_start(static_cast<std::size_t>(layout.terms) + 1);
  for (const std::int32_t f : order) {
    kind.push_back(static_cast<std::int32_t>(factor_of(f).kind));
    begin.push_back(first[static_cast<std::size_t>(f)]);
    end.push_back(first[static_cast<std::size_t>(f) + 1]);
    ++term_start[static_cast<std::size_t>(factor_of(f).term) + 1];
  }
  std::partial_sum(term_start.begin(), term_start.end(), term_start.begin());

  std::vector<std::int32_t> column_start{0}, column_feature;
  for (std::int32_t k = 0; k < columns; ++k) {
    for (std::size_t f = 0; f < column.size(); ++f) {
      if (column[f] == k) column_feature.push_back(static_cast<std::int32_t>(f));
    }
    column_start.push_back(static_cast<std::int32_t>(column_feature.size()));
  }

  Tables tables;
  const std::size_t at[] = {tables.put(column),    tables.put(group),        tables.put(period),
                            tables.put(part),      tables.put(column_start), tables.put(column_feature),
                            tables.put(kind),      tables.put(begin),        tables.put(end),
                            tables.put(term_start)};
  const std::size_t bytes = tables.all().size() * sizeof(std::int32_t);
  memory_ = context_.allocate(bytes);
  context_.upload(tables.all().data(), bytes, memory_);
  const auto* base = static_cast<const std::int32_t*>(memory_);
  table.feature_column = base + at[0];
  table.feature_group = base + at[1];
  table.feature_period = base + at[2];
  table.feature_part = base + at[3];
  table.column_start = base + at[4];
  table.column_feature = base + at[5];
  table.factor_kind = base + at[6];
  table.factor_first = base + at[7];
  table.factor_last = base + at[8];
  table.term_start = base + at[9];
  table.features = static_cast<std::int32_t>(features);
  table.columns = static_cast<std::int32_t>(columns);
  table.groups = static_cast<std::int32_t>(layout.groups);
  table.periods = static_cast<std::int32_t>(layout.periods);
  table.terms = static_cast<std::int32_t>(layout.terms);
  table.factors = static_cast<std::int32_t>(spec.factors.size());
}

std::unique_ptr<ResidentCovariance> CudaBackend::load_covariance(const CovarianceSpec& spec) {
  return std::make_unique<CudaCovariance>(context_, spec);
}

void CudaBackend::features(const ResidentCovariance& covariance, ConstView x, ConstView theta, View u) {
  require(x.rows >= covariance.columns && u.rows == covariance.features && u.columns == x.columns &&
              fits(x, u.batch) && theta_fits(covariance, theta, u.batch),
          "features: the shapes do not match");
  check(launch_features(context_.stream(), of(covariance).table, x, Theta(theta), u, u.batch), "features");
}

void CudaBackend::features_vjp(const ResidentCovariance& covariance, ConstView x, ConstView theta,
                               ConstView du, View dtheta, View dx) {
  require(x.rows >= covariance.columns && du.rows == covariance.features && du.columns == x.columns &&
              fits(x, du.batch) && theta_fits(covariance, theta, du.batch) &&
              (dtheta.data == nullptr ||
               (dtheta.rows >= covariance.layout.parameters() && dtheta.columns == du.batch)) &&
              (dx.data == nullptr || (dx.rows == x.rows && dx.columns == x.columns && dx.batch == du.batch)),
          "features_vjp: the shapes do not match");
  double* sums = dtheta.data == nullptr
                     ? nullptr
                     : context_.scratch<double>(Scratch::sums, 2 * covariance.features * du.batch);
  check(launch_features_vjp(context_.stream(), of(covariance).table, x, Theta(theta), du, as_members(dtheta),
                            dx, du.batch, sums),
        "the adjoint of features");
}

void CudaBackend::gram(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta,
                       View k) {
  require(u.rows == covariance.features && v.rows == covariance.features && u.columns == k.rows &&
              v.columns == k.columns && fits(u, k.batch) && fits(v, k.batch) &&
              theta_fits(covariance, theta, k.batch),
          "gram: the shapes do not match");
  check(launch_gram(context_.stream(), of(covariance).table, u, v, Theta(theta), k, k.batch), "gram");
}

void CudaBackend::gram_vjp(const ResidentCovariance& covariance, ConstView u, ConstView v, ConstView theta,
                           ConstView dk, View du, View dv, View dtheta) {
  const std::int64_t batch = std::max({dk.batch, u.batch, v.batch, theta.columns, du.batch, dv.batch});
  const auto adjoint_fits = [&](const View& adjoint, const ConstView& of_points) {
    return adjoint.data == nullptr || (adjoint.rows == covariance.features &&
                                       adjoint.columns == of_points.columns && adjoint.batch == batch);
  };
  require(u.rows == covariance.features && v.rows == covariance.features && dk.rows == u.columns &&
              dk.columns == v.columns && fits(dk, batch) && fits(u, batch) && fits(v, batch) &&
              theta_fits(covariance, theta, batch) && adjoint_fits(du, u) && adjoint_fits(dv, v) &&
              (dtheta.data == nullptr ||
               (dtheta.rows >= covariance.layout.parameters() && dtheta.columns == batch)),
          "gram_vjp: the shapes do not match");
  const CovarianceTable& table = of(covariance).table;
  const auto half = [&](const ConstView& points, const ConstView& others, bool transposed, View dp,
                        View signals) {
    const GramVjpPlan plan(table, points.columns, others.columns, dp.data != nullptr,
                           signals.data != nullptr);
    auto* sums = context_.scratch<double>(Scratch::sums, (plan.feature_sums + plan.signal_sums) * batch);
    check(launch_gram_vjp(context_.stream(), table, plan, points, others, Theta(theta), dk, transposed, 1.0,
                          dp, as_members(signals), batch, sums),
          "the adjoint of gram");
  };
  // The signal variances' share comes with whichever half is made.
  if (du.data != nullptr || (dtheta.data != nullptr && dv.data == nullptr)) {
    half(u, v, false, du, dtheta);
    dtheta = {};
  }
  if (dv.data != nullptr) half(v, u, true, dv, dtheta);
}

}  // namespace krigon::cuda
