#pragma once

#include <cstdint>
#include <string_view>

namespace krigon::detail {

/// Small Gaussian conditionals, `lanes` of them at a time: each lane of a vector is a problem of its own, so
/// that Cholesky factors of a few dozen points run at the width of the vectors. Slots 0 .. slots-2 are
/// points that are conditioned on, the last slot is the point asked about. Arrays are slot by slot, `lanes`
/// numbers each.
///
///   K = [signal C(x_p, x_q)] + diag(diagonal) = L L'     over all slots, lower, rows packed
///   y = L^-1 residual                                    v = L_tt^2: the conditional variance of the target
///   t w = L^-T e_t = (-b, 1) / sqrt(v)                     b: the weights of the neighbours' values a =
///   K_NN^-1 residual_N, a_t = 0
///
/// A pivot that is not positive leaves NaN or infinity in the lane's results, and in no other lane.
struct VecchiaBatch {
  std::int32_t kind = 0;  ///< CovarianceKind, stationary
  std::int64_t slots = 1;
  std::int64_t dims = 0;
  const double* x = nullptr;         ///< scaled; column k of slot p at (k * padded_slots(slots) + p) * lanes
  const double* residual = nullptr;  ///< the target's does not matter for predict
  const double* diagonal = nullptr;  ///< beyond the signal variance
  const std::int64_t* counts = nullptr;  ///< per lane: neighbours that count; slots from there on do not
  double signal = 1;
  double floor = 0;        ///< the least conditional variance
  double* work = nullptr;  ///< vecchia_work(slots) * lanes
};

constexpr std::int64_t padded_slots(std::int64_t slots) {
  return (slots + 3) / 4 * 4;
}
constexpr std::int64_t vecchia_work(std::int64_t slots) {
  return slots * (slots + 1) + 16 + 3 * slots;
}

struct VecchiaTiles {
  const char* name;
  std::int64_t lanes;

  /// The conditional log density of the target's residual e, y_t = e / sqrt(v), and its derivatives by K:
  ///   -(ln v + y_t^2 + ln 2 pi) / 2
  ///   d = sum_pq dK_pq [ (y_t^2 - 1) w_p w_q / 2 + y_t w_p a_q ]
  /// (Vecchia 1988; derivatives as in Guinness 2021, in this shorter form.)
  /// out, rows of `lanes`: v, y_t, by the mean, trace of the bracket, its sum with `diagonal`, then by the
  /// logarithm of each column's lengthscale (dims). Only v and y_t without `gradient`.
  void (*likelihood)(const VecchiaBatch& batch, bool gradient, double* out);

  /// Mean (beyond the constant) and variance at the target, without noise.
  /// out, rows of `lanes`: mean, variance; with `gradient` by the target's scaled columns: of the mean
  /// (dims), of the variance (dims).
  void (*predict)(const VecchiaBatch& batch, bool gradient, double* out);

  /// out(q, i) = |x_i - z_q|^2 in single precision for first <= i < last, q < 4. x: column k at x + k * ldx,
  /// `last` rounded up to 32 must be there; z: column k of query q at z[4 k + q]; out: query q at
  /// out + q * ldo, from 0.
  void (*distances)(std::int64_t first, std::int64_t last, std::int64_t dims, const float* x,
                    std::int64_t ldx, const float* z, float* out, std::int64_t ldo);
  /// The least of n values, n a multiple of 16. NaN counts as nothing.
  float (*smallest)(std::int64_t n, const float* values);
};

const VecchiaTiles& vecchia_baseline();
#if defined(KRIGON_X86_TILES)
const VecchiaTiles& vecchia_avx2();
const VecchiaTiles& vecchia_avx512();
#endif

/// By the name of an instruction set ("baseline", "avx2", "avx512"); else the best that this CPU runs.
const VecchiaTiles& vecchia_tiles(std::string_view name);

}  // namespace krigon::detail
