// Noisy expected improvement. The values b of f at the observed points (the baseline: the best of them) are
// known no better than their joint posterior says. Improvement is over the least of them, and averaged over
// b:
//
//   E over b ~ p(f(B) | y) of E[max(min b - min_i f(x_i), 0) | y, f(B) = b]
//
// (Letham, Karrer, Ottoni, Bakshy 2019). Given both the noisy observations y at X and exact values b at B, f
// is again a Gaussian process: that of the points X with their noise and B without, with targets (y, b). S
// samples of b are S outputs that share its K, so that all conditional moments come out of one call; exact
// for any baseline, all observed points or some.

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "app/acquisition/function.hpp"
#include "kernels/acquisition/joint.hpp"
#include "krigon/error.hpp"
#include "model/shared_posterior.hpp"
#include "propose/acquisition/table.hpp"

namespace krigon {

namespace {

/// The noise of exact values, of the signal variance: enough for points that are hard to tell apart.
constexpr double kExact = 1e-8;

class NoisyFunction final : public AcquisitionFunction {
 public:
  explicit NoisyFunction(const AcquisitionRequest& request)
      : process_(request.process()),
        q_(request.options.q),
        samples_(request.options.samples),
        what_(request.what),
        sign_(request.sign()),
        entry_(find_acquisition("q-log-nei")),
        loop_(*process_.backend),
        bests_(samples_, std::numeric_limits<double>::infinity()) {
    const AcquisitionOptions& options = request.options;
    if (options.baseline < 1) throw UsageError(fmt::format("{}: baseline = 0; 1 or more is allowed", what_));
    const std::vector<std::size_t> baseline = best_observed(process_, sign_, options.baseline);
    const std::size_t n = process_.data.n, k = baseline.size();
    std::vector<double> rows = rows_of(process_, baseline), moments(k + k * k), factor(k * k), sample(k);
    process_.posterior->evaluate_joint(rows, k, moments);
    const bool usable = joint_factor(static_cast<int>(k), moments.data() + k, factor.data()).ok;

    // One sequence for the points' normals and the baseline's: they are independent.
    normals_ = normal_points(samples_, q_ + k, options.seed, 1);
    const auto targets = process_.posterior->targets();
    std::vector<double> outputs;
    outputs.reserve(samples_ * (n + k));
    for (std::size_t s = 0; s < samples_; ++s) {
      const double* z = &normals_[s * (q_ + k)];
      sample.assign(k, std::numeric_limits<double>::quiet_NaN());
      if (usable) joint_sample(static_cast<int>(k), moments.data(), factor.data(), z + q_, sample.data());
      for (const double value : sample) bests_[s] = std::min(bests_[s], sign_ * value);
      outputs.insert(outputs.end(), targets.begin(), targets.end());
      outputs.insert(outputs.end(), sample.begin(), sample.end());
    }
    const Hyperparameters& h = process_.result.hyperparameters;
    double signal = 0;
    for (const double log_variance : h.log_signal_variance) signal += std::exp(log_variance);
    std::vector<double> noise = observation_noise(process_);
    for (double& variance : noise) variance = std::max(variance, kExact * signal);
    noise.resize(n + k, kExact * signal);
    rows.insert(rows.begin(), process_.data.columns.begin(), process_.data.columns.end());
    given_.emplace(*process_.backend, process_.data.spec(), h, SharedPosterior::Data{rows, noise, outputs});
    settings_.samples = static_cast<std::int32_t>(samples_);
    settings_.bests = bests_.data();
    regroup(q_);
  }

  void regroup(std::size_t q) override {
    q_ = q;
    settings_.q = static_cast<std::int32_t>(q);
    base_ = first_columns(normals_, normals_.size() / samples_, q);
    settings_.base = base_.data();
  }

 private:
  std::size_t group_size() const override { return q_ * (samples_ + q_); }

  void evaluate_portion(std::span<const double> x, std::span<double> value,
                        std::span<double> gradient) override {
    process_.rows(x, what_, points_);
    moments_.resize(value.size() * q_ * (samples_ + q_));
    if (gradient.empty()) {
      adjoint_.resize(moments_.size());
      given_->evaluate(points_, q_, moments_);
      apply(moments_, value, adjoint_);
      return;
    }
    row_gradient_.resize(points_.size());
    given_->evaluate_with_gradient(
        points_, q_, moments_,
        [&](std::span<const double> moments, std::span<double> adjoint) { apply(moments, value, adjoint); },
        row_gradient_);
    process_.pull_back(row_gradient_, gradient);
  }

  void apply(std::span<const double> moments, std::span<double> value, std::span<double> adjoint) {
    const std::size_t means = q_ * samples_, rows = means + q_ * q_;
    turned_.assign(moments.begin(), moments.end());
    loop_.run(value.size(), 20.0 * static_cast<double>(means * (q_ + 1)),
              [&](std::size_t g, std::vector<double>& scratch) {
                const auto group = std::span(turned_).subspan(g * rows, rows);
                for (std::size_t i = 0; i < means; ++i) group[i] *= sign_;
                const auto change = adjoint.subspan(g * rows, rows);
                value[g] = krigon::evaluate_acquisition(entry_, settings_, group, change, scratch);
                for (std::size_t i = 0; i < means; ++i) change[i] *= sign_;
              });
  }

  ProcessAccess::Impl& process_;
  std::size_t q_, samples_;
  const char* what_;
  double sign_;
  const AcquisitionEntry& entry_;
  GroupLoop loop_;
  AcquisitionSettings settings_;
  std::vector<double> normals_, base_, bests_;
  std::optional<SharedPosterior> given_;
  std::vector<double> points_, moments_, adjoint_, turned_, row_gradient_;
};

}  // namespace

std::unique_ptr<AcquisitionFunction> make_noisy_function(const AcquisitionRequest& request) {
  return std::make_unique<NoisyFunction>(request);
}

}  // namespace krigon
