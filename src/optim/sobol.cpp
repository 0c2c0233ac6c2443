#include "optim/sobol.hpp"

#include <algorithm>

#include <boost/random/sobol.hpp>

namespace krigon {
namespace {

constexpr std::size_t kBits = 32;

std::uint32_t reverse_bits(std::uint32_t x) {
  x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
  x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
  x = ((x >> 4) & 0x0F0F0F0Fu) | ((x & 0x0F0F0F0Fu) << 4);
  x = ((x >> 8) & 0x00FF00FFu) | ((x & 0x00FF00FFu) << 8);
  return (x >> 16) | (x << 16);
}

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every input bit moves every output bit.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

namespace detail {

std::vector<std::uint32_t> sobol_directions(std::size_t dims) {
  std::vector<std::uint32_t> directions(dims * kBits);
  if (dims == 0) return directions;
  // The engine walks in Gray code and leaves out the origin: element 2^(k+1) - 2 is the one whose Gray
  // code is 2^k alone, which is direction number k itself.
  boost::random::sobol_engine<std::uint32_t, kBits> engine(dims);
  for (std::size_t k = 0; k < kBits; ++k) {
    engine.seed(static_cast<std::uint32_t>((std::uint64_t{2} << k) - 2));
    for (std::size_t d = 0; d < dims; ++d) directions[d * kBits + k] = engine();
  }
  return directions;
}

std::uint32_t owen_scramble(std::uint32_t value, std::uint32_t seed) {
  // Multiplication by even constants carries from low bits to high ones only, hence on reversed bits.
  std::uint32_t x = reverse_bits(value);
  x += seed;
  x ^= x * 0x6C50B47Cu;
  x ^= x * 0xB82F1E52u;
  x ^= x * 0xC7AFE638u;
  x ^= x * 0x8D22F6E6u;
  return reverse_bits(x);
}

}  // namespace detail

ScrambledSobol::ScrambledSobol(std::size_t dims, std::uint64_t seed)
    : directions_(detail::sobol_directions(std::min(dims, kTableDims))), scramble_(dims) {
  for (std::size_t d = 0; d < dims; ++d) {
    scramble_[d] = static_cast<std::uint32_t>(mix(mix(seed) ^ (d + 1)) >> 32);
  }
}

void ScrambledSobol::point(std::uint32_t index, std::span<double> out) const {
  const std::size_t from_table = directions_.size() / kBits;
  for (std::size_t d = 0; d < dims(); ++d) {
    std::uint32_t x = 0;
    if (d < from_table) {
      const std::uint32_t* direction = &directions_[d * kBits];
      for (std::uint32_t rest = index; rest != 0; rest >>= 1, ++direction) {
        if ((rest & 1u) != 0) x ^= *direction;
      }
      x = detail::owen_scramble(x, scramble_[d]);
    } else {
      x = static_cast<std::uint32_t>(mix((std::uint64_t{scramble_[d]} << 32) | index) >> 32);
    }
    out[d] = (static_cast<double>(x) + 0.5) * 0x1p-32;
  }
}

}  // namespace krigon
