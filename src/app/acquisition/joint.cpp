// Acquisitions of one process's moments: of one point, or of q points together.

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "app/acquisition/function.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "optim/sobol.hpp"
#include "propose/acquisition/gibbon.hpp"
#include "propose/acquisition/table.hpp"

namespace krigon {

namespace {

/// A variance that rounding took to 0 counts as this.
constexpr double kLeastVariance = 1e-300;
/// Where the smallest value may lie, besides the observed points. More are not better: they count as
/// independent, so that many close ones make it too small.
constexpr std::size_t kPlaces = 1024;

class JointFunction final : public AcquisitionFunction {
 public:
  explicit JointFunction(const AcquisitionRequest& request)
      : process_(request.process()),
        q_(request.options.q),
        what_(request.what),
        entry_(find_acquisition(request.options.name)),
        loop_(*process_.backend) {
    const AcquisitionOptions& options = request.options;
    const OutputTransform& transform = process_.result.transform;
    const bool probability = options.name.starts_with("log-probability-");
    sign_ = probability ? 1.0 : request.sign();
    settings_.q = static_cast<std::int32_t>(q_);
    settings_.samples = static_cast<std::int32_t>(options.samples);
    settings_.kappa = options.kappa;
    settings_.threshold = transform.forward(options.threshold);
    settings_.best = std::numeric_limits<double>::infinity();
    for (const double target : process_.posterior->targets()) {
      settings_.best = std::min(settings_.best, sign_ * target);
    }
    if (options.best) settings_.best = sign_ * transform.forward(*options.best);
    if (entry_.sampled != nullptr) {
      normals_ = normal_points(options.samples, q_, options.seed, 1);
      most_ = q_;
      regroup(q_);
    }
    if (entry_.settings.find("smallest") != std::string_view::npos) {
      settings_.noise = std::exp(process_.result.hyperparameters.log_noise_variance);
      draw_smallest(request);
      settings_.smallest = smallest_;
    }
  }

  void regroup(std::size_t q) override {
    q_ = q;
    settings_.q = static_cast<std::int32_t>(q);
    if (normals_.empty()) return;
    base_ = first_columns(normals_, most_, q);
    settings_.base = base_.data();
  }

 private:
  std::size_t group_size() const override { return q_ + q_ * q_; }

  void evaluate_portion(std::span<const double> x, std::span<double> value,
                        std::span<double> gradient) override {
    const std::size_t rows = q_ + q_ * q_;
    process_.rows(x, what_, points_);
    moments_.resize(value.size() * rows);
    if (gradient.empty()) {
      adjoint_.resize(moments_.size());
      process_.posterior->evaluate_joint(points_, q_, moments_);
      apply(moments_, value, adjoint_);
      return;
    }
    row_gradient_.resize(points_.size());
    process_.posterior->evaluate_joint_with_gradient(
        points_, q_, moments_,
        [&](std::span<const double> moments, std::span<double> adjoint) { apply(moments, value, adjoint); },
        row_gradient_);
    process_.pull_back(row_gradient_, gradient);
  }

  void draw_smallest(const AcquisitionRequest& request) {
    const AcquisitionOptions& options = request.options;
    if (options.minima < 1 || options.minima > static_cast<std::size_t>(MarginalTerm::kMostSamples)) {
      throw UsageError(fmt::format("{}: minima = {}; 1 to {} are allowed", what_, options.minima,
                                   MarginalTerm::kMostSamples));
    }
    const SearchBox box(request.processes, options, what_);
    std::vector<double> rows =
        process_.rows(box.sobol(kPlaces, 1, Random(options.seed, 2, Purpose::candidates)()), what_);
    rows.insert(rows.begin(), process_.data.columns.begin(), process_.data.columns.end());
    const std::size_t m = rows.size() / process_.width;
    std::vector<double> mean(m), variance(m), uniform(options.minima);
    process_.posterior->evaluate(rows, mean, variance);
    for (double& entry : mean) entry *= sign_;
    const double least =
        *std::min_element(mean.begin(), mean.begin() + static_cast<std::ptrdiff_t>(process_.data.n));
    const ScrambledSobol sobol(1, Random(options.seed, 3, Purpose::candidates)());
    for (std::size_t i = 0; i < uniform.size(); ++i) {
      sobol.point(static_cast<std::uint32_t>(i), std::span(uniform).subspan(i, 1));
    }
    smallest_ = smallest_value_samples(mean, variance, uniform, least);
  }

  void apply(std::span<const double> moments, std::span<double> value, std::span<double> adjoint) {
    const std::size_t rows = q_ + q_ * q_;
    turned_.assign(moments.begin(), moments.end());
    const double samples = entry_.sampled == nullptr ? 1.0 : static_cast<double>(settings_.samples);
    loop_.run(value.size(), 10 * samples * static_cast<double>(rows),
              [&](std::size_t g, std::vector<double>& scratch) {
                const auto group = std::span(turned_).subspan(g * rows, rows);
                for (std::size_t i = 0; i < q_; ++i) group[i] *= sign_;
                if (q_ == 1) group[1] = std::max(group[1], kLeastVariance);
                const auto change = adjoint.subspan(g * rows, rows);
                value[g] = krigon::evaluate_acquisition(entry_, settings_, group, change, scratch);
                for (std::size_t i = 0; i < q_; ++i) change[i] *= sign_;
              });
  }

  ProcessAccess::Impl& process_;
  std::size_t q_, most_ = 1;
  const char* what_;
  const AcquisitionEntry& entry_;
  GroupLoop loop_;
  double sign_ = 1;
  AcquisitionSettings settings_;
  std::vector<double> normals_, base_, smallest_, points_, moments_, adjoint_, turned_, row_gradient_;
};

}  // namespace

std::unique_ptr<AcquisitionFunction> make_joint_function(const AcquisitionRequest& request) {
  return std::make_unique<JointFunction>(request);
}

}  // namespace krigon
