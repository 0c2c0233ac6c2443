#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "kernels/acquisition/boxes.hpp"
#include "kernels/acquisition/sampled.hpp"
#include "kernels/acquisition/smooth.hpp"

namespace krigon {

/// Log expected hypervolume improvement of q points together, with M <= 4 independent objectives:
/// the log of the mean over joint samples of the volume that the q points add (Daulton, Balandat, Bakshy
/// 2020), smoothed in log space (Ament et al. 2023, appendix).
///
/// In each box the points' parts are boxes that share its upper corner, so their union follows by
/// inclusion and exclusion over all 2^q - 1 subsets: keep q to 8 or so. Side lengths are smoothed
/// improvements; the intersection's sides are smoothed minima over the subset and the box's own side.
/// Smoothed minima lie below the minima, so that what is counted twice is taken off a little less than
/// twice: the union stays at least its largest part (so it was for 400,000 random cases of 2 to 6 points).
struct HypervolumeTerm {
  BoxSet boxes;
  std::int32_t q = 1;
  std::int32_t samples = 1;      ///< S
  const double* base = nullptr;  ///< S x (M q), row-major: objective m's normals at m q
};

KRIGON_ELEMENT int hypervolume_scratch(const HypervolumeTerm& term) {
  const int m = term.boxes.objectives, q = term.q;
  return m * (2 * q * q + 5 * q) + (m + 1) * (q + 1) + m * term.boxes.count;
}

/// The log volume that the points with log side lengths `side` (M x q) add in one box, with the box's own
/// log side lengths `own` (M); `weight`, M x q, gets its derivatives by `side`. work: (M + 1)(q + 1) values.
KRIGON_ELEMENT double log_union(int objectives, int q, const double* side, const double* own, double* weight,
                                double* work) {
  double* x = work;
  double* w = work + q + 1;     // M x (q + 1): derivatives of the intersection's sides
  double reference = -DBL_MAX;  // the log volume of the largest part
  double sum = 0;
  for (int i = 0; i < objectives * q; ++i) weight[i] = 0;
  // First the single points, then all subsets relative to the largest single.
  for (int pass = 0; pass < 2; ++pass) {
    for (unsigned subset = 1; subset < 1u << q; ++subset) {
      const bool single = (subset & (subset - 1)) == 0;
      if (pass == 0 && !single) continue;
      int size = 0;
      double log_volume = 0, totals = 1;  // ln of a product of totals, which is at most (q + 1)^M
      for (int m = 0; m < objectives; ++m) {
        size = 0;
        for (int i = 0; i < q; ++i) {
          if ((subset >> i & 1u) != 0) x[size++] = side[m * q + i];
        }
        x[size] = own[m];
        const FatExtreme least = fat_extreme(-1, own[m] < DBL_MAX ? size + 1 : size, x, w + m * (q + 1));
        log_volume += least.extreme;
        totals *= least.total;
      }
      log_volume -= kTauMax * std::log(totals);
      if (q == 1) {  // no union to make
        for (int m = 0; m < objectives; ++m) weight[m] = w[2 * m];
        return log_volume;
      }
      if (pass == 0) {
        if (!(log_volume <= reference)) reference = log_volume;
        continue;
      }
      const double volume = std::exp(log_volume - reference) * (size % 2 == 1 ? 1.0 : -1.0);
      sum += volume;
      for (int m = 0; m < objectives; ++m) {
        int at = m * (q + 1);
        for (int i = 0; i < q; ++i) {
          if ((subset >> i & 1u) != 0) weight[m * q + i] += volume * w[at++];
        }
      }
    }
  }
  sum = sum < 1.0 ? 1.0 : sum;  // no less than its largest part, but for rounding
  for (int i = 0; i < objectives * q; ++i) weight[i] /= sum;
  return reference + std::log(sum);
}

/// moments[m]: objective m's q means and q x q covariance; adjoint[m] alike, as for sampled_term.
/// `scratch`: hypervolume_scratch(term) doubles. -infinity, with adjoints of 0, where there are no boxes.
KRIGON_ELEMENT double q_log_ehvi(const HypervolumeTerm& term, const double* const* moments,
                                 double* const* adjoint, double* scratch) {
  const int q = term.q, objectives = term.boxes.objectives, square = q * q;
  double* l = scratch;
  double* dl = l + objectives * square;
  double* f = dl + objectives * square;
  double* g = f + objectives * q;
  double* side = g + objectives * q;
  double* slope = side + objectives * q;
  double* weight = slope + objectives * q;
  double* work = weight + objectives * q;
  double* own = work + (objectives + 1) * (q + 1);  // the boxes' log side lengths
  JointFactor factor[kMostObjectives];
  bool ok = true;
  for (int m = 0; m < objectives; ++m) {
    factor[m] = joint_factor(q, moments[m] + q, l + m * square);
    ok = ok && factor[m].ok;
    for (int i = 0; i < q + square; ++i) adjoint[m][i] = 0;
  }
  if (!ok) return NAN;
  if (term.boxes.count == 0) return -INFINITY;
  for (int i = 0; i < objectives * square; ++i) dl[i] = 0;
  for (int i = 0; i < objectives * term.boxes.count; ++i) {
    own[i] = std::log(term.boxes.upper[i] - term.boxes.lower[i]);
  }
  LogMean mean;
  for (int s = 0; s < term.samples; ++s) {
    const double* z = term.base + s * objectives * q;
    for (int m = 0; m < objectives; ++m) {
      joint_sample(q, moments[m], l + m * square, z + m * q, f + m * q);
    }
    LogMean sample;
    for (int i = 0; i < objectives * q; ++i) g[i] = 0;
    for (int b = 0; b < term.boxes.count; ++b) {
      const double* upper = term.boxes.upper + b * objectives;
      for (int m = 0; m < objectives; ++m) {
        for (int i = 0; i < q; ++i) {
          const Smooth improvement = log_improvement(upper[m] - f[m * q + i]);
          side[m * q + i] = improvement.value;
          slope[m * q + i] = -improvement.derivative;
        }
      }
      double scale;
      const double share =
          take(sample, log_union(objectives, q, side, own + b * objectives, weight, work), scale);
      for (int i = 0; i < objectives * q; ++i) g[i] = g[i] * scale + share * weight[i] * slope[i];
    }
    double scale;
    const double share = take(mean, sample.most + std::log(sample.sum), scale) / sample.sum;
    for (int m = 0; m < objectives; ++m) {
      for (int i = 0; i < q; ++i) {
        const double part = share * g[m * q + i];
        adjoint[m][i] = adjoint[m][i] * scale + part;
        double* row = dl + m * square + i * q;
        for (int k = 0; k <= i; ++k) row[k] = row[k] * scale + part * z[m * q + k];
      }
    }
  }
  for (int m = 0; m < objectives; ++m) {
    for (int i = 0; i < q; ++i) adjoint[m][i] = saturated(adjoint[m][i] / mean.sum);
    for (int i = 0; i < square; ++i) dl[m * square + i] /= mean.sum;
    factor_adjoint(q, factor[m], l + m * square, dl + m * square, adjoint[m] + q);
  }
  return saturated(mean.most + std::log(mean.sum / term.samples));
}

}  // namespace krigon
