#pragma once

#include <cstdint>

namespace krigon::detail {

/// Likelihoods of one vector of thetas, a lane each, on the same points: likelihood_lanes. What is said to be
/// by lanes has an entry for each lane, one behind the other.
struct LaneProblem {
  std::int32_t kind;  ///< a CovarianceKind, neither periodic nor linear
  std::int64_t n;     ///< at least 1
  std::int64_t columns;
  std::int64_t groups;
  const double* points;                 ///< D x n, a column is a point; not scaled
  const std::int32_t* group;            ///< of each column, or null where column d is group d
  const double* targets;                ///< n
  const double* noise;                  ///< n, or null
  const double* inverse_square_length;  ///< of each group, by lanes
  const double* signal;                 ///< by lanes
  const double* diagonal;               ///< noise and jitter, by lanes
  const double* mean;                   ///< by lanes

  /// The rows of the result, by lanes. kStatus as a backend's info; with r = y - mean, alpha = K^-1 r and
  /// M = (alpha alpha' - K^-1) o weight, kQuadratic = r' alpha, kTrace = tr K^-1, kKnownTrace = the trace of
  /// alpha alpha' - K^-1 times the points' noise, kSums + g = sum over i > j of M_ij times the squared scaled
  /// distance in group g.
  enum Row { kStatus, kQuadratic, kAlphaSquare, kAlphaSum, kTrace, kKnownTrace, kSums };
};

/// The CPU's inner loops, compiled once per instruction set (tiles_body.inc) and chosen at run time.
/// Plain pointers only. Matrices are column-major; "padded" means that rows up to the next multiple of
/// kRowPadding are there to be read and written.
struct Tiles {
  const char* name;
  int panel_rows;  ///< rows of a packed panel, divides kRowPadding

  /// k(i, j) = signal times the stationary covariance of |x_i - z_j|, i < n, j < m; weight alike, may be
  /// null. `kind` is a CovarianceKind, neither periodic nor linear.
  /// x: n x D, padded; z: D x m, column j at z + j * ldz; k, weight: padded.
  /// first_row(j) = 0 or, when `lower`, at most diagonal + j: rows above may be left unwritten.
  void (*gram)(std::int32_t kind, std::int64_t n, std::int64_t m, std::int64_t dims, const double* x,
               std::int64_t ldx, const double* z, std::int64_t ldz, double signal, double* k,
               std::int64_t ldk, double* weight, std::int64_t ldw, bool lower, std::int64_t diagonal);

  /// k(i, j) = x_i . z_j, shapes as in gram.
  void (*products)(std::int64_t n, std::int64_t m, std::int64_t dims, const double* x, std::int64_t ldx,
                   const double* z, std::int64_t ldz, double* k, std::int64_t ldk);

  /// out(0 .. panel_rows-1, q) = sum over i < length of panel(:, i) x(i, q), q < columns; where `add` is set,
  /// on top of what it holds. The sum of one column runs in the order of i, whatever the number of columns.
  void (*panel_multiply)(const double* panel, std::int64_t length, const double* x, std::int64_t ldx,
                         std::int64_t columns, double* out, std::int64_t ldo, bool add);

  /// w(q, i) += sum over r < panel_rows of panel(r, i) v(q, r), i < length, q < columns, which is a multiple
  /// of panel_rows / 2; column r of v at v + r * columns, column i of w at w + i * columns. The sum runs in
  /// the order of r, whatever the number of columns. The panel behind is fetched on the way.
  void (*panel_transposed_add)(const double* panel, std::int64_t length, const double* v,
                               std::int64_t columns, double* w);

  /// sum_i k_i alpha_i and sum_i v_i^2.
  void (*moments)(std::int64_t n, const double* k, const double* alpha, const double* v, double* mean,
                  double* square);

  /// g_i = weight_i (a alpha_i + b v_i); dx_k = scale_k sum_i (x_ik - z_k) g_i.
  void (*pull_back)(std::int64_t n, std::int64_t dims, double a, double b, const double* alpha,
                    const double* v, const double* weight, const double* x, std::int64_t ldx, const double* z,
                    const double* scale, double* g, double* dx);

  /// The tile m(i, j) = (alpha_i alpha_j - inverse(i, j)) weight(i, j) of the likelihood's gradient, for
  /// i < rows, j < columns; on a diagonal tile only i > j, else 0. inverse is overwritten by m.
  /// row_sum(i), column_sum(j) take m's sums.
  void (*gradient_tile)(std::int64_t rows, std::int64_t columns, bool diagonal, const double* alpha_rows,
                        const double* alpha_columns, const double* weight, std::int64_t ldw, double* inverse,
                        std::int64_t ldi, double* row_sum, double* column_sum);

  /// sum_i x_i (x_i s_i - 2 p_i).
  double (*weighted_square)(std::int64_t n, const double* x, const double* s, const double* p);

  // Of stripes (stripes.hpp): `vectors` of kStripeVectors hold rows in use; b is a row's share of another
  // stripe. A tile t is a stripe's next `lanes` columns. Sums run in the order of k.

  /// t := (fresh ? 0 : t) - sum over k < depth of a(:, k) b(0 .. lanes-1, k)'.
  void (*stripe_subtract)(int vectors, const double* a, const double* b, std::int64_t depth, bool fresh,
                          double* t);
  /// The same, then t := t L^-T with the lower triangle l and the inverses of its diagonal.
  void (*stripe_solve)(int vectors, const double* a, const double* b, std::int64_t depth, bool fresh,
                       const double* l, const double* inverse, double* t);
  /// The same for a stripe's own rows from `row` on: t := L, the inverses of whose diagonal go to `inverse`.
  /// 0, or k > 0 where the k-th pivot is not positive, or -1 where it is not finite.
  std::int64_t (*stripe_factor)(int vectors, const double* a, std::int64_t row, std::int64_t depth, double* t,
                                double* inverse);
  /// out := (add ? out : 0) + sum over k < depth of a(:, k) b(0 .. lanes-1, k)', column-major.
  void (*stripe_product)(int vectors, const double* a, const double* b, std::int64_t depth, bool add,
                         double* out, std::int64_t ldo);
  /// out := sum over k < depth of a(:, k) x_k.
  void (*stripe_multiply)(int vectors, const double* a, std::int64_t depth, const double* x, double* out);

  int lanes;  ///< of a vector
  /// Doubles that likelihood_lanes works in.
  std::int64_t (*lane_work)(std::int64_t n, std::int64_t groups);
  /// out: kSums + groups rows by lanes; diagonal: L's, n rows by lanes.
  void (*likelihood_lanes)(const LaneProblem& problem, double* work, double* out, double* diagonal);
};

inline constexpr std::int64_t kRowPadding = 16;

/// Vectors of a stripe's height: with as many columns as a vector is long, a tile fills the registers.
inline constexpr int kStripeVectors = 3;

/// Rows padded for the tiles, and kept off powers of two, which would make columns fall on the same
/// cache sets.
constexpr std::int64_t padded_rows(std::int64_t rows) {
  std::int64_t padded = (rows + kRowPadding - 1) / kRowPadding * kRowPadding;
  if (padded == 0) padded = kRowPadding;
  if (padded % 256 == 0) padded += kRowPadding;
  return padded;
}

const Tiles& baseline_tiles();
#if defined(KRIGON_X86_TILES)
const Tiles& avx2_tiles();
const Tiles& avx512_tiles();
#endif

/// By name, or null where this CPU cannot run them.
const Tiles* tiles_by_name(const char* name);
/// The best that this CPU runs.
const Tiles& best_tiles();

}  // namespace krigon::detail
