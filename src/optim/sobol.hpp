#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace krigon {

/// Points of the Sobol' sequence (direction numbers of Joe and Kuo 2008), each coordinate scrambled on
/// its own by nested uniform scrambling (Owen 1995) through the hash of Laine and Karras 2011, as in
/// Burley 2020, "Practical hash-based Owen scrambling", JCGT 9(4). The first 2^k points keep the
/// (t, k, d)-net of the sequence, whatever the seed.
///
/// The table holds kTableDims dimensions; further coordinates are independent uniform numbers, hashed
/// from (seed, dimension, index). Immutable and safe to read from several threads.
class ScrambledSobol {
 public:
  static constexpr std::size_t kTableDims = 3667;

  ScrambledSobol(std::size_t dims, std::uint64_t seed);

  std::size_t dims() const { return scramble_.size(); }
  /// Point `index`: dims() numbers strictly between 0 and 1, multiples of 2^-32 and half of one.
  void point(std::uint32_t index, std::span<double> out) const;

 private:
  std::vector<std::uint32_t> directions_;  ///< 32 a dimension, those of bit 0 of the index first
  std::vector<std::uint32_t> scramble_;    ///< a seed per dimension
};

namespace detail {

/// Direction numbers of the first `dims` dimensions (at most ScrambledSobol::kTableDims), 32 each.
std::vector<std::uint32_t> sobol_directions(std::size_t dims);

/// Nested uniform scrambling of a binary fraction in base 2: each bit is flipped or not by a hash of the
/// bits above it.
std::uint32_t owen_scramble(std::uint32_t value, std::uint32_t seed);

}  // namespace detail
}  // namespace krigon
