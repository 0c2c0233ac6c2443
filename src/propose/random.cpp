#include "propose/random.hpp"

#include "propose/places.hpp"

namespace krigon {
namespace {

class RandomSampler final : public Sampler {
 public:
  RandomSampler(const Space& space, std::uint64_t seed)
      : encoding_(space), seed_(seed), listed_(list_points(encoding_, kMostListed)) {}

  std::string_view name() const override { return "random"; }

  bool learns() const override { return false; }
  Suggestion propose(const History& history, std::int64_t number) override {
    Random random(seed_, static_cast<std::uint64_t>(number), Purpose::random_sampler);
    const Taken taken(encoding_, history);
    const auto draw = [&](std::uint32_t, std::span<double> u) {
      for (double& x : u) x = random.uniform();
    };
    const auto [point, repeated] = first_free(encoding_, taken, draw, listed_ ? &*listed_ : nullptr, random);
    Suggestion suggestion;
    suggestion.parameters = encoding_.decode(point);
    suggestion.proposal.sampler = name();
    if (repeated) suggestion.proposal.note = kRepeatedNote;
    return suggestion;
  }

  std::string describe(const Space&) const override {
    return "random: independent uniform points (log parameters uniform in their logarithm).";
  }

 private:
  Encoding encoding_;
  std::uint64_t seed_;
  std::optional<std::vector<Point>> listed_;
};

}  // namespace

std::unique_ptr<Sampler> make_random_sampler(const Space& space, std::uint64_t seed) {
  return std::make_unique<RandomSampler>(space, seed);
}

}  // namespace krigon
