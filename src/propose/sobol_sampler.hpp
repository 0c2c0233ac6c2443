#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/sampler.hpp"
#include "optim/sobol.hpp"
#include "propose/places.hpp"

namespace krigon {

/// The points of one scrambled Sobol' sequence in turn: the first that is feasible and that no trial
/// holds. Also the first phase of the model-based samplers.
class SobolSampler final : public Sampler {
 public:
  SobolSampler(const Space& space, std::uint64_t seed);

  std::string_view name() const override { return "sobol"; }
  bool learns() const override { return false; }
  Suggestion propose(const History& history, std::int64_t number) override;
  std::string describe(const Space& space) const override;

 private:
  Encoding encoding_;
  std::uint64_t seed_;
  ScrambledSobol sobol_;
  std::optional<std::vector<Point>> listed_;
};

std::unique_ptr<Sampler> make_sobol_sampler(const Space& space, std::uint64_t seed);

}  // namespace krigon
