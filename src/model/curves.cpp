#include "model/curves.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "backend/backend.hpp"
#include "model/gp.hpp"

namespace krigon {
namespace {

class GpCurveModel final : public CurveModel {
 public:
  GpCurveModel(std::shared_ptr<Backend> backend, std::span<const std::vector<CurvePoint>> curves,
               double last_step)
      : backend_(std::move(backend)), curves_(curves.size()), log_last_(std::log(last_step)) {
    // Column 0 is time, then one for each curve, and one for the curve that is asked about.
    data_.groups.assign(curves_ + 2, 1);
    data_.groups[0] = 0;
    CovarianceFactor common{CovarianceKind::matern52, {0}, {0}, {}, 0};
    CovarianceFactor same{CovarianceKind::rbf, {}, {}, {}, 1};
    for (std::size_t i = 0; i <= curves_; ++i) {
      same.columns.push_back(static_cast<std::int32_t>(1 + i));
      same.groups.push_back(1);
    }
    CovarianceFactor own{CovarianceKind::matern52, {0}, {2}, {}, 1};
    data_.covariance.factors = {common, same, own};
    for (std::size_t i = 0; i < curves_; ++i) {
      for (const auto& point : curves[i]) {
        add_row(data_.columns, i, point.step);
        data_.y.push_back(point.loss);
      }
    }
    data_.n = data_.y.size();
    FitOptions options;
    options.starts = 2;
    FitResult result = fit(*backend_, data_, options);
    noise_ = std::exp(result.hyperparameters.log_noise_variance);
    posterior_.emplace(*backend_, data_, result.hyperparameters, result.transform);
  }

  std::optional<double> probability_below(double loss, std::span<const CurvePoint> sofar,
                                          double step) override {
    if (posterior_->status() == FitStatus::failed) return std::nullopt;
    std::vector<double> rows, y, at;
    for (const auto& point : sofar) {
      add_row(rows, curves_, point.step);
      y.push_back(point.loss);
    }
    const std::size_t before = posterior_->size();
    posterior_->append(rows, y);
    add_row(at, curves_, step);
    double mean = 0, variance = 0;
    posterior_->evaluate(at, {&mean, 1}, {&variance, 1});
    while (posterior_->size() > before) posterior_->remove(posterior_->size() - 1);
    const double deviation = std::sqrt(variance + noise_);
    const double target = posterior_->transform().forward(loss);
    const double probability = 0.5 * std::erfc((mean - target) / (deviation * std::sqrt(2.0)));
    if (!std::isfinite(probability)) return std::nullopt;
    return probability;
  }

 private:
  void add_row(std::vector<double>& rows, std::size_t curve, double step) const {
    rows.push_back(std::log(step) / log_last_);
    rows.resize(rows.size() + curves_ + 1, 0.0);
    rows[rows.size() - (curves_ + 1) + curve] = 1;
  }

  std::shared_ptr<Backend> backend_;
  std::size_t curves_;
  double log_last_;
  GpData data_;
  double noise_ = 0;
  std::optional<Posterior> posterior_;
};

class GpPredictor final : public Predictor {
 public:
  explicit GpPredictor(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}
  std::unique_ptr<CurveModel> learn(std::span<const std::vector<CurvePoint>> curves,
                                    double last_step) override {
    return std::make_unique<GpCurveModel>(backend_, curves, last_step);
  }

 private:
  std::shared_ptr<Backend> backend_;
};

}  // namespace

std::unique_ptr<Predictor> make_curve_predictor(std::shared_ptr<Backend> backend) {
  return std::make_unique<GpPredictor>(std::move(backend));
}

}  // namespace krigon
