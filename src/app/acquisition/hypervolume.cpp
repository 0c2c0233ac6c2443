// Expected hypervolume improvement over several processes, one for each objective.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "app/acquisition/function.hpp"
#include "krigon/error.hpp"
#include "propose/acquisition/boxes.hpp"
#include "propose/acquisition/table.hpp"

namespace krigon {

namespace {

/// Inclusion and exclusion over all subsets of q points.
constexpr std::size_t kMostTogether = 8;
/// A variance that rounding took to 0 counts as this.
constexpr double kLeastVariance = 1e-300;

class HypervolumeFunction final : public AcquisitionFunction {
 public:
  explicit HypervolumeFunction(const AcquisitionRequest& request)
      : processes_(request.processes.begin(), request.processes.end()),
        q_(request.options.q),
        what_(request.what),
        entry_(find_acquisition(request.options.name)),
        loop_(*processes_.front()->backend),
        work_(processes_.size()) {
    const AcquisitionOptions& options = request.options;
    const std::size_t objectives = processes_.size();
    if (objectives > static_cast<std::size_t>(kMostObjectives)) {
      throw UsageError(fmt::format("{}: \"{}\" is of 1 to {} processes, not {}", what_, options.name,
                                   kMostObjectives, objectives));
    }
    if (q_ > kMostTogether) {
      throw UsageError(fmt::format("{}: \"{}\" is of 1 to {} points together, q = {}", what_, options.name,
                                   kMostTogether, q_));
    }
    if (options.reference.size() != objectives ||
        (!options.directions.empty() && options.directions.size() != objectives)) {
      throw UsageError(fmt::format(
          "{}: {} processes, but {} entries of the reference point and {} directions; the reference "
          "needs one each, directions one each or none",
          what_, objectives, options.reference.size(), options.directions.size()));
    }
    for (const double entry : options.reference) {
      if (!std::isfinite(entry))
        throw UsageError(fmt::format("{}: the reference point has {}", what_, entry));
    }
    check_points();
    set_boxes(options);
    settings_.samples = static_cast<std::int32_t>(options.samples);
    if (options.name == "q-log-ehvi") {
      normals_ = normal_points(options.samples, objectives * q_, options.seed, 1);
    }
    regroup(q_);
  }

  /// Of the sequence's columns the first, whichever objective's they were.
  void regroup(std::size_t q) override {
    q_ = q;
    settings_.q = static_cast<std::int32_t>(q);
    if (normals_.empty()) return;
    const auto samples = static_cast<std::size_t>(settings_.samples);
    base_ = first_columns(normals_, normals_.size() / samples, processes_.size() * q);
    settings_.base = base_.data();
  }

 private:
  std::size_t group_size() const override { return rows() * processes_.size(); }

  void evaluate_portion(std::span<const double> x, std::span<double> value,
                        std::span<double> gradient) override {
    for (std::size_t m = 0; m < processes_.size(); ++m) {
      processes_[m]->rows(x, what_, work_[m].points);
      work_[m].moments.resize(value.size() * rows());
    }
    if (gradient.empty()) {
      for (std::size_t m = 0; m < processes_.size(); ++m) {
        processes_[m]->posterior->evaluate_joint(work_[m].points, q_, work_[m].moments);
      }
      apply(value);
      return;
    }
    evaluate_from(0, value);
    std::fill(gradient.begin(), gradient.end(), 0.0);
    part_.resize(gradient.size());
    for (std::size_t m = 0; m < processes_.size(); ++m) {
      processes_[m]->pull_back(work_[m].row_gradient, part_);
      for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += part_[i];
    }
  }

  struct Work {  ///< of one process
    std::vector<double> points, moments, row_gradient;
  };

  std::size_t rows() const { return q_ + q_ * q_; }

  /// Observations of the objectives belong together only where the points are the same.
  void check_points() const {
    const ProcessAccess::Impl& first = *processes_.front();
    for (std::size_t m = 1; m < processes_.size(); ++m) {
      const ProcessAccess::Impl& other = *processes_[m];
      if (other.columns != first.columns || other.data.n != first.data.n) {
        throw UsageError(
            fmt::format("{}: process 0 has {} points of {} columns, process {} has {} of {}; all "
                        "must be fitted to the same points",
                        what_, first.data.n, first.columns, m, other.data.n, other.columns));
      }
      for (std::size_t i = 0; i < first.data.n; ++i) {
        const std::vector<double> a = first.point(i), b = other.point(i);
        for (std::size_t c = 0; c < first.columns; ++c) {
          const double scale = std::abs(first.inputs[c].middle) + first.inputs[c].width;
          if (std::abs(a[c] - b[c]) <= 1e-9 * scale) continue;
          throw UsageError(
              fmt::format("{}: column {} of point {} is {} for process 0, and {} for process {}; "
                          "all must be fitted to the same points in the same order",
                          what_, c, i, a[c], b[c], m));
        }
      }
    }
  }

  void set_boxes(const AcquisitionOptions& options) {
    const std::size_t objectives = processes_.size(), n = processes_.front()->data.n;
    std::vector<double> observed(n * objectives), reference(objectives);
    for (std::size_t m = 0; m < objectives; ++m) {
      const Direction direction = options.directions.empty() ? options.direction : options.directions[m];
      sign_.push_back(direction == Direction::minimize ? 1.0 : -1.0);
      reference[m] = sign_[m] * processes_[m]->result.transform.forward(options.reference[m]);
      const auto targets = processes_[m]->posterior->targets();
      for (std::size_t i = 0; i < n; ++i) observed[i * objectives + m] = sign_[m] * targets[i];
    }
    boxes_ = improvement_boxes(observed, reference);
    settings_.boxes = boxes_.view();
  }

  /// Values need the moments of all processes, and derivatives the values: each process's pass ends within
  /// that of the one before it.
  void evaluate_from(std::size_t m, std::span<double> value) {
    Work& work = work_[m];
    work.row_gradient.resize(work.points.size());
    processes_[m]->posterior->evaluate_joint_with_gradient(
        work.points, q_, work.moments,
        [&](std::span<const double>, std::span<double> adjoint) {
          if (m + 1 < processes_.size()) {
            evaluate_from(m + 1, value);
          } else {
            apply(value);
          }
          const std::size_t all = rows() * processes_.size();
          for (std::size_t g = 0; g < value.size(); ++g) {
            const auto from = adjoint_.begin() + static_cast<std::ptrdiff_t>(g * all + m * rows());
            std::copy_n(from, rows(), adjoint.begin() + static_cast<std::ptrdiff_t>(g * rows()));
          }
        },
        work.row_gradient);
  }

  /// From the moments of all processes to the values and adjoint_ (for each group one objective's after
  /// another).
  void apply(std::span<double> value) {
    const std::size_t objectives = processes_.size(), each = rows(), all = objectives * each;
    turned_.resize(value.size() * all);
    adjoint_.resize(turned_.size());
    const double subsets = static_cast<double>((std::size_t{1} << q_) * objectives);
    const double samples = settings_.base == nullptr ? 1.0 : static_cast<double>(settings_.samples);
    const double cost = 30 * samples * subsets * static_cast<double>(boxes_.count() + 1);
    loop_.run(value.size(), cost, [&](std::size_t g, std::vector<double>& scratch) {
      const auto group = std::span(turned_).subspan(g * all, all);
      for (std::size_t m = 0; m < objectives; ++m) {
        const auto own = group.subspan(m * each, each);
        std::copy_n(work_[m].moments.begin() + static_cast<std::ptrdiff_t>(g * each), each, own.begin());
        for (std::size_t i = 0; i < q_; ++i) own[i] *= sign_[m];
        if (q_ == 1) own[1] = std::max(own[1], kLeastVariance);
      }
      const auto change = std::span(adjoint_).subspan(g * all, all);
      value[g] = krigon::evaluate_acquisition(entry_, settings_, group, change, scratch);
      for (std::size_t m = 0; m < objectives; ++m) {
        for (std::size_t i = 0; i < q_; ++i) change[m * each + i] *= sign_[m];
      }
    });
  }

  std::vector<ProcessAccess::Impl*> processes_;
  std::size_t q_;
  const char* what_;
  const AcquisitionEntry& entry_;
  GroupLoop loop_;
  std::vector<double> sign_, normals_, base_;
  Boxes boxes_;
  AcquisitionSettings settings_;
  std::vector<Work> work_;
  std::vector<double> turned_, adjoint_, part_;
};

}  // namespace

std::unique_ptr<AcquisitionFunction> make_hypervolume_function(const AcquisitionRequest& request) {
  return std::make_unique<HypervolumeFunction>(request);
}

}  // namespace krigon
