#include "propose/auto.hpp"

#include <utility>

#include "propose/grid.hpp"
#include "propose/places.hpp"

namespace krigon {
namespace {

class AutoSampler final : public Sampler {
 public:
  explicit AutoSampler(std::unique_ptr<Sampler> chosen) : chosen_(std::move(chosen)) {}

  std::string_view name() const override { return "auto"; }
  Suggestion propose(const History& history, std::int64_t number) override {
    return chosen_->propose(history, number);
  }
  std::string describe(const Space& space) const override { return "auto: " + chosen_->describe(space); }

 private:
  std::unique_ptr<Sampler> chosen_;
};

}  // namespace

std::unique_ptr<Sampler> make_auto_sampler(const Space& space, std::uint64_t seed,
                                           std::shared_ptr<Backend> backend,
                                           const GpSamplerOptions& options) {
  const auto listed = list_points(Encoding(space), kTinySpace);
  const bool tiny = listed && !listed->empty();
  return std::make_unique<AutoSampler>(tiny ? make_grid_sampler(space, seed)
                                            : make_gp_sampler(space, seed, std::move(backend), options));
}

}  // namespace krigon
