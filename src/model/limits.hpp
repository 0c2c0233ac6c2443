#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "model/gp.hpp"

namespace krigon {

/// The most memory, in bytes, that fit() and then a Posterior of n points of D columns hold at a time on
/// the CPU, beyond the data themselves: n x n matrices of doubles, counted as the backend allocates them.
///   fit        K (then L), L^-T and the derivatives' weights: 2 n^2; twice where several starts are
///   compared,
///              on two or more threads. Above kLeanAbove points without the weights, one at a time: n^2
///   posterior  the work space of the fit stays; L with room for n/8 more points, and packed L^-1 and L^-T
/// For one stationary factor (matern52, matern32, rbf). Other covariances take less per evaluation, but the
/// same order. `threads`: of the backend.
std::uint64_t exact_bytes(std::size_t n, std::size_t columns, int threads = 1);

/// The largest n whose exact_bytes are at most `memory`; 0 where not even one point fits.
std::size_t largest_exact_n(std::size_t columns, std::uint64_t memory, int threads = 1);

/// Throws EnvironmentError where the exact process of n points does not fit, before anything is allocated:
/// says how much it takes, how much there is and the largest n that fits.
void check_exact_fits(std::size_t n, std::size_t columns, std::uint64_t memory, int threads = 1);

/// Memory that a process may still take, as the system says (MemAvailable, and no more than the limit of its
/// control group); 0 where it does not say.
std::uint64_t available_memory();

enum class GpMethod {
  exact,
  vecchia,
};

struct MethodChoice {
  GpMethod method = GpMethod::exact;
  std::string reason;  ///< one line, for people
};

/// Above this many points an exact fit takes minutes on two cores (n^3), and the approximation loses less
/// than the search for hyperparameters gains by being done often.
inline constexpr std::size_t kExactPoints = 4000;

/// Exact up to kExactPoints and while it takes no more than half of `memory` (bytes; 0: not known, and not
/// asked about), Vecchia beyond; exact whatever n while it fits into memory where the covariance is one that
/// Vecchia does not take. Throws as check_exact_fits where neither is possible.
MethodChoice choose_method(std::size_t n, std::size_t columns, std::uint64_t memory, int threads = 1);
MethodChoice choose_method(const GpData& data, std::uint64_t memory, int threads = 1);

}  // namespace krigon
