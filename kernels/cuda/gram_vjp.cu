// The adjoint of gram. A block owns a tile of points and one split of the points that they are paired
// with, recomputes the covariances of a tile of pairs at a time, and sums what they give in an order
// that depends on the shapes alone; a second kernel sums the splits.

#include <algorithm>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/kernels.hpp"
#include "kernels/cuda/pairs.cuh"

namespace krigon::cuda {

namespace {

constexpr int kTile = 32;
constexpr int kEach = 2;  ///< pairs a thread in each direction

/// What one launch works on, in scratch memory too.
struct GramVjp {
  CovarianceTable table;
  Input points, others, dk;
  std::int64_t tiles, splits, split_tiles;
  double* feature_sums;  ///< a member's: splits x (F x points); null where not wanted
  double* signal_sums;   ///< a member's: splits tiles x T; null where not wanted
};

/// dk at this thread's pairs, 0 beyond the ends.
__device__ inline void load_adjoint(const GramVjp& g, bool transposed, std::int64_t member,
                                    std::int64_t first_point, std::int64_t first_other,
                                    double (*shared)[kTile + 1], double (&adjoint)[kEach][kEach]) {
  const int x = static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(threadIdx.y);
  if (transposed) {
    // By way of shared memory, so that neighbours in a warp read neighbours in memory.
    KRIGON_UNROLL
    for (int b = 0; b < kEach; ++b) {
      KRIGON_UNROLL
      for (int a = 0; a < kEach; ++a) {
        const std::int64_t j = first_other + x + 16 * a;
        const std::int64_t i = first_point + y + 16 * b;
        const bool inside = j < g.others.columns && i < g.points.columns;
        shared[x + 16 * a][y + 16 * b] = inside ? at(g.dk, member, j, i) : 0.0;
      }
    }
    __syncthreads();
    KRIGON_UNROLL
    for (int b = 0; b < kEach; ++b) {
      KRIGON_UNROLL
      for (int a = 0; a < kEach; ++a) adjoint[a][b] = shared[y + 16 * b][x + 16 * a];
    }
    __syncthreads();
    return;
  }
  KRIGON_UNROLL
  for (int b = 0; b < kEach; ++b) {
    KRIGON_UNROLL
    for (int a = 0; a < kEach; ++a) {
      const std::int64_t i = first_point + x + 16 * a;
      const std::int64_t j = first_other + y + 16 * b;
      const bool inside = i < g.points.columns && j < g.others.columns;
      adjoint[a][b] = inside ? at(g.dk, member, i, j) : 0.0;
    }
  }
}

/// Adds (or, on a split's first tile, writes) what the tile's pairs give to the features of one factor:
/// the sum over the others of weight (v - u), or of weight v where linear.
__device__ inline void sum_features(const GramVjp& g, std::int32_t factor, std::int64_t member,
                                    std::int64_t first_point, std::int64_t first_other, bool fresh,
                                    const double (*weights)[kTile + 1], double (*ps)[kTile + 1],
                                    double (*os)[kTile + 1], double* sums) {
  const std::int32_t last = g.table.factor_last[factor];
  const bool linear = is_linear(g.table.factor_kind[factor]);
  const int thread = static_cast<int>(threadIdx.x + threadIdx.y * blockDim.x);
  for (std::int32_t chunk = g.table.factor_first[factor]; chunk < last; chunk += kChunk) {
    load_features<kTile>(g.points, member, first_point, chunk, last, ps);
    load_features<kTile>(g.others, member, first_other, chunk, last, os);
    __syncthreads();
    for (int e = thread; e < kChunk * kTile; e += kThreads) {
      const int f = e % kChunk;
      const int i = e / kChunk;
      if (chunk + f >= last || first_point + i >= g.points.columns) continue;
      const double own = linear ? 0.0 : ps[f][i];
      double sum = 0;
      for (int j = 0; j < kTile; ++j) sum += weights[i][j] * (os[f][j] - own);
      double* to = sums + (first_point + i) * g.table.features + chunk + f;
      *to = fresh ? sum : *to + sum;
    }
    __syncthreads();
  }
}

__global__ void gram_vjp_kernel(GramVjp g, bool transposed, Theta theta) {
  KRIGON_SHARED(double, ps, [kChunk][kTile + 1]);
  KRIGON_SHARED(double, os, [kChunk][kTile + 1]);
  KRIGON_SHARED(double, weights, [kTile][kTile + 1]);
  KRIGON_SHARED(double, partial, [kWarps]);
  const CovarianceTable& table = g.table;
  const std::int64_t blocks = g.tiles * g.splits;
  const std::int64_t member = blockIdx.x / blocks;
  const std::int64_t block = blockIdx.x % blocks;
  const std::int64_t split = block / g.tiles;
  const std::int64_t first_point = block % g.tiles * kTile;
  const double* t = column_of(theta, member);
  double* feature_sums = g.feature_sums == nullptr ? nullptr
                                                   : g.feature_sums + (member * g.splits + split) *
                                                                          table.features * g.points.columns;
  double* signal_sums =
      g.signal_sums == nullptr ? nullptr : g.signal_sums + (member * blocks + block) * table.terms;

  const std::int64_t begin = split * g.split_tiles * kTile;
  const std::int64_t end = min(g.others.columns, begin + g.split_tiles * kTile);
  for (std::int64_t first_other = begin; first_other < end; first_other += kTile) {
    const bool fresh = first_other == begin;
    double adjoint[kEach][kEach];
    load_adjoint(g, transposed, member, first_point, first_other, weights, adjoint);
    for (std::int32_t term = 0; term < table.terms; ++term) {
      const double signal = exp(t[table.groups + table.periods + term]);
      const std::int32_t first_factor = table.term_start[term];
      const std::int32_t last_factor = table.term_start[term + 1];
      for (std::int32_t factor = first_factor; factor < last_factor; ++factor) {
        // The adjoint of this factor: dk, the signal variance and the term's other factors.
        double outer[kEach][kEach];
        KRIGON_UNROLL
        for (int a = 0; a < kEach; ++a) {
          KRIGON_UNROLL
          for (int b = 0; b < kEach; ++b) outer[a][b] = adjoint[a][b] * signal;
        }
        double sum[kEach][kEach];
        for (std::int32_t other = first_factor; other < last_factor; ++other) {
          if (other == factor) continue;
          const std::int32_t kind = table.factor_kind[other];
          accumulate_pairs<kEach>(is_linear(kind), table.factor_first[other], table.factor_last[other],
                                  g.points, first_point, g.others, first_other, member, ps, os, sum);
          KRIGON_UNROLL
          for (int a = 0; a < kEach; ++a) {
            KRIGON_UNROLL
            for (int b = 0; b < kEach; ++b) outer[a][b] *= factor_at(kind, sum[a][b]).value;
          }
        }
        const std::int32_t kind = table.factor_kind[factor];
        accumulate_pairs<kEach>(is_linear(kind), table.factor_first[factor], table.factor_last[factor],
                                g.points, first_point, g.others, first_other, member, ps, os, sum);
        double whole = 0;
        KRIGON_UNROLL
        for (int a = 0; a < kEach; ++a) {
          KRIGON_UNROLL
          for (int b = 0; b < kEach; ++b) {
            const StationaryValue own = factor_at(kind, sum[a][b]);
            whole += outer[a][b] * own.value;
            weights[threadIdx.x + 16 * a][threadIdx.y + 16 * b] = outer[a][b] * own.weight;
          }
        }
        __syncthreads();
        if (signal_sums != nullptr && factor == first_factor) {
          const double total = block_sum(whole, partial);
          if (threadIdx.x + threadIdx.y == 0) {
            signal_sums[term] = fresh ? total : signal_sums[term] + total;
          }
        }
        if (feature_sums != nullptr) {
          sum_features(g, factor, member, first_point, first_other, fresh, weights, ps, os, feature_sums);
        }
      }
    }
  }
}

__global__ void feature_splits_kernel(const double* sums, std::int64_t splits, double scale, Output dp,
                                      Elements elements) {
  const std::int64_t member = member_index(elements);
  const std::int64_t element = element_index(elements);
  if (element >= elements.per_member) return;
  const double* in = sums + member * splits * elements.per_member + element;
  double sum = 0;
  for (std::int64_t split = 0; split < splits; ++split) sum += in[split * elements.per_member];
  at(dp, member, element % dp.rows, element / dp.rows) += scale * sum;
}

/// One block a term and member.
__global__ void signal_blocks_kernel(const double* sums, std::int64_t blocks, CovarianceTable table,
                                     Output dtheta) {
  KRIGON_SHARED(double, partial, [kWarps]);
  const std::int64_t member = blockIdx.x / table.terms;
  const std::int64_t term = blockIdx.x % table.terms;
  const double* in = sums + member * blocks * table.terms + term;
  double sum = 0;
  for (std::int64_t block = threadIdx.x; block < blocks; block += kThreads) sum += in[block * table.terms];
  sum = block_sum(sum, partial);
  if (threadIdx.x == 0) at(dtheta, member, table.groups + table.periods + term, 0) += sum;
}

}  // namespace

GramVjpPlan::GramVjpPlan(const CovarianceTable& table, std::int64_t points, std::int64_t others,
                         bool features, bool signals) {
  if (points == 0 || others == 0) return;
  constexpr std::int64_t kSplitTiles = 16;
  constexpr std::int64_t kMostSums = std::int64_t{1} << 24;  // doubles; beyond it splits get longer
  tiles = blocks_for(points, kTile);
  const std::int64_t other_tiles = blocks_for(others, kTile);
  const std::int64_t most = std::max<std::int64_t>(1, kMostSums / (points * table.features));
  splits = std::min(most, blocks_for(other_tiles, kSplitTiles));
  split_tiles = blocks_for(other_tiles, splits);
  splits = blocks_for(other_tiles, split_tiles);
  feature_sums = features ? splits * points * table.features : 0;
  signal_sums = signals ? splits * tiles * table.terms : 0;
}

cudaError_t launch_gram_vjp(cudaStream_t stream, const CovarianceTable& table, const GramVjpPlan& plan,
                            Input points, Input others, Theta theta, Input dk, bool transposed, double scale,
                            Output dp, Output dtheta, std::int64_t batch, double* sums) {
  if (plan.tiles * batch == 0) return cudaSuccess;
  double* signal_sums = sums + plan.feature_sums * batch;
  const GramVjp g{.table = table,
                  .points = points,
                  .others = others,
                  .dk = dk,
                  .tiles = plan.tiles,
                  .splits = plan.splits,
                  .split_tiles = plan.split_tiles,
                  .feature_sums = dp.data == nullptr ? nullptr : sums,
                  .signal_sums = dtheta.data == nullptr ? nullptr : signal_sums};
  const std::int64_t blocks = plan.tiles * plan.splits;
  cudaError_t error = launch(gram_vjp_kernel, dim3(static_cast<unsigned>(blocks * batch)), dim3(16, 16), 0,
                             stream, g, transposed, theta);
  if (error == cudaSuccess && dp.data != nullptr) {
    const Elements elements(dp.rows * dp.columns);
    error = launch(feature_splits_kernel, elements.grid(batch), dim3(kThreads), 0, stream, sums, plan.splits,
                   scale, dp, elements);
  }
  if (error == cudaSuccess && dtheta.data != nullptr) {
    error = launch(signal_blocks_kernel, dim3(static_cast<unsigned>(table.terms * batch)), dim3(kThreads), 0,
                   stream, signal_sums, blocks, table, dtheta);
  }
  return error;
}

}  // namespace krigon::cuda
