#pragma once

#include <array>
#include <cstdint>

namespace krigon {

/// What a stream of random numbers is for: two purposes never share numbers.
enum class Purpose : std::uint32_t {
  sobol_scramble = 1,
  random_sampler = 2,
  candidates = 3,
  fit_starts = 4,
  boltzmann = 5,
  trial_seed = 6,
  grid_order = 7,
  local_search = 8,
  paths = 9,
  joint_sample = 10,
  vecchia = 11,
  perturb = 12,
};

/// Counter-based random numbers, Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
/// easy as 1, 2, 3"). A stream is a pure function of (seed, trial, purpose): it does not matter who
/// drew before, so a resumed study draws what an uninterrupted one would. Satisfies
/// UniformRandomBitGenerator.
class Random {
 public:
  using result_type = std::uint64_t;

  Random(std::uint64_t seed, std::uint64_t trial, Purpose purpose);

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type operator()();

  /// In [0, 1), 53 random bits.
  double uniform();
  /// Standard normal, by the inverse of its distribution function (one draw each).
  double normal();
  /// In [0, n), unbiased; n >= 1.
  std::uint64_t below(std::uint64_t n);

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint64_t, 2> buffer_{};
  int left_ = 0;
};

/// One Philox4x32-10 block, for tests against the published vectors.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// Phi^-1(p) for p in (0, 1), relative error below 1e-15 in the body (Wichura 1988, AS241).
double normal_quantile(double p);

}  // namespace krigon
