// Thompson sampling: q functions drawn from the posterior, of which point i of a group is to minimise the
// i-th (Kandasamy, Krishnamurthy, Schneider, Poczos 2018). They are paths, drawn once and evaluated anywhere
// (model/gp.hpp), so that a group's coordinates separate: every path is minimised on its own.

#include <algorithm>

#include "app/acquisition/function.hpp"
#include "app/acquisition/search.hpp"
#include "core/random.hpp"

namespace krigon {

namespace {

/// Paths have more and narrower minima than moments do: that many times the candidates of other acquisitions.
constexpr std::size_t kMoreCandidates = 4;

class PathFunction final : public AcquisitionFunction {
 public:
  explicit PathFunction(const AcquisitionRequest& request)
      : process_(request.process()),
        q_(request.options.q),
        what_(request.what),
        sign_(request.sign()),
        paths_(*process_.posterior, q_, request.options.seed) {}

  void regroup(std::size_t q) override { q_ = q; }

  AcquisitionMaximum maximise(const SearchBox& box, const AcquisitionOptions& options) override {
    const std::size_t d = process_.columns;
    std::vector<double> raw = box.sobol(kMoreCandidates * std::max<std::size_t>(options.raw, 1), 1,
                                        Random(options.seed, 0, Purpose::candidates)());
    for (std::size_t i = 0; i < process_.data.n; ++i) {
      const std::vector<double> point = process_.point(i);
      if (box.contains(point)) raw.insert(raw.end(), point.begin(), point.end());
    }
    const std::size_t m = raw.size() / d;
    std::vector<double> all(m * q_), value(m);
    paths_.evaluate(process_.rows(raw, what_), all);
    AcquisitionMaximum best;
    for (std::size_t i = 0; i < q_; ++i) {
      for (std::size_t j = 0; j < m; ++j) value[j] = -sign_ * all[j * q_ + i];
      const GroupFunction function = [this, i](std::span<const double> x, std::span<double> at,
                                               std::span<double> slope) { evaluate_path(i, x, at, slope); };
      const AcquisitionMaximum found = search_maximum(function, box, 1, {raw, value}, options, i);
      best.x.insert(best.x.end(), found.x.begin(), found.x.end());
      best.value += found.value;
    }
    return best;
  }

 private:
  std::size_t group_size() const override { return q_ * process_.columns; }

  void evaluate_portion(std::span<const double> x, std::span<double> value,
                        std::span<double> gradient) override {
    const std::size_t d = process_.columns, groups = value.size();
    std::fill(value.begin(), value.end(), 0.0);
    point_.resize(groups * d);
    path_value_.resize(groups);
    path_gradient_.resize(gradient.empty() ? 0 : groups * d);
    for (std::size_t i = 0; i < q_; ++i) {
      for (std::size_t g = 0; g < groups; ++g) copy(x, (g * q_ + i) * d, point_, g * d);
      evaluate_path(i, point_, path_value_, path_gradient_);
      for (std::size_t g = 0; g < groups; ++g) {
        value[g] += path_value_[g];
        if (!gradient.empty()) copy(path_gradient_, g * d, gradient, (g * q_ + i) * d);
      }
    }
  }

  void copy(std::span<const double> from, std::size_t at, std::span<double> to, std::size_t there) const {
    const auto point = from.subspan(at, process_.columns);
    std::copy(point.begin(), point.end(), to.begin() + static_cast<std::ptrdiff_t>(there));
  }

  /// Minus path i at points (m x d), as if it were to be minimised.
  void evaluate_path(std::size_t i, std::span<const double> x, std::span<double> value,
                     std::span<double> gradient) {
    process_.rows(x, what_, rows_);
    row_gradient_.resize(gradient.empty() ? 0 : rows_.size());
    paths_.evaluate_path(i, rows_, value, row_gradient_);
    for (double& entry : value) entry *= -sign_;
    if (gradient.empty()) return;
    for (double& entry : row_gradient_) entry *= -sign_;
    process_.pull_back(row_gradient_, gradient);
  }

  ProcessAccess::Impl& process_;
  std::size_t q_;
  const char* what_;
  double sign_;
  SamplePaths paths_;
  std::vector<double> point_, rows_, path_value_, path_gradient_, row_gradient_;
};

}  // namespace

std::unique_ptr<AcquisitionFunction> make_path_function(const AcquisitionRequest& request) {
  return std::make_unique<PathFunction>(request);
}

}  // namespace krigon
