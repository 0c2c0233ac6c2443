// Knowledge gradient over the candidate and a fixed set of places p_1, ..., p_P (propose/acquisition/
// knowledge_gradient.hpp). It needs the posterior covariances C(x, p_a) of every candidate x with all places:
//
// These are the means of a process with P outputs. Take the observed points and, besides, the places with
// noise w; give output a targets 0 at the observed points and C(P, p_a) + w e_a at the places. Its mean at x
// is C(x, P) (C(P, P) + w I)^-1 (C(P, p_a) + w e_a) = C(x, p_a), whatever w is. With w as large as the signal
// variance the places add nothing to K's condition.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "app/acquisition/function.hpp"
#include "core/random.hpp"
#include "krigon/error.hpp"
#include "model/shared_posterior.hpp"
#include "propose/acquisition/knowledge_gradient.hpp"

namespace krigon {

namespace {

class KnowledgeFunction final : public AcquisitionFunction {
 public:
  explicit KnowledgeFunction(const AcquisitionRequest& request)
      : process_(request.process()), what_(request.what), sign_(request.sign()), loop_(*process_.backend) {
    const AcquisitionOptions& options = request.options;
    if (options.places < 1) throw UsageError(fmt::format("{}: places = 0; 1 or more is allowed", what_));
    const SearchBox box(request.processes, options, what_);
    std::vector<double> rows =
        rows_of(process_, best_observed(process_, sign_, options.places - options.places / 2));
    const std::size_t scattered = options.places - rows.size() / process_.width;
    const std::vector<double> others =
        process_.rows(box.sobol(scattered, 1, Random(options.seed, 2, Purpose::candidates)()), what_);
    rows.insert(rows.end(), others.begin(), others.end());
    const std::size_t n = process_.data.n, p = options.places;
    std::vector<double> moments(p + p * p);
    process_.posterior->evaluate_joint(rows, p, moments);
    for (std::size_t a = 0; a < p; ++a) means_.push_back(sign_ * moments[a]);

    const Hyperparameters& h = process_.result.hyperparameters;
    double signal = 0;
    for (const double log_variance : h.log_signal_variance) signal += std::exp(log_variance);
    std::vector<double> noise = observation_noise(process_), targets((n + p) * p, 0.0);
    noise.resize(n + p, signal);
    for (std::size_t a = 0; a < p; ++a) {
      double* target = &targets[a * (n + p) + n];
      for (std::size_t b = 0; b < p; ++b) target[b] = moments[p + a * p + b];
      target[a] += signal;
    }
    rows.insert(rows.begin(), process_.data.columns.begin(), process_.data.columns.end());
    Hyperparameters centred = h;
    centred.mean = 0;
    cross_.emplace(*process_.backend, process_.data.spec(), centred,
                   SharedPosterior::Data{rows, noise, targets});
    noise_ = std::exp(h.log_noise_variance);
  }

  void regroup(std::size_t) override {}  // of one point always

 private:
  std::size_t group_size() const override { return means_.size() + 3; }

  void evaluate_portion(std::span<const double> x, std::span<double> value,
                        std::span<double> gradient) override {
    const std::size_t m = value.size(), p = means_.size();
    process_.rows(x, what_, points_);
    own_.resize(2 * m);
    cross_moments_.resize(m * (p + 1));
    if (gradient.empty()) {
      cross_->evaluate(points_, 1, cross_moments_);
      process_.posterior->evaluate_joint(points_, 1, own_);
      apply(value, {}, {});
      return;
    }
    // Derivatives need all moments, of both processes: one within the other.
    row_gradient_.resize(points_.size());
    other_gradient_.resize(points_.size());
    cross_->evaluate_with_gradient(
        points_, 1, cross_moments_,
        [&](std::span<const double>, std::span<double> d_cross) {
          process_.posterior->evaluate_joint_with_gradient(
              points_, 1, own_,
              [&](std::span<const double>, std::span<double> d_own) { apply(value, d_cross, d_own); },
              other_gradient_);
        },
        row_gradient_);
    for (std::size_t i = 0; i < row_gradient_.size(); ++i) row_gradient_[i] += other_gradient_[i];
    process_.pull_back(row_gradient_, gradient);
  }

  /// Values, and derivatives by the covariances (shaped as cross_moments_) and the candidates' own moments
  /// (as own_) unless those are empty.
  void apply(std::span<double> value, std::span<double> d_cross, std::span<double> d_own) {
    const std::size_t p = means_.size(), places = p + 1, count = places * (places + 1);
    loop_.run(value.size(), 100.0 * static_cast<double>(places),
              [&](std::size_t g, std::vector<double>& scratch) {
                // Means, and the covariance's first column; the rest is not read.
                scratch.resize(2 * count);
                const auto moments = std::span(scratch).first(count);
                const auto adjoint = std::span(scratch).subspan(count, count);
                const double* cross = &cross_moments_[g * places];
                moments[0] = sign_ * own_[2 * g];
                moments[places] = std::max(own_[2 * g + 1], 0.0);
                for (std::size_t a = 1; a < places; ++a) {
                  moments[a] = means_[a - 1];
                  moments[places + a] = cross[a - 1];
                }
                value[g] = log_knowledge_gradient(moments, noise_, adjoint);
                if (d_own.empty()) return;
                d_own[2 * g] = sign_ * adjoint[0];
                d_own[2 * g + 1] = adjoint[places];
                double* change = &d_cross[g * places];
                for (std::size_t a = 1; a < places; ++a) {
                  change[a - 1] = adjoint[places + a] + adjoint[places + a * places];
                }
                change[p] = 0;  // this process's variance is not the candidate's
              });
  }

  ProcessAccess::Impl& process_;
  const char* what_;
  double sign_;
  GroupLoop loop_;
  double noise_ = 0;
  std::vector<double> means_;  ///< of the places, as if minimised
  std::optional<SharedPosterior> cross_;
  std::vector<double> points_, own_, cross_moments_, row_gradient_, other_gradient_;
};

}  // namespace

std::unique_ptr<AcquisitionFunction> make_knowledge_function(const AcquisitionRequest& request) {
  return std::make_unique<KnowledgeFunction>(request);
}

}  // namespace krigon
