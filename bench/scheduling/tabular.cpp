#include "tabular.hpp"

#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "core/encoding.hpp"

namespace krigon::bench {
namespace {

class TabularSampler final : public Sampler {
 public:
  TabularSampler(std::unique_ptr<Sampler> sampler, Problem problem)
      : sampler_(std::move(sampler)), recorded_(configurations(problem)), encoding_(space(problem)) {
    for (std::size_t i = 0; i < recorded_.size(); ++i) {
      points_.push_back(encoding_.encode(recorded_[i]).value());
      number_of_.emplace(recorded_[i], i);
    }
  }

  std::string_view name() const override { return sampler_->name(); }
  bool learns() const override { return sampler_->learns(); }
  std::string describe(const Space& space) const override { return sampler_->describe(space); }

  Suggestion propose(const History& history, std::int64_t number) override {
    std::vector<bool> taken(points_.size(), false);
    for (const TrialRecord& trial : history.trials()) taken.at(number_of_.at(trial.parameters)) = true;
    Suggestion suggestion = sampler_->propose(history, number);
    const auto wanted = encoding_.encode(suggestion.parameters).value();
    std::size_t nearest = points_.size();
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (taken[i]) continue;
      const double distance = squared_distance(wanted, points_[i], least);
      if (distance < least) {
        least = distance;
        nearest = i;
      }
    }
    suggestion.exhausted = nearest == points_.size();
    suggestion.parameters = suggestion.exhausted ? Parameters() : recorded_[nearest];
    return suggestion;
  }

 private:
  /// What is beyond `enough` need not be exact.
  double squared_distance(const std::vector<double>& a, const std::vector<double>& b, double enough) const {
    double sum = 0;
    for (std::size_t d = 0; d < a.size() && sum < enough; ++d) {
      const bool categorical = encoding_.coordinates()[d].axis == Axis::categorical;
      sum += categorical ? (a[d] == b[d] ? 0 : 1) : (a[d] - b[d]) * (a[d] - b[d]);
    }
    return sum;
  }

  std::unique_ptr<Sampler> sampler_;
  const std::vector<Parameters>& recorded_;
  Encoding encoding_;
  std::vector<std::vector<double>> points_;
  std::map<Parameters, std::size_t> number_of_;
};

}  // namespace

std::unique_ptr<Sampler> make_tabular_sampler(std::unique_ptr<Sampler> sampler, Problem problem) {
  return std::make_unique<TabularSampler>(std::move(sampler), problem);
}

}  // namespace krigon::bench
